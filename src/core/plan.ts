/** A plan: what a run will do, in which order, and what it may cost. */
import type { CapacityPlan } from "./capacity.ts";

export interface PlanPhase {
  /** Unique in the run: the strategy's name. */
  readonly name: string;
  readonly title: string;
  /** Undefined: this version cannot run the strategy, and says so. */
  readonly tuner: string | undefined;
  readonly rationale: string;
  /** What this phase may use of the run's time. */
  readonly budgetMs: number;
}

/** What of the persona's capacity block the budget pays for. */
export interface PlannedCapacity {
  readonly measured: CapacityPlan;
  /** Set aside of the run's time: for the baseline, and for everything that is kept. */
  readonly baselineMs: number;
  readonly keptMs: number;
  /** What was shortened or left out for the budget, one sentence each. */
  readonly notes: readonly string[];
}

export interface Plan {
  readonly persona: string;
  readonly target: string;
  readonly phases: readonly PlanPhase[];
  readonly windowMs: number;
  readonly warmupMs: number;
  readonly pairsMax: number;
  readonly candidatesMax: number;
  /** Absent for personas that do not ask how much the service carries. */
  readonly capacity?: PlannedCapacity;
  /** Estimates in milliseconds, from the windows' lengths; printed before starting. */
  readonly estimate: { readonly leastMs: number; readonly mostMs: number };
}
