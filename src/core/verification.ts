/** The port to a place where proposed indexes are built for real and the workload's statements run with and without them. */
import type { ValuesFrom } from "./advice.ts";
import type { IndexDefinition } from "./index-definition.ts";

export interface VerifyStatement {
  readonly id: string;
  /** One statement, no semicolon. */
  readonly sql: string;
  /** Of a generic one only the plan is looked at: it has no values to run with. */
  readonly valuesFrom: ValuesFrom;
  /** Share of the workload, 0 to 1. */
  readonly weight: number;
  /** Planned cost with the indexes over without. */
  readonly estimated: number | undefined;
}

export interface VerifyIndex {
  readonly index: IndexDefinition;
  readonly estimatedBytes: number;
  /** Ids of the statements that it is for. */
  readonly statements: readonly string[];
  /** No plan shows who uses it: it serves the checks of a foreign key. */
  readonly unseen?: boolean;
}

/** Sets of indexes are given by the names of the proposed ones that are visible; all others are hidden. */
export interface VerifyStand {
  /** Where and how statements are timed, for the report. */
  readonly design: string;
  /** Its data may be others than those of the database that is advised. */
  readonly elsewhere?: true;
  readonly sizes: readonly {
    readonly name: string;
    readonly bytes: number;
    readonly buildMs: number;
  }[];
  plan(statement: VerifyStatement, visible: readonly string[]): Promise<VerifyPlan>;
  /** Runs it once, changes nothing. */
  run(
    statement: VerifyStatement,
    visible: readonly string[],
    timeoutMs: number,
  ): Promise<VerifyRun>;
}

export type VerifyPlan =
  | {
      readonly kind: "plan";
      /** Equal for equal plans. */
      readonly shape: string;
      /** It changes rows of some table. */
      readonly writes: boolean;
      /** Proposed indexes that it reads. */
      readonly reads: readonly string[];
      /** Proposed indexes, visible or not, of the tables that it writes to. */
      readonly maintains: readonly string[];
    }
  | { readonly kind: "failed"; readonly because: string };

export type VerifyRun =
  | { readonly kind: "ran"; readonly ms: number }
  | { readonly kind: "timeout" }
  | { readonly kind: "failed"; readonly because: string };
