/** Pricing statements under indexes that do not exist: what the search asks, and the planner clone or HypoPG answers. */
import type { ValuesFrom } from "../../core/advice.ts";
import type { IndexDefinition } from "../../core/index-definition.ts";

/** A statement as it is planned. */
export interface PlannableStatement {
  readonly id: string;
  /** With its values, or with $1, $2 for a generic plan. One statement, no semicolon. */
  readonly sql: string;
  readonly valuesFrom: ValuesFrom;
}

export interface Plan {
  /** The planner's total cost. */
  readonly cost: number;
  /** Names of the indexes that the plan reads, existing and hypothetical, each once. */
  readonly indexes: readonly string[];
  readonly root: PlanNode;
}

/** A node of EXPLAIN (FORMAT JSON), with the fields that are read here; others are kept. */
export interface PlanNode {
  readonly "Node Type": string;
  readonly "Total Cost": number;
  readonly "Plan Rows": number;
  readonly "Index Name"?: string;
  readonly "Relation Name"?: string;
  readonly Schema?: string;
  readonly Alias?: string;
  readonly "Join Type"?: string;
  readonly Plans?: readonly PlanNode[];
}

export type Explained =
  | { readonly kind: "plan"; readonly plan: Plan }
  | { readonly kind: "failed"; readonly because: string };

export type Added =
  | {
      readonly kind: "added";
      readonly bytes: number;
      /** Entries of the index: fewer than the table's rows for a partial one. */
      readonly rows: number;
      /** Levels above the leaves; undefined for other methods than btree. */
      readonly height: number | undefined;
    }
  | { readonly kind: "refused"; readonly because: string };

export interface IndexSet {
  /** Names of hypothetical indexes that are there. */
  readonly with: readonly string[];
  /** Existing indexes that are hidden, as `schema.name`, unquoted. */
  readonly without?: readonly string[];
}

export interface WhatIf {
  /** Makes a hypothetical index that no plan sees until a set names it; the same again costs nothing. */
  add(index: IndexDefinition): Promise<Added>;
  /** Forgets it. */
  remove(name: string): Promise<void>;
  /** The plan of a statement with exactly this set. */
  plan(statement: PlannableStatement, set: IndexSet): Promise<Explained>;
  /** EXPLAINs of plan() so far, and hypothetical indexes made. */
  readonly counts: { readonly explains: number; readonly hypotheticals: number };
}
