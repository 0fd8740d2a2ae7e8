/** What index advice is made from, and what the study of it found: shared by the steps that read it. */
import type { AdviceEngine, AdviceLimits } from "../../core/advice.ts";
import type { IndexDefinition } from "../../core/index-definition.ts";
import { findColumn, type Catalog } from "./catalog.ts";
import type { ReadStatements } from "./ideas.ts";
import type { CandidatePool } from "./pool.ts";
import type { AddedIndex } from "./search/candidates.ts";
import type { SearchResult } from "./search/input.ts";
import type { Snapshot } from "./snapshot/snapshot.ts";
import type { IndexWorkload } from "./statement.ts";
import type { WeighedWorkload } from "./weights.ts";
import type { WhatIf } from "./what-if.ts";
import { estimateBuild, type BuildSpeed } from "./writes/build-estimate.ts";
import type { WriteCosts } from "./writes/write-cost.ts";

/** What prices statements: the planner clone, or HypoPG on the database itself. */
export interface PricingEngine {
  readonly kind: AdviceEngine["kind"];
  readonly version: string;
  readonly whatIf: WhatIf;
  /** What it has not. */
  readonly caveats: readonly string[];
  /** Of this machine; undefined where nothing was built to measure it. */
  readonly buildSpeed: BuildSpeed | undefined;
}

export interface AdviseInput {
  readonly snapshot: Snapshot;
  readonly workload: IndexWorkload;
  readonly engine: PricingEngine;
  readonly limits: AdviceLimits;
  /** How statements without their values are planned. */
  readonly values: "generic" | "statistics";
  readonly seed: number;
  /** Milliseconds. */
  readonly now: () => number;
  readonly onProgress?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** Everything that the advice was made from and that another step may need. */
export interface Studied {
  readonly input: AdviseInput;
  readonly catalog: Catalog;
  readonly weighed: WeighedWorkload;
  readonly read: ReadStatements;
  readonly writes: WriteCosts;
  readonly pool: CandidatePool;
  readonly found: SearchResult;
  readonly startedMs: number;
}

/** The estimate of one build, by the speed of this machine. */
export function buildTimes(
  catalog: Catalog,
  speed: BuildSpeed | undefined,
): (
  index: IndexDefinition,
  added: Pick<AddedIndex, "rows" | "bytes">,
) => ReturnType<typeof estimateBuild> {
  return (index, { rows, bytes }) => {
    const table = catalog.tables.find(
      (each) => each.schema === index.schema && each.name === index.table,
    );
    const first = index.columns[0]?.name;
    const type = first === undefined || !table ? undefined : findColumn(table, first)?.type;
    return estimateBuild(speed, table ?? { rows: undefined, bytes: 0 }, {
      method: index.method ?? "btree",
      rows,
      bytes,
      text: type === undefined || /^(?:text|character|citext|name)/.test(type),
    });
  };
}
