/** Plans for another structure of the data: too large a step for a tool to take by itself, so it is proposed, and proven on a copy. */

/** What a plan would make. */
export type StructureKind = "materialised-view" | "partitioning";

/** Somebody else's decision: never applied to a target. */
export interface StructurePlan {
  /** Unique within the advice: `materialised-view-1`. */
  readonly id: string;
  readonly kind: StructureKind;
  /** `schema.name` as PostgreSQL writes it. */
  readonly table: string;
  /** One sentence: what, and for which statements. */
  readonly title: string;
  /** Ids of the statements that it is for. */
  readonly statements: readonly string[];
  /** What to run, statement by statement, without semicolons, in order; on a copy it makes the structure beside the original. */
  readonly apply: readonly string[];
  /** Undoes `apply`. */
  readonly revert: readonly string[];
  /** How it is kept true: of a materialised view, the refresh, and how old answers may then be; of partitions, who makes the next ones. */
  readonly upkeep: string;
  /** Each statement as it is and as it would be sent then: PostgreSQL uses no materialised view by itself. */
  readonly rewrites: readonly StructureRewrite[];
  /** What it costs, and when it is not worth it. */
  readonly caveats: readonly string[];
}

export interface StructureRewrite {
  readonly statement: string;
  /** With values in place of parameters, as it is executed for the proof. */
  readonly before: string;
  readonly after: string;
  /** The planner's cost of each, where it could be asked. */
  readonly predicted?: { readonly costBefore: number; readonly costAfter: number };
}

/** What a copy of the data showed of a plan. */
export interface StructureProof {
  readonly plan: string;
  readonly outcome:
    | {
        readonly kind: "proven";
        readonly rewrites: readonly RewriteProof[];
        readonly upkeepMs?: number;
        readonly bytes: number;
      }
    /** One sentence. */
    | { readonly kind: "failed"; readonly because: string };
}

export interface RewriteProof {
  readonly statement: string;
  /** Whether both gave the same rows, order aside. */
  readonly sameRows: boolean;
  /** Medians of interleaved executions, milliseconds of the server. */
  readonly beforeMs: number;
  readonly afterMs: number;
  /** After over before with its interval. */
  readonly ratio: { readonly estimate: number; readonly low: number; readonly high: number };
  readonly executions: number;
  /** Of partitioned tables: how many partitions the plan reads, of how many. */
  readonly pruning?: { readonly read: number; readonly of: number };
}
