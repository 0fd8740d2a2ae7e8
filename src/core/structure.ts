/** Plans for another structure of the data: too large a step for a tool to take by itself, so it is proposed, and proven on a copy. */
import type { VerifyRun } from "./verification.ts";

/** What a plan would make. */
export type StructureKind = "materialised-view" | "partitioning";

/** Somebody else's decision: never applied to a target. */
export interface StructurePlan {
  /** Unique within the advice: `materialised-view-1`. */
  readonly id: string;
  readonly kind: StructureKind;
  /** `schema.name` as PostgreSQL writes it. */
  readonly table: string;
  /** What `apply` makes: `"schema"."name"`, quoted. */
  readonly makes: string;
  /** One sentence: what, and for which statements. */
  readonly title: string;
  /** Ids of the statements that it is for. */
  readonly statements: readonly string[];
  /** What to run, statement by statement, without semicolons, in order; on a copy it makes the structure beside the original. */
  readonly apply: readonly string[];
  /** Undoes `apply`. */
  readonly revert: readonly string[];
  /** What keeps it true, where that is one statement that can be timed: a view's refresh. */
  readonly refresh?: string;
  /** How it takes the place of the original, for a person to do; none for what stands beside it. */
  readonly steps: readonly string[];
  /** How it is kept true: of a materialised view, the refresh, and how old answers may then be; of partitions, who makes the next ones. */
  readonly upkeep: string;
  /** By the planner: rows of the view, or number of partitions; and of how many rows. */
  readonly estimated: {
    readonly rows?: number;
    readonly partitions?: number;
    readonly ofRows: number;
  };
  /** Each statement as it is and as it would be sent then: PostgreSQL uses no materialised view by itself. */
  readonly rewrites: readonly StructureRewrite[];
  /** What it costs, and when it is not worth it. */
  readonly caveats: readonly string[];
}

export interface StructureRewrite extends StructureForms {
  readonly statement: string;
  /** `slower`: it cannot use the structure, and is measured to show what that costs. */
  readonly expected: "faster" | "slower";
  /** The same with other values: rows are compared for these too. */
  readonly others: readonly StructureForms[];
  /** The planner's cost of each, where it could be asked. */
  readonly predicted?: { readonly costBefore: number; readonly costAfter: number };
}

/** With values in place of parameters, as it is executed for the proof. */
export interface StructureForms {
  readonly before: string;
  readonly after: string;
}

/** A statement or a table that no plan is made for, and why. */
export interface StructureRefusal {
  readonly kind: StructureKind;
  /** Of the statement, or `schema.name` of the table. */
  readonly of: string;
  readonly because: string;
}

export interface StructureAdvice {
  readonly plans: readonly StructurePlan[];
  readonly refused: readonly StructureRefusal[];
  /** One a plan; absent where none was asked for, or no copy could be made. */
  readonly proofs?: readonly StructureProof[];
}

/** What a copy of the data showed of a plan. */
export interface StructureProof {
  readonly plan: string;
  readonly outcome:
    | {
        readonly kind: "proven";
        readonly rewrites: readonly RewriteProof[];
        /** Rewrites that could not be timed. */
        readonly unmeasured: readonly { readonly statement: string; readonly because: string }[];
        readonly buildMs: number;
        readonly upkeepMs?: number;
        readonly bytes: number;
      }
    /** One sentence. */
    | { readonly kind: "failed"; readonly because: string };
}

export interface RewriteProof {
  readonly statement: string;
  /** Whether both gave the same rows, order aside, for all values that were tried. */
  readonly sameRows: boolean;
  /** Sets of values that rows were compared for. */
  readonly compared: number;
  /** Rows that were compared, of all sets together: none prove nothing. */
  readonly rows: number;
  /** Medians of interleaved executions, milliseconds of the server. */
  readonly beforeMs: number;
  readonly afterMs: number;
  /** After over before with its interval. */
  readonly ratio: {
    readonly estimate: number;
    readonly low: number;
    readonly high: number;
    readonly confidence: number;
  };
  /** Of each form. */
  readonly executions: number;
  /** Of partitioned tables: how many partitions the plan reads, of how many. */
  readonly pruning?: StructurePruning;
}

export interface StructureComparison {
  /** Of the statement as it is, or that it changes. */
  readonly rows: number;
  /** One clause that says what differs; absent: nothing. */
  readonly difference?: string;
}

export interface StructurePruning {
  readonly read: number;
  readonly of: number;
}

/** The port to a copy of the data that nobody else uses, in which structures are made and statements executed. */
export interface StructureStand {
  /** Makes the structure, with statistics. Throws what PostgreSQL says. */
  build(
    plan: StructurePlan,
    timeoutMs: number,
  ): Promise<{ readonly bytes: number; readonly buildMs: number }>;
  /** Drops it; safe when it is only half there. */
  drop(plan: StructurePlan): Promise<void>;
  /** Milliseconds. Throws what PostgreSQL says. */
  refresh(sql: string, timeoutMs: number): Promise<number>;
  /** Runs a statement once and changes nothing: the server's own time. */
  run(sql: string, timeoutMs: number): Promise<VerifyRun>;
  /** Compares the rows of both. Throws what PostgreSQL says. */
  compare(forms: StructureForms, timeoutMs: number): Promise<StructureComparison>;
  /** Partitions of a table (`"schema"."name"`) that the plan of a statement reads. */
  pruning(sql: string, table: string): Promise<StructurePruning>;
}

/** Tries plans in a stand; those that did not fit into `limitMs` come back as failed. Throws only when it is interrupted. */
export type ProveStructures = (
  stand: StructureStand,
  plans: readonly StructurePlan[],
  limitMs: number,
) => Promise<readonly StructureProof[]>;
