/** A persona: who is served, what counts as good for them, and what may be tried, in which order. */
import type { CapacityPlan, OverloadPlan } from "./capacity.ts";
import type { CapacityMetricId, MetricId, PlannedMetricId } from "./metric.ts";
import type { KnobValue } from "./knob.ts";

export interface Objective {
  readonly metric: MetricId;
  /** The acceptance goal, in the metric's unit. */
  readonly goal: number;
  readonly stretch?: number;
  readonly weight: number;
}

/** An objective of what the capacity blocks measure. */
export interface CapacityObjective {
  readonly metric: CapacityMetricId;
  readonly goal: number;
  readonly stretch?: number;
  readonly weight: number;
}

/** An objective that a run can judge. */
export type JudgedObjective = Objective | CapacityObjective;

/** An objective that no version of perfopt measures yet: shown as not measured, never judged. */
export interface PlannedObjective {
  readonly metric: PlannedMetricId;
  readonly goal: number;
  readonly stretch?: number;
  readonly weight: number;
}

export interface Preset {
  /** The value before and after in the founding report: hypotheses, never results. */
  readonly from: number;
  readonly to: number;
  readonly metric: string;
}

export interface Strategy {
  readonly name: string;
  readonly title: string;
  /** The tuner that runs it; undefined when this version has none, with the strategy's own name then unavailable. */
  readonly tuner?: string;
  /** The metric that this phase's trials are decided by. */
  readonly objective: MetricId;
  /** Which of the workload's tasks this phase's windows do, by name; absent: all of them. */
  readonly tasks?: readonly string[];
  /**
   * This phase's windows are overload, absent: the workload's own rate. Requests that are refused or late are what is measured then, so that
   * the persona's constraints are judged in pairs at the own rate, after the objective is proven.
   */
  readonly overload?: OverloadPlan;
  /** Starting hypotheses for knobs, by role or by the tuner's own setting name. */
  readonly settings: Readonly<Record<string, KnobValue>>;
  readonly preset?: Preset;
  /** What else the founding report said of the strategy, beside `preset`. */
  readonly morePresets?: readonly Preset[];
}

export type Constraint =
  /** The metric must stay at or on the good side of the limit in the candidate. */
  | { readonly kind: "limit"; readonly metric: MetricId; readonly limit: number }
  /** The metric must not get worse than the incumbent by more than `tolerance` (a ratio, or a difference for such metrics). */
  | { readonly kind: "no-regression"; readonly metric: MetricId; readonly tolerance: number };

export interface Budget {
  readonly totalMs: number;
  /** The most pairs one trial may use. */
  readonly pairsMax: number;
  readonly candidatesMax: number;
}

export interface PersonaWorkload {
  /** The name of a workload in the target file. */
  readonly name: string;
  readonly arrivals: "constant" | "poisson";
  /** A fixed rate, or a share of the saturation rate that a closed loop finds on the baseline. */
  readonly rate:
    | { readonly kind: "fixed"; readonly requestsPerSecond: number }
    | { readonly kind: "share-of-saturation"; readonly share: number };
  readonly warmupMs: number;
  readonly windowMs: number;
  /** A request slower than this counts as a timeout, and enters the histogram at this value. */
  readonly timeoutMs: number;
}

export interface Persona {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly priority: string;
  readonly workload: PersonaWorkload;
  readonly objectives: readonly Objective[];
  /** Judged by the capacity blocks; absent when there are none of these. */
  readonly capacityObjectives?: readonly CapacityObjective[];
  /** What the capacity blocks measure; absent: there are none. */
  readonly capacity?: CapacityPlan;
  /** Absent when everything that the persona wants is measured. */
  readonly plannedObjectives?: readonly PlannedObjective[];
  readonly strategies: readonly Strategy[];
  readonly constraints: readonly Constraint[];
  /** The least effect worth a change: 0.03 is 3 % for ratios, 0.01 is one point for differences. */
  readonly minEffect: { readonly ratio: number; readonly difference: number };
  readonly budget: Budget;
}
