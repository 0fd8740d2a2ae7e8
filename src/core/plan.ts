/** A plan: what a run will do, in which order, and what it may cost. */

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

export interface Plan {
  readonly persona: string;
  readonly target: string;
  readonly phases: readonly PlanPhase[];
  readonly windowMs: number;
  readonly warmupMs: number;
  readonly pairsMax: number;
  readonly candidatesMax: number;
  /** Estimates in milliseconds, from the windows' lengths; printed before starting. */
  readonly estimate: { readonly leastMs: number; readonly mostMs: number };
}
