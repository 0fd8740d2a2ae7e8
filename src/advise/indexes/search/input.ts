/** What a search for indexes is given, and what it answers. */
import type { AdviceEngine, AdviceLimits, RejectedIndex } from "../../../core/advice.ts";
import type { IndexDefinition } from "../../../core/index-definition.ts";
import type { CandidatePool } from "../pool.ts";
import type { Plan, PlannableStatement, WhatIf } from "../what-if.ts";
import type { AddedIndex } from "./candidates.ts";

export interface SearchInput {
  readonly statements: readonly SearchStatement[];
  readonly pool: CandidatePool;
  readonly whatIf: Pick<WhatIf, "add" | "plan">;
  /** What maintaining an index adds, as a share of the workload's cost before (0.01 = 1 %); 0 where nothing is written. */
  readonly maintenanceShare: (index: IndexDefinition, added: AddedIndex) => number;
  /** Undefined: not known, and not counted. */
  readonly buildMs: (index: IndexDefinition, added: AddedIndex) => number | undefined;
  /** What an index has to save beyond its keys' share to be worth having, in multiples of `gainLeast`; absent: nothing. */
  readonly surcharge?: (index: IndexDefinition, added: AddedIndex) => number;
  readonly limits: AdviceLimits;
  readonly objective: Objective;
  readonly seed: number;
  readonly now: () => number;
  readonly onProgress?: (progress: SearchProgress) => void;
  readonly signal?: AbortSignal;
}

export interface SearchStatement {
  readonly statement: PlannableStatement;
  /** `sum`: how often it runs. `ratio`: the time that it takes. Any unit. */
  readonly weight: number;
}

/**
 * What is made small; both are 1 before, and a share of the workload afterwards.
 *
 * `sum`: weights times the planner's costs, over the same before. Right where costs are all that is known; but one statement whose cost the planner
 * puts a thousand times too high decides everything.
 *
 * `ratio`: each statement's share of the weights times the factor by which its cost changes. For weights that are measured times: what
 * the statement takes is known, and the planner only has to say by what factor that changes. No statement counts for more than
 * its share, however large its cost, and a plan that is a thousand times cheaper is not worth ten times one that is a hundred times
 * cheaper, as it would be with logarithms.
 */
export type Objective = "sum" | "ratio";

export interface SearchProgress {
  readonly explains: number;
  /** Of the best set so far, by the objective, maintenance included. */
  readonly relativeCost: number;
  readonly indexes: number;
  readonly bytes: number;
}

export interface SearchResult {
  /** In the order to build them: what gains most for its bytes first. */
  readonly selected: readonly SelectedCandidate[];
  readonly statements: readonly PricedStatement[];
  /** Every idea of the pool that is not selected. */
  readonly rejected: readonly RejectedIndex[];
  /** By the objective, maintenance included; 1 is as before. */
  readonly relativeCost: number;
  readonly explains: number;
  /** Absent: nothing better was found any more. */
  readonly endedBy?: Exclude<AdviceEngine["endedBy"], undefined>;
}

export interface SelectedCandidate {
  readonly index: IndexDefinition;
  readonly bytes: number;
  /** What the relative cost would grow by without it, maintenance saved. */
  readonly gain: number;
  readonly maintenanceShare: number;
  readonly buildMs: number | undefined;
}

export interface PricedStatement {
  readonly id: string;
  /** Undefined when it could not be planned, or no EXPLAIN was left for it. */
  readonly before: Plan | undefined;
  readonly after: Plan | undefined;
  readonly failed?: string;
}
