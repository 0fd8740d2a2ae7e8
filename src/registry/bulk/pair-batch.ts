// Batches of params, which keep their first value, and of tags, which take their last.

import type { Scope } from "../cache/keys.ts";
import { paramChanged } from "../log-batch.ts";
import { textArrayText } from "./array-text.ts";
import type { Batch, BulkKind, LineError } from "./batch.ts";
import { createCopyBytes } from "./copy-bytes.ts";
import type { Connection } from "./connection.ts";
import type { Rows, Table } from "./insertion.ts";
import { findRuns } from "./known-runs.ts";
import type { BatchOptions } from "./metric-batch.ts";
import type { Fields } from "./records.ts";
import { KEY, PARAM_VALUE, RUN_ID, TAG_VALUE, textProblem } from "./values.ts";
import type { Reason } from "./values.ts";

type PairKind = "params" | "tags";

const TABLES: Readonly<Record<PairKind, Table>> = {
  params: {
    name: "params",
    columns: ["run_id", "key", "value"],
    onConflict: "ON CONFLICT DO NOTHING",
  },
  tags: {
    name: "run_tags",
    columns: ["run_id", "key", "value"],
    onConflict:
      "ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value WHERE kept.value <> excluded.value",
  },
};
/** Of a row in COPY's binary form: 8,314 characters of up to 4 bytes each. */
const ROW_BYTES_MAX = 36_000;

type Pair = { readonly runId: string; readonly key: string; value: string; line: number };
/** By run, then key. */
type Pairs = Map<string, Map<string, Pair>>;

export function pairKind(kind: PairKind, options: BatchOptions): BulkKind {
  return {
    required: ["run_id", "key", "value"],
    optional: [],
    laneField: "run_id",
    orderField: undefined,
    createBatch: () => createPairBatch(kind, options),
  };
}

function createPairBatch(kind: PairKind, options: BatchOptions): Batch {
  const pairs: Pairs = new Map();
  let rows = 0;
  /** Records beside the one that is kept of their key. */
  let others: Pair[] = [];
  let scopes: readonly Scope[] = [];
  return {
    rows: () => rows,
    add(fields, line) {
      const pair = readPair(kind, fields, line);
      if (typeof pair === "string") return pair;
      rows += 1;
      const other = addPair(kind, pairs, pair);
      if (other !== undefined) others.push(other);
      return undefined;
    },
    async write(connection) {
      const runs = await findRuns(connection, pairs.keys());
      scopes = runs.scopes;
      const kept = inOrder(pairs).filter(({ runId }) => runs.takes(runId));
      const written = await options.insertion.insert(
        connection,
        TABLES[kind],
        rowsOf(kind, kept, options.bufferBytes),
      );
      const errors: LineError[] = [];
      const before =
        kind === "params" && written < kept.length ? await findParams(connection, kept) : NONE;
      for (const pair of [...inOrder(pairs), ...others]) {
        const message = runs.takes(pair.runId)
          ? changeProblem(kind, pairs, before, pair)
          : runs.problem(pair.runId);
        if (message !== undefined) errors.push({ line: pair.line, message });
      }
      return { written, unchanged: rows - written - errors.length, errors, scopes };
    },
    touched: () => scopes,
    clear() {
      scopes = [];
      pairs.clear();
      rows = 0;
      others = [];
    },
  };
}

const NONE: ReadonlyMap<string, ReadonlyMap<string, string>> = new Map();

function readPair(kind: PairKind, fields: Fields, line: number): Pair | Reason {
  const { run_id: runId, key, value } = fields;
  const problem =
    textProblem(runId, RUN_ID) ??
    textProblem(key, KEY) ??
    textProblem(value, kind === "params" ? PARAM_VALUE : TAG_VALUE);
  if (problem !== undefined) return problem;
  if (typeof runId !== "string" || typeof key !== "string" || typeof value !== "string")
    return "it is no param or tag";
  return { runId, key, value, line };
}

/** The record that gives way to the other of its key, if there are two. */
function addPair(kind: PairKind, pairs: Pairs, pair: Pair): Pair | undefined {
  let keys = pairs.get(pair.runId);
  if (keys === undefined) {
    keys = new Map();
    pairs.set(pair.runId, keys);
  }
  const known = keys.get(pair.key);
  if (known !== undefined && kind === "params") return pair;
  keys.set(pair.key, pair);
  return known;
}

/** Everyone locks rows in this order. */
function inOrder(pairs: Pairs): Pair[] {
  const ordered: Pair[] = [];
  for (const runId of [...pairs.keys()].toSorted()) {
    const keys = pairs.get(runId) ?? new Map<string, Pair>();
    for (const key of [...keys.keys()].toSorted()) {
      const pair = keys.get(key);
      if (pair !== undefined) ordered.push(pair);
    }
  }
  return ordered;
}

function changeProblem(
  kind: PairKind,
  pairs: Pairs,
  before: ReadonlyMap<string, ReadonlyMap<string, string>>,
  { runId, key, value }: Pair,
): string | undefined {
  if (kind === "tags") return undefined;
  const kept = before.get(runId)?.get(key) ?? pairs.get(runId)?.get(key)?.value ?? value;
  return kept === value ? undefined : paramChanged(runId, key, kept, value).message;
}

async function findParams(
  connection: Connection,
  pairs: readonly Pair[],
): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
  const { rows } = await connection.query<{ run_id: string; key: string; value: string }>(
    `SELECT run_id, key, value FROM params
     JOIN unnest($1::text[], $2::text[]) AS sent (run_id, key) USING (run_id, key)`,
    [textArrayText(pairs.map(({ runId }) => runId)), textArrayText(pairs.map(({ key }) => key))],
  );
  const found = new Map<string, Map<string, string>>();
  for (const row of rows) {
    const keys = found.get(row.run_id) ?? new Map<string, string>();
    found.set(row.run_id, keys.set(row.key, row.value));
  }
  return found;
}

function rowsOf(kind: PairKind, pairs: readonly Pair[], bufferBytes: number): Rows {
  return {
    count: pairs.length,
    values: () => pairs.flatMap(({ runId, key, value }) => [runId, key, value]),
    *chunks() {
      const bytes = createCopyBytes(bufferBytes, ROW_BYTES_MAX);
      for (const { runId, key, value } of pairs) {
        bytes.row(TABLES[kind].columns.length);
        bytes.text(runId);
        bytes.text(key);
        bytes.text(value);
        const chunk = bytes.takeChunk(false);
        if (chunk !== undefined) yield chunk;
      }
      const last = bytes.takeChunk(true);
      if (last !== undefined) yield last;
    },
  };
}
