/** What plans for structures are made from. */
import type { Catalog } from "../indexes/catalog.ts";
import type { Snapshot } from "../indexes/snapshot/snapshot.ts";
import type { IndexWorkload } from "../indexes/statement.ts";
import type { WhatIf } from "../indexes/what-if.ts";

export interface StructureLimits {
  /** A statement that reads fewer is fast enough without. */
  readonly sourceRowsLeast: number;
  /** Of its source's rows, the most that a view may have (0.2 = a fifth). */
  readonly viewShareMax: number;
  /** Of the planner's cost before, the most that a plan may leave to be worth it. */
  readonly costShareMax: number;
  readonly partitionedRowsLeast: number;
  /** Of the workload, the heaviest. */
  readonly statementsMax: number;
  /** Of one kind. */
  readonly plansMax: number;
}

export const defaultStructureLimits: StructureLimits = {
  sourceRowsLeast: 20_000,
  viewShareMax: 0.2,
  costShareMax: 0.5,
  partitionedRowsLeast: 1_000_000,
  statementsMax: 20,
  plansMax: 5,
};

export interface StructureInput {
  readonly snapshot: Snapshot;
  /** As it was read, without values that somebody drew. */
  readonly workload: IndexWorkload;
  /** The planner's clone; its costs and rows are what is predicted from. */
  readonly plan: WhatIf["plan"];
  readonly limits?: Partial<StructureLimits>;
}

export interface StructureStudy extends StructureInput {
  readonly catalog: Catalog;
  readonly limits: StructureLimits;
}
