/** What the index advisor found: plain JSON, for the journal, the report and `--json`. */
import type { IndexDefinition } from "./index-definition.ts";
import type { PartitionTree } from "./partitioned-index.ts";
import type { StructureAdvice } from "./structure.ts";

export interface IndexAdvice {
  readonly format: "perfopt-index-advice/1";
  /** Why nothing could be priced; the findings stand all the same. */
  readonly skipped?: string;
  readonly engine: AdviceEngine;
  readonly limits: AdviceLimits;
  readonly workload: AdvisedWorkload;
  readonly totals: AdviceTotals;
  /** The heaviest first. */
  readonly statements: readonly StatementAdvice[];
  /** In the order to build them: what gains most for its bytes first. */
  readonly selected: readonly SelectedIndex[];
  readonly rejected: readonly RejectedIndex[];
  readonly findings: readonly Finding[];
  /** What the advice could not take into account: tables not modelled, a locale that was missing, columns without statistics. */
  readonly caveats: readonly string[];
  readonly verification?: Verification;
  /** Plans for materialised views and partitioning, where somebody asked for them. */
  readonly structures?: StructureAdvice;
}

export interface AdviceEngine {
  readonly kind: "planner-clone" | "hypopg";
  /** Of the database that is advised, and of the server that priced. */
  readonly sourceVersion: string;
  readonly engineVersion: string;
  /** EXPLAINs sent, and hypothetical indexes made. */
  readonly explains: number;
  readonly hypotheticals: number;
  readonly elapsedMs: number;
  /** What ended the search before it was done. */
  readonly endedBy?: "time" | "explains";
}

/** Absent: no limit. */
export interface AdviceLimits {
  readonly bytesMax?: number;
  readonly indexesMax?: number;
  /** Estimated, all indexes one after another. */
  readonly buildMsMax?: number;
  /** Maintenance that the new indexes add, in percent of the workload's cost. */
  readonly writeOverheadPercentMax?: number;
  readonly widthMax: number;
  readonly explainsMax: number;
  readonly timeMsMax: number;
  /** Share of the workload's weighted cost (0.01 = 1 %) that an index has to save to be worth having. */
  readonly gainLeast: number;
  /** No statement's cost may grow beyond this factor (1.05 = 5 %). */
  readonly regressionMax: number;
  /** Of the workload's statements, the heaviest. */
  readonly statementsMax: number;
}

export interface AdvisedWorkload {
  /** Where it came from, without secrets: `pg_stat_statements of shop`, `q.sql`. */
  readonly source: string;
  /** How statements are weighed against each other. */
  readonly weights: "time" | "calls" | "equal";
  /** Before near-equal ones were joined; those left out have a note. */
  readonly statements: number;
  readonly calls: number | undefined;
  readonly totalMs: number | undefined;
}

export interface AdviceTotals {
  /** Weighted: each statement's share of the workload times the factor by which its cost changes. 0.6 is 40 % less. */
  readonly relativeCost: number;
  /** Plain sums of the planner's costs, calls included. */
  readonly costBefore: number;
  readonly costAfter: number;
  /** Geometric mean of the statements' factors, unweighted. */
  readonly geometricMean: number;
  readonly better: number;
  readonly worse: number;
  readonly bytes: number;
}

/** Which values a statement was planned with. */
export type ValuesFrom = "statement" | "statistics" | "generic";

export interface StatementAdvice {
  readonly id: string;
  readonly sql: string;
  readonly calls: number | undefined;
  readonly totalMs: number | undefined;
  /** Share of the workload, 0 to 1. */
  readonly weight: number;
  readonly valuesFrom: ValuesFrom;
  /** The planner's; undefined when it could not be planned, and a note says why. */
  readonly costBefore: number | undefined;
  readonly costAfter: number | undefined;
  /** Names of selected indexes that its plan reads. */
  readonly uses: readonly string[];
  readonly notes: readonly string[];
  /** What would help when no index does: N+1, paging, a rewrite. */
  readonly remedy?: string;
}

export interface SelectedIndex {
  readonly index: IndexDefinition;
  /** Estimated, or measured once it was built. */
  readonly bytes: number;
  /** What the workload's relative cost would grow by without it. */
  readonly gain: number;
  readonly gaining: readonly StatementEffect[];
  /** By the planner's costs. */
  readonly losing: readonly StatementEffect[];
  readonly build: BuildEstimate;
  readonly writes: WriteCost;
  /** Why this one: one sentence. */
  readonly because: string;
  /** Of an index on a partitioned table, which is built partition by partition. */
  readonly partitions?: PartitionTree;
}

export interface StatementEffect {
  readonly id: string;
  readonly costBefore: number;
  readonly costAfter: number;
}

export interface BuildEstimate {
  readonly tableBytes: number;
  readonly rows: number;
  /** Extrapolated from a build on the scratch server of this machine; undefined where none was made. */
  readonly ms: number | undefined;
}

/** What an index costs the writers, in the observed workload. */
export interface WriteCost {
  readonly inserts: number;
  readonly updates: number;
  readonly deletes: number;
  /** Updates that set one of its columns, so that they cannot be in place (HOT) any more. */
  readonly hotLost: number;
  /** The planner's cost units that maintaining it adds to the workload. */
  readonly cost: number;
  /** In percent of the workload's cost. */
  readonly percent: number;
}

export interface RejectedIndex {
  readonly index: Omit<IndexDefinition, "name">;
  readonly reason: string;
}

export const findingKinds = [
  "unused",
  "duplicate",
  "redundant",
  "invalid",
  "bloated",
  "unindexed-foreign-key",
  "missing-statistics",
  "stale-statistics",
  "n-plus-one",
  "paging",
  "rewrite",
] as const;
export type FindingKind = (typeof findingKinds)[number];

/** Something wrong that is reported and never changed by itself. */
export interface Finding {
  readonly kind: FindingKind;
  /** `schema.table`; absent for a finding on a statement alone. */
  readonly table?: string;
  readonly index?: string;
  readonly statement?: string;
  readonly bytes?: number;
  readonly detail: string;
  /** What would mend it, ready to be read and run by a person. */
  readonly sql?: string;
  /** Of an index that could be dropped: what the planner makes of the workload without it. */
  readonly simulated?: DropSimulation;
}

export interface DropSimulation {
  /** That could be planned, and those whose plan reads the index. */
  readonly statements: number;
  readonly using: number;
  /** Statements that would cost more, the worst first. */
  readonly rises: readonly StatementEffect[];
  /** Ids of those that could not be planned without the index. */
  readonly failed: readonly string[];
}

/** Estimated and measured side by side: the set built in a scratch copy, statements run with and without it in turns. */
export interface Verification {
  readonly design: string;
  /** In a database that the user gave, which may hold less: sizes there are not those that the advised one will have. */
  readonly elsewhere?: true;
  readonly repetitions: number;
  readonly statements: readonly VerifiedStatement[];
  /** Taken out again, with what proved it. */
  readonly removed: readonly { readonly index: IndexDefinition; readonly because: string }[];
  /** Of the weighted workload, measured: factor of time with what remains, and its interval. */
  readonly total: MeasuredFactor | undefined;
  /** Share of the workload that `total` is about: what was timed, or has the same plan with and without. */
  readonly covered: number;
  readonly sizes: readonly {
    readonly name: string;
    readonly estimatedBytes: number;
    readonly bytes: number;
    readonly buildMs: number;
  }[];
}

export interface VerifiedStatement {
  readonly id: string;
  /** Planned cost after over before, on the clone. */
  readonly estimated: number | undefined;
  readonly measured: MeasuredFactor | undefined;
  readonly verdict: "faster" | "slower" | "no difference shown" | "timeout" | "not run";
  readonly note?: string;
}

/** Time with the set over time without; medians of the repetitions in milliseconds. */
export interface MeasuredFactor {
  readonly factor: number;
  readonly low: number;
  readonly high: number;
  readonly withoutMs: number;
  readonly withMs: number;
}
