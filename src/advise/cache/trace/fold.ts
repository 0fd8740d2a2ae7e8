/** Makes the store that follows a miss part of its get, and gives gets that hit the size, time to live and cost that are known of their key. */
import {
  DELETE,
  GET,
  OUTCOME_HIT,
  OUTCOME_MISS,
  SET,
  WRITE,
  type CacheTrace,
} from "../../../core/cache-trace.ts";
import { PerfoptError } from "../../../core/errors.ts";
import { TTL_UNKNOWN, type Columns } from "./columns.ts";
import { formatCount } from "./words.ts";
import { EXPIRE, LOAD } from "./rows.ts";

/** A store that comes later than this after the miss is not what the miss had loaded. */
const FILL_WITHIN_MS = 60_000;
/** Several misses at once load and store one after another: a store so soon after a fill is another's of the same misses, and no change. */
const STAMPEDE_MS = 2_000;
/** A time to live that is set so soon after a store belongs to it: SET and EXPIRE as two commands. */
const EXPIRE_WITHIN_MS = 1_000;

export interface Folded {
  readonly columns: Pick<
    CacheTrace,
    | "rows"
    | "timeMs"
    | "key"
    | "operation"
    | "valueBytes"
    | "ttlMs"
    | "costMs"
    | "outcome"
    | "process"
  >;
  readonly caveats: readonly string[];
}

/** What is known of each key while the rows are gone through. */
interface KeyStates {
  /** Row (+ 1) of the get that missed and has no store yet. */
  readonly missed: Uint32Array;
  /** Row (+ 1) of the last get that loaded, or set. */
  readonly stored: Uint32Array;
  /** When it was last loaded after a miss; -1 when something else came since. */
  readonly filledMs: Float64Array;
  /** Until when an unbounded cache has it; 0: it has not. */
  readonly presentUntilMs: Float64Array;
  readonly bytes: Uint32Array;
  readonly ttlMs: Uint32Array;
  readonly cost: Float32Array | undefined;
}

/** Works in place: rows become fewer, never more. Rows must be sorted by time. */
export function foldRows(columns: Columns, keyCount: number, prefixOf: Uint16Array): Folded {
  const startMs = columns.timeMs[0] ?? 0;
  // Times in whole seconds say nothing of what a load took.
  const fine = columns.timeMs.subarray(0, columns.rows).some((each) => each % 1_000 !== 0);
  if (fine) columns.costMs ??= new Float32Array(columns.timeMs.length);
  const states: KeyStates = {
    missed: new Uint32Array(keyCount),
    stored: new Uint32Array(keyCount),
    filledMs: new Float64Array(keyCount).fill(-1),
    presentUntilMs: new Float64Array(keyCount),
    bytes: new Uint32Array(keyCount),
    ttlMs: new Uint32Array(keyCount).fill(TTL_UNKNOWN),
    cost: columns.costMs ? new Float32Array(keyCount) : undefined,
  };
  let rows = 0;
  for (let row = 0; row < columns.rows; row += 1) {
    const timeMs = (columns.timeMs[row] ?? 0) - startMs;
    const operation = columns.operation[row] ?? GET;
    const kept =
      operation === GET
        ? takeGet(columns, states, row, rows, timeMs)
        : operation === DELETE || operation === WRITE
          ? takeChange(columns, states, row, rows, timeMs)
          : operation === EXPIRE
            ? takeExpire(columns, states, row, rows, timeMs)
            : takeStore(columns, states, row, rows, timeMs, fine);
    if (kept) rows += 1;
  }
  columns.rows = rows;
  fillBackwards(columns, states);
  const caveats = columns.ttlMs ? fillTtlByPrefix(columns, columns.ttlMs, prefixOf) : [];
  return { columns: finished(columns), caveats };
}

/** Of a trace that was finished when it was written: rows stay as they are. */
export function keepRows(columns: Columns, source: string): Folded {
  const { rows, timeMs, operation, ttlMs } = columns;
  const startMs = timeMs[0] ?? 0;
  for (let row = 0; row < rows; row += 1) {
    timeMs[row] = (timeMs[row] ?? 0) - startMs;
    if ((operation[row] ?? 0) > WRITE) {
      throw new PerfoptError(
        "bad-input",
        `${source} says \`# folded\`, yet it has rows of load or expire`,
        "take the line out of it, and do not join finished traces with others",
      );
    }
    if (ttlMs?.[row] === TTL_UNKNOWN) ttlMs[row] = 0;
  }
  return { columns: finished(columns), caveats: [] };
}

/** Writes the row at its new place. */
function keep(columns: Columns, from: number, to: number, timeMs: number): void {
  columns.timeMs[to] = timeMs;
  columns.key[to] = columns.key[from] ?? 0;
  columns.operation[to] = columns.operation[from] ?? 0;
  columns.valueBytes[to] = columns.valueBytes[from] ?? 0;
  if (columns.ttlMs) columns.ttlMs[to] = columns.ttlMs[from] ?? 0;
  if (columns.costMs) columns.costMs[to] = columns.costMs[from] ?? 0;
  if (columns.outcome) columns.outcome[to] = columns.outcome[from] ?? 0;
  if (columns.process) columns.process[to] = columns.process[from] ?? 0;
}

function takeGet(
  columns: Columns,
  states: KeyStates,
  row: number,
  to: number,
  timeMs: number,
): boolean {
  const key = columns.key[row] ?? 0;
  const outcome = columns.outcome?.[row] ?? 0;
  const present = (states.presentUntilMs[key] ?? 0) > timeMs;
  const missed = outcome === OUTCOME_MISS || (outcome !== OUTCOME_HIT && !present);
  keep(columns, row, to, timeMs);
  const bytes = columns.valueBytes[row] ?? 0;
  if (bytes > 0) states.bytes[key] = bytes;
  else columns.valueBytes[to] = states.bytes[key] ?? 0;
  if (columns.ttlMs) {
    const ttlMs = columns.ttlMs[row] ?? TTL_UNKNOWN;
    if (ttlMs !== TTL_UNKNOWN) states.ttlMs[key] = ttlMs;
    else columns.ttlMs[to] = states.ttlMs[key] ?? TTL_UNKNOWN;
  }
  takeCost(columns, states, key, row, to);
  if (outcome === OUTCOME_HIT) states.missed[key] = 0;
  if (missed) {
    const waiting = states.missed[key] ?? 0;
    const fresh = waiting > 0 && timeMs - (columns.timeMs[waiting - 1] ?? 0) <= FILL_WITHIN_MS;
    // Of several misses before the store, the first is the one that the store belongs to.
    if (!fresh) states.missed[key] = to + 1;
    states.presentUntilMs[key] = expiryOf(timeMs, states.ttlMs[key] ?? 0);
    states.stored[key] = to + 1;
  }
  return true;
}

function takeCost(columns: Columns, states: KeyStates, key: number, row: number, to: number): void {
  if (!columns.costMs || !states.cost) return;
  const cost = columns.costMs[row] ?? 0;
  if (cost > 0) states.cost[key] = cost;
  else columns.costMs[to] = states.cost[key] ?? 0;
}

function takeChange(
  columns: Columns,
  states: KeyStates,
  row: number,
  to: number,
  timeMs: number,
): boolean {
  const key = columns.key[row] ?? 0;
  keep(columns, row, to, timeMs);
  if (columns.operation[to] === DELETE) {
    states.missed[key] = 0;
    states.stored[key] = 0;
    states.filledMs[key] = -1;
    states.presentUntilMs[key] = 0;
  }
  return true;
}

/** A LOAD or a SET: part of the get that missed, or a row of its own. */
function takeStore(
  columns: Columns,
  states: KeyStates,
  row: number,
  to: number,
  timeMs: number,
  fine: boolean,
): boolean {
  const key = columns.key[row] ?? 0;
  const missed = (states.missed[key] ?? 0) - 1;
  const waitedMs = missed < 0 ? 0 : timeMs - (columns.timeMs[missed] ?? 0);
  const fills = missed >= 0 && waitedMs <= FILL_WITHIN_MS;
  if (!fills && isRepeatedFill(columns, states, row, timeMs)) return false;
  const at = fills ? missed : to;
  const bytes = columns.valueBytes[row] ?? 0;
  const ttlMs = columns.ttlMs?.[row] ?? 0;
  const cost = columns.costMs?.[row] ?? 0;
  if (!fills) {
    keep(columns, row, to, timeMs);
    columns.operation[to] = SET;
    if (columns.outcome) columns.outcome[to] = 0;
  }
  states.missed[key] = 0;
  states.stored[key] = at + 1;
  states.filledMs[key] = fills ? timeMs : -1;
  states.presentUntilMs[key] = expiryOf(timeMs, ttlMs);
  if (bytes > 0) states.bytes[key] = bytes;
  columns.valueBytes[at] = states.bytes[key] ?? 0;
  setTtl(columns, states, key, at, ttlMs === TTL_UNKNOWN ? (states.ttlMs[key] ?? 0) : ttlMs);
  if (columns.costMs && states.cost) {
    const loadMs = cost > 0 ? cost : fills && fine ? waitedMs : 0;
    if (loadMs > 0) states.cost[key] = loadMs;
    if (fills && loadMs > 0) columns.costMs[at] = loadMs;
    if (!fills) columns.costMs[at] = states.cost[key] ?? 0;
  }
  return !fills;
}

/** Several loads of one miss bring the same value; another size is another value. */
function isRepeatedFill(
  { key, operation, valueBytes }: Columns,
  { filledMs, bytes }: KeyStates,
  row: number,
  timeMs: number,
): boolean {
  const id = key[row] ?? 0;
  const at = filledMs[id] ?? -1;
  if (at < 0 || operation[row] === LOAD) return at >= 0;
  return timeMs - at <= STAMPEDE_MS && valueBytes[row] === bytes[id];
}

/** A new time to live: of the store just before, or, for what is there, like storing it again. */
function takeExpire(
  columns: Columns,
  states: KeyStates,
  row: number,
  to: number,
  timeMs: number,
): boolean {
  const key = columns.key[row] ?? 0;
  const ttlMs = columns.ttlMs?.[row] ?? 0;
  const stored = (states.stored[key] ?? 0) - 1;
  if (stored < 0) return false;
  states.presentUntilMs[key] = expiryOf(timeMs, ttlMs);
  if (timeMs - (columns.timeMs[stored] ?? 0) <= EXPIRE_WITHIN_MS) {
    setTtl(columns, states, key, stored, ttlMs);
    return false;
  }
  keep(columns, row, to, timeMs);
  columns.operation[to] = SET;
  columns.valueBytes[to] = states.bytes[key] ?? 0;
  setTtl(columns, states, key, to, ttlMs);
  states.stored[key] = to + 1;
  return true;
}

function setTtl(
  columns: Columns,
  states: KeyStates,
  key: number,
  row: number,
  ttlMs: number,
): void {
  if (!columns.ttlMs) return;
  columns.ttlMs[row] = ttlMs;
  states.ttlMs[key] = ttlMs;
}

function expiryOf(timeMs: number, ttlMs: number): number {
  return ttlMs === 0 || ttlMs === TTL_UNKNOWN ? Number.POSITIVE_INFINITY : timeMs + ttlMs;
}

/** Gets before the first time that something was known of their key get it from after. */
function fillBackwards(columns: Columns, states: KeyStates): void {
  const { rows, key, valueBytes, ttlMs, costMs } = columns;
  const { bytes: nextBytes, ttlMs: nextTtl, cost: nextCost } = states;
  for (let row = rows - 1; row >= 0; row -= 1) {
    if (columns.operation[row] === DELETE || columns.operation[row] === WRITE) continue;
    const each = key[row] ?? 0;
    const bytes = valueBytes[row] ?? 0;
    if (bytes > 0) nextBytes[each] = bytes;
    else valueBytes[row] = nextBytes[each] ?? 0;
    if (ttlMs) {
      const ttl = ttlMs[row] ?? TTL_UNKNOWN;
      if (ttl === TTL_UNKNOWN) ttlMs[row] = nextTtl[each] ?? TTL_UNKNOWN;
      else nextTtl[each] = ttl;
    }
    if (costMs && nextCost) {
      const cost = costMs[row] ?? 0;
      if (cost > 0) nextCost[each] = cost;
      else costMs[row] = nextCost[each] ?? 0;
    }
  }
}

/** Keys that were never seen stored (they were there before the capture began) are taken to live as long as most of their prefix. */
function fillTtlByPrefix(
  columns: Columns,
  ttlMs: Uint32Array,
  prefixOf: Uint16Array,
): readonly string[] {
  const counts = new Map<number, Map<number, number>>();
  let unknown = 0;
  for (let row = 0; row < columns.rows; row += 1) {
    const ttl = ttlMs[row] ?? 0;
    if (ttl === TTL_UNKNOWN) unknown += 1;
    else if (columns.operation[row] === GET || columns.operation[row] === SET) {
      const prefix = prefixOf[columns.key[row] ?? 0] ?? 0;
      const ofPrefix = counts.get(prefix) ?? new Map<number, number>();
      counts.set(prefix, ofPrefix);
      // Times to live are often spread on purpose; of very many different ones the first stand for all.
      if (ofPrefix.size < 10_000 || ofPrefix.has(ttl)) {
        ofPrefix.set(ttl, (ofPrefix.get(ttl) ?? 0) + 1);
      }
    }
  }
  if (unknown === 0) return [];
  const medians = new Map([...counts].map(([prefix, each]) => [prefix, medianOf(each)]));
  for (let row = 0; row < columns.rows; row += 1) {
    if (ttlMs[row] === TTL_UNKNOWN) {
      ttlMs[row] = medians.get(prefixOf[columns.key[row] ?? 0] ?? 0) ?? 0;
    }
  }
  // Nothing was seen stored with one: none is taken, as where no row says anything.
  if (counts.size === 0) return [];
  return [
    `The time to live of ${formatCount(unknown)} ${unknown === 1 ? "row" : "rows"} is not known, because the key was not seen stored: taken is the median of its prefix.`,
  ];
}

function medianOf(counts: ReadonlyMap<number, number>): number {
  const sorted = [...counts].toSorted(([a], [b]) => a - b);
  const half = sorted.reduce((sum, [, count]) => sum + count, 0) / 2;
  let sum = 0;
  for (const [value, count] of sorted) {
    sum += count;
    if (sum >= half) return value;
  }
  return 0;
}

function finished(columns: Columns): Folded["columns"] {
  const { rows } = columns;
  const ttlMs = columns.ttlMs?.subarray(0, rows);
  const costMs = columns.costMs?.subarray(0, rows);
  return {
    rows,
    timeMs: columns.timeMs.subarray(0, rows),
    key: columns.key.subarray(0, rows),
    operation: columns.operation.subarray(0, rows),
    valueBytes: columns.valueBytes.subarray(0, rows),
    ...(ttlMs?.some((each) => each > 0) ? { ttlMs } : {}),
    ...(costMs?.some((each) => each > 0) ? { costMs } : {}),
    ...(columns.outcome ? { outcome: columns.outcome.subarray(0, rows) } : {}),
    ...(columns.process ? { process: columns.process.subarray(0, rows) } : {}),
  };
}
