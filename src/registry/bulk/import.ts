// One import from its body to its answer: records into batches, batches into the database, no more of the body than there is room for.

import { setImmediate as nextTurn } from "node:timers/promises";
import type { Scope } from "../cache/keys.ts";
import type { Budget } from "../compute/turns.ts";
import type { Backend } from "../endpoint.ts";
import type { BulkKind } from "./batch.ts";
import type { BulkConfig } from "./config.ts";
import { createCsvReader } from "./csv.ts";
import { createInsertion } from "./insertion.ts";
import { createLanes } from "./lanes.ts";
import { PURGE_ROWS_MAX, purgeEntries } from "./ledger.ts";
import { createLineCutter } from "./lines.ts";
import { metricKind } from "./metric-batch.ts";
import type { BulkMetrics } from "./metrics.ts";
import { pairKind } from "./pair-batch.ts";
import { createNdjsonReader } from "./records.ts";
import type { Fields, RecordReader, Taken } from "./records.ts";
import type { Line } from "./lines.ts";
import { createTally } from "./tally.ts";
import type { ImportAnswer, Tally } from "./tally.ts";
import { versionKind } from "./version-batch.ts";
import { closeWhole, openWhole } from "./whole.ts";
import { createTeller, createWriter } from "./write.ts";
import type { Teller, Writer } from "./write.ts";

export const KINDS = ["metrics", "params", "tags", "model-versions"] as const;
export type KindName = (typeof KINDS)[number];

export type ImportRequest = {
  readonly kind: KindName;
  /** Whether one bad record refuses the whole. */
  readonly refuse: boolean;
  /** Empty: none was given. */
  readonly importId: string;
  readonly format: "ndjson" | "csv";
  readonly body: AsyncIterable<Buffer>;
  /** Aborts when nobody waits for the answer any more. */
  readonly gone: AbortSignal;
};

export type BulkParts = {
  readonly config: BulkConfig;
  readonly statementTimeoutMs: number;
  readonly metrics: BulkMetrics;
  /** Connections that may be held for as long as a client likes. */
  readonly longHeld: Budget;
  /** Imports that may still write, and have to tell of it. */
  readonly underWay: Set<Promise<unknown>>;
};

export type ImportParts = BulkParts & {
  readonly backend: Pick<Backend, "database" | "cache" | "jobs" | "batchSizeRows">;
};

/** A batch of long records is written before it has all its rows. */
const BATCH_CHARS_MAX = 8 * 1024 * 1024;
/** A piece of nothing but short lines is not worked off in one go. */
const LINES_A_TURN = 1_000;

type TakeFields = (
  fields: Fields,
  line: number,
  digest: string,
  chars: number,
) => void | Promise<void>;

/** What became of the records. With `refuse` nothing was written if one was rejected. */
export async function runImport(parts: ImportParts, request: ImportRequest): Promise<ImportAnswer> {
  const { backend } = parts;
  const kind = kindOf(parts, request);
  const tally = createTally();
  const teller = createTeller(backend.cache);
  try {
    if (request.refuse) await importWhole(parts, request, kind, tally, teller);
    else await importParts(parts, request, kind, tally, teller);
  } finally {
    await teller.flush();
  }
  const answer = tally.answer();
  if (request.kind === "model-versions") await purge(parts, answer.lines);
  return answer;
}

/** As many as two of its lines each, so that a ledger that grew shrinks. It is written: a failure here is no failure of the import, and the next one tries again. */
async function purge(parts: ImportParts, lines: number): Promise<void> {
  const { transaction } = writerOf(parts);
  try {
    for (let left = PURGE_ROWS_MAX + 2 * lines; left > 0; left -= PURGE_ROWS_MAX)
      if ((await transaction(purgeEntries)) < PURGE_ROWS_MAX) return;
  } catch {
    // As said.
  }
}

function writerOf({ backend, config, metrics, statementTimeoutMs }: ImportParts): Writer {
  const { database } = backend;
  return createWriter({ database, metrics, method: config.method, statementTimeoutMs });
}

function kindOf({ backend, config }: ImportParts, request: ImportRequest): BulkKind {
  if (request.kind === "model-versions")
    return versionKind({ backend, importId: request.importId });
  const options = {
    rowsMax: backend.batchSizeRows,
    bufferBytes: config.bufferBytes,
    insertion: createInsertion(config.method),
  };
  return request.kind === "metrics" ? metricKind(options) : pairKind(request.kind, options);
}

async function importParts(
  parts: ImportParts,
  request: ImportRequest,
  kind: BulkKind,
  tally: Tally,
  teller: Teller,
): Promise<void> {
  const { backend, config, metrics } = parts;
  const { batchSizeRows } = backend;
  const writer = writerOf(parts);
  const lanes = createLanes({
    ...config,
    createBatch: kind.createBatch,
    write: writer.write,
    onWritten(outcome) {
      tally.add(outcome);
      metrics.written(request.kind, outcome.written);
      teller.add(outcome.scopes);
    },
    onFailed: (batch) => teller.add(batch.touched()),
  });
  try {
    await readRecords(request, kind, tally, (fields, line, digest, chars) => {
      const group = fields[kind.laneField];
      const lane = lanes.batchFor(typeof group === "string" ? group : "");
      const problem = lane.batch.add(fields, line, digest);
      if (problem !== undefined) return tally.reject({ line, message: problem });
      lane.chars += chars;
      return lane.batch.rows() >= batchSizeRows || lane.chars >= BATCH_CHARS_MAX
        ? lanes.handOver(lane)
        : undefined;
    });
    await lanes.finish();
  } catch (error) {
    // The answer must not come while something is still being written.
    await lanes.abandon();
    throw error;
  }
}

async function importWhole(
  parts: ImportParts,
  request: ImportRequest,
  kind: BulkKind,
  tally: Tally,
  teller: Teller,
): Promise<void> {
  const { backend, metrics, statementTimeoutMs } = parts;
  const touched = new Set<Scope>();
  await backend.database.withClient(async (client) => {
    const whole = await openWhole(client, {
      kind,
      tally,
      rowsMax: backend.batchSizeRows,
      charsMax: BATCH_CHARS_MAX,
      statementTimeoutMs,
      onStatement: metrics.statement,
      onTouched: (scopes) => scopes.forEach((scope) => touched.add(scope)),
      check: () => request.gone.throwIfAborted(),
    });
    try {
      await readRecords(request, kind, tally, whole.take);
      const outcome = await whole.finish();
      if (outcome !== undefined) {
        tally.add({ ...outcome, errors: [] });
        metrics.written(request.kind, outcome.written);
      }
    } finally {
      // Whether it was committed or nobody knows.
      teller.add([...touched]);
      await closeWhole(client).catch(() => undefined);
    }
  });
}

async function readRecords(
  { body, format, gone }: ImportRequest,
  kind: BulkKind,
  tally: Tally,
  takeFields: TakeFields,
): Promise<void> {
  const cutter = createLineCutter();
  const reader =
    format === "csv" ? createCsvReader(kind.required, kind.optional) : createNdjsonReader();
  const take: Taken = (fields, line, reason, chars) => {
    tally.line();
    if (fields === undefined) return tally.reject({ line, message: reason });
    return takeFields(fields, line, kind.digestOf?.(fields) ?? "", chars);
  };
  for await (const piece of body) {
    gone.throwIfAborted();
    await pushInTurns(reader, cutter.push(piece), take);
  }
  gone.throwIfAborted();
  await reader.push(cutter.end(), take);
  await reader.end(take);
}

/** What is read ahead would otherwise be worked off in one go. */
async function pushInTurns(
  reader: RecordReader,
  lines: readonly Line[],
  take: Taken,
): Promise<void> {
  for (let at = 0; at < lines.length; at += LINES_A_TURN) {
    await reader.push(lines.slice(at, at + LINES_A_TURN), take);
    await nextTurn();
  }
}
