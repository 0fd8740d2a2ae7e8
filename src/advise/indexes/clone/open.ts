/** The planner clone: a database's schema, statistics and sizes on a private server, where indexes can be there or not. */
import type { PlannerServer } from "../../../core/planner.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import type { WhatIf } from "../what-if.ts";
import { addIndex, planStatement, removeIndex, type CloneState } from "./answer.ts";
import { createEstimator, type Estimator } from "./estimate.ts";
import { pagesLeast, type IndexShape } from "./files.ts";
import { openLane, type OpenedLane } from "./lane.ts";
import { createLanes } from "./lanes.ts";
import { PAGE_BYTES } from "./pages.ts";

export interface CloneOptions {
  /** Of the databases on the server, which get a number; unlike every other clone's there. */
  readonly name?: string;
  /** How many questions can be answered at once; each needs a database of its own. 1 when absent. */
  readonly connections?: number;
  /** Of one EXPLAIN or CREATE INDEX on the clone; 10 s when absent. */
  readonly statementTimeoutMs?: number;
}

export interface Clone extends WhatIf {
  /** What the clone has not, and why. */
  readonly caveats: readonly string[];
  modelled(schema: string, table: string): boolean;
  /** Rows of a table alone that satisfy a condition, by the planner's estimate. */
  rowsOf(schema: string, table: string, where?: string): Promise<number>;
  /** Of existing indexes, by `schema.name`. */
  readonly existing: ReadonlyMap<string, ExistingSize>;
  /** Removes its databases; the server stays. */
  close(): Promise<void>;
}

export interface ExistingSize {
  readonly bytes: number;
  /** Guessed from the size; undefined for other methods than btree. */
  readonly height: number | undefined;
}

const STATEMENT_TIMEOUT_MS = 10_000;

/** Throws when the server fails; what it merely cannot model is a caveat. */
export async function openClone(
  server: PlannerServer,
  snapshot: Snapshot,
  options: CloneOptions = {},
): Promise<Clone> {
  const name = options.name ?? "perfopt_clone";
  const databases = Array.from(
    { length: Math.max(1, options.connections ?? 1) },
    (_, index) => `${name}_${index + 1}`,
  );
  const estimator = createEstimator(snapshot, server.major);
  const { first, opened } = await openLanes(server, snapshot, estimator, databases, options);
  const state: CloneState = {
    snapshot,
    estimator,
    major: server.major,
    missing: first.missing,
    lanes: createLanes(opened.map(({ lane }) => lane)),
    entries: new Map(),
    names: new Map(),
    read: new Map(),
    counts: { explains: 0, hypotheticals: 0 },
    made: 0,
  };
  return {
    caveats: [...snapshot.caveats, ...first.caveats],
    counts: state.counts,
    existing: new Map([...first.shapes].map(([key, shape]) => [key, sizeOf(shape)])),
    modelled: (schema, table) =>
      snapshot.tables.some((each) => each.schema === schema && each.name === table) &&
      !first.missing.has(`${schema}.${table}`),
    rowsOf: (schema, table, where) =>
      state.lanes.use((lane) =>
        estimator.rowsOf(`${schema}.${table}`, where, lane.connection.query),
      ),
    add: (index) => addIndex(state, index),
    remove: (index) => removeIndex(state, index),
    plan: (statement, set) => planStatement(state, statement, set),
    close: () => closeAll(server, opened, databases),
  };
}

async function openLanes(
  server: PlannerServer,
  snapshot: Snapshot,
  estimator: Estimator,
  databases: readonly string[],
  options: CloneOptions,
): Promise<{ readonly first: OpenedLane; readonly opened: readonly OpenedLane[] }> {
  const statementTimeoutMs = options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS;
  const results = await Promise.allSettled(
    databases.map((database) =>
      openLane(server, snapshot, estimator, { database, statementTimeoutMs }),
    ),
  );
  const opened = results.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const failed = results.find((each) => each.status === "rejected");
  const [first] = opened;
  if (failed === undefined && first !== undefined) return { first, opened };
  await closeAll(server, opened, databases);
  throw failed?.reason;
}

async function closeAll(
  server: PlannerServer,
  opened: readonly OpenedLane[],
  databases: readonly string[],
): Promise<void> {
  await Promise.allSettled(opened.map(({ lane }) => lane.connection.close()));
  // A server that is gone has taken them along.
  const connection = await server.connect("postgres").catch(() => undefined);
  if (connection === undefined) return;
  try {
    for (const database of databases) {
      await connection.script(`DROP DATABASE IF EXISTS "${database.replaceAll('"', '""')}"`);
    }
  } finally {
    await connection.close();
  }
}

function sizeOf(shape: IndexShape): ExistingSize {
  return {
    bytes: Math.max(shape.pages, pagesLeast(shape)) * PAGE_BYTES,
    height: shape.method === "btree" ? shape.height : undefined,
  };
}
