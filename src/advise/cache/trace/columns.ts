/** Columns that grow: rows as they come, in typed arrays; a column that no row uses takes no memory. */
import { DELETE, GET, WRITE } from "../../../core/cache-trace.ts";
import type { TraceRow } from "./rows.ts";

/** No time to live is known; 0 says that there is none. */
export const TTL_UNKNOWN = 0xffffffff;
const UINT16_MAX = 0xffff;
const UINT32_MAX = 0xffffffff;
const FIRST_ROWS = 65_536;

type Column = Float64Array | Uint32Array | Float32Array | Uint8Array;

export interface Columns {
  rows: number;
  timeMs: Float64Array;
  key: Uint32Array;
  operation: Uint8Array;
  valueBytes: Uint32Array;
  ttlMs: Uint32Array | undefined;
  costMs: Float32Array | undefined;
  outcome: Uint8Array | undefined;
  process: Uint8Array | undefined;
  /** Rows whose value is larger than the column can say. */
  oversized: number;
}

export function createColumns(): Columns {
  return {
    rows: 0,
    timeMs: new Float64Array(FIRST_ROWS),
    key: new Uint32Array(FIRST_ROWS),
    operation: new Uint8Array(FIRST_ROWS),
    valueBytes: new Uint32Array(FIRST_ROWS),
    ttlMs: undefined,
    costMs: undefined,
    outcome: undefined,
    process: undefined,
    oversized: 0,
  };
}

/** `process` is the number of the process, not its pid. */
export function appendRow(columns: Columns, row: TraceRow, key: number, process: number): void {
  const at = columns.rows;
  if (at === columns.timeMs.length) growAll(columns);
  columns.timeMs[at] = row.timeMs;
  columns.key[at] = key;
  columns.operation[at] = row.operation;
  columns.valueBytes[at] = clamped(row.valueBytes, UINT32_MAX);
  if (row.valueBytes > UINT32_MAX) columns.oversized += 1;
  columns.rows = at + 1;
  const { costMs, outcome } = row;
  const ttlMs = ttlOfRow(row);
  if (columns.ttlMs) columns.ttlMs[at] = ttlMs;
  else if (ttlMs !== TTL_UNKNOWN && ttlMs !== 0) {
    columns.ttlMs = firstTtls(columns);
    columns.ttlMs[at] = ttlMs;
  }
  if (costMs !== undefined) {
    columns.costMs ??= new Float32Array(columns.timeMs.length);
    columns.costMs[at] = Math.max(0, costMs);
  }
  if (outcome !== undefined && outcome !== 0 && row.operation === GET) {
    columns.outcome ??= new Uint8Array(columns.timeMs.length);
    columns.outcome[at] = outcome;
  }
  if (process > 0) {
    columns.process ??= new Uint8Array(columns.timeMs.length);
    columns.process[at] = process;
  }
}

/** Gets seldom carry the time to live of what they got (some traces write 0); stores without one have none. */
function ttlOfRow({ ttlMs, operation }: TraceRow): number {
  if (operation === DELETE || operation === WRITE) return 0;
  if (ttlMs === undefined) return operation === GET ? TTL_UNKNOWN : 0;
  return ttlMs === 0 && operation === GET ? TTL_UNKNOWN : bounded(ttlMs);
}

/** 49 days stand for anything longer; less than a millisecond is not none. */
function bounded(ttlMs: number): number {
  if (ttlMs === TTL_UNKNOWN || ttlMs <= 0) return Math.max(0, ttlMs);
  return Math.max(1, clamped(Math.round(ttlMs), TTL_UNKNOWN - 1));
}

/** The column for the rows so far, of which none had a time to live. */
function firstTtls({ rows, operation, timeMs }: Columns): Uint32Array {
  const column = new Uint32Array(timeMs.length);
  for (let row = 0; row < rows; row += 1) if (operation[row] === GET) column[row] = TTL_UNKNOWN;
  return column;
}

/** Sorts all columns by time, keeping the order of equal times. Only called when rows came out of order. */
export function sortColumns(columns: Columns): void {
  const { rows, timeMs } = columns;
  const order = new Uint32Array(rows);
  for (let row = 0; row < rows; row += 1) order[row] = row;
  order.sort((a, b) => (timeMs[a] ?? 0) - (timeMs[b] ?? 0) || a - b);
  const { key, operation, valueBytes, ttlMs, costMs, outcome, process } = columns;
  for (const column of [timeMs, key, operation, valueBytes, ttlMs, costMs, outcome, process]) {
    if (column) permute(column, order);
  }
}

/** One value a key, for keys as they are numbered. */
export interface KeyColumn {
  values: Uint16Array;
}

export function setOfKey(column: KeyColumn, key: number, value: number): void {
  if (key >= column.values.length) {
    const longer = new Uint16Array(Math.max(1024, column.values.length * 2, key + 1));
    longer.set(column.values);
    column.values = longer;
  }
  column.values[key] = clamped(value, UINT16_MAX);
}

function growAll(columns: Columns): void {
  const length = columns.timeMs.length * 2;
  columns.timeMs = copied(columns.timeMs, new Float64Array(length));
  columns.key = copied(columns.key, new Uint32Array(length));
  columns.operation = copied(columns.operation, new Uint8Array(length));
  columns.valueBytes = copied(columns.valueBytes, new Uint32Array(length));
  if (columns.ttlMs) columns.ttlMs = copied(columns.ttlMs, new Uint32Array(length));
  if (columns.costMs) columns.costMs = copied(columns.costMs, new Float32Array(length));
  if (columns.outcome) columns.outcome = copied(columns.outcome, new Uint8Array(length));
  if (columns.process) columns.process = copied(columns.process, new Uint8Array(length));
}

function copied<T extends Column>(from: T, to: T): T {
  to.set(from);
  return to;
}

function permute(column: Column, order: Uint32Array): void {
  const before = column.slice();
  for (let at = 0; at < order.length; at += 1) column[at] = before[order[at] ?? 0] ?? 0;
}

function clamped(value: number, max: number): number {
  return value > max ? max : value < 0 ? 0 : value;
}
