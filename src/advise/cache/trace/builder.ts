/** Rows in, a trace in columns out: keys numbered, times ascending, the store that followed a miss made part of its get. */
import type { CacheTrace } from "../../../core/cache-trace.ts";
import { PerfoptError } from "../../../core/errors.ts";
import { formatCount } from "./words.ts";
import { appendRow, createColumns, setOfKey, sortColumns, type KeyColumn } from "./columns.ts";
import { foldRows } from "./fold.ts";
import { createKeyTable, hashText, type HashTarget } from "./key-table.ts";
import { prefixOfKey } from "./prefix.ts";
import type { TraceRow } from "./rows.ts";

const ROWS_MAX = 20_000_000;
/** Kinds beyond it are counted with those that have none. */
const PREFIXES_MAX = 4096;
/** The column has 8 bits; processes beyond it share the last number. */
const PROCESSES_MAX = 256;

/** What only the source of the rows knows. */
export interface TraceFactsOfSource {
  readonly sampledShare?: number;
  readonly getsOfAll?: number;
  /** One sentence each. */
  readonly caveats?: readonly string[];
}

export interface TraceBuilder {
  /** False: the trace is full, the row was not taken. */
  add(row: TraceRow): boolean;
  rows(): number;
  /** Throws PerfoptError when there was no row. May be called once. */
  finish(facts?: TraceFactsOfSource): CacheTrace;
}

/** `source` is for people, without secrets. */
export function createTraceBuilder(
  source: string,
  { rowsMax = ROWS_MAX }: { readonly rowsMax?: number } = {},
): TraceBuilder {
  const columns = createColumns();
  const keys = createKeyTable();
  const keyBytes: KeyColumn = { values: new Uint16Array(1024) };
  const prefixOf: KeyColumn = { values: new Uint16Array(1024) };
  const prefixes = createNumbers<string>(PREFIXES_MAX);
  const processes = createNumbers<number>(PROCESSES_MAX);
  const hash: HashTarget = { hashHigh: 0, hashLow: 0 };
  prefixes.numberOf("");
  let latestMs = Number.NEGATIVE_INFINITY;
  let ordered = true;
  let full = false;

  const keyOf = (row: TraceRow): number => {
    if (row.keyText === undefined) return keys.idOf(row.hashHigh ?? 0, row.hashLow ?? 0);
    hashText(hash, row.keyText);
    return keys.idOf(hash.hashHigh, hash.hashLow);
  };
  const describe = (row: TraceRow, key: number): void => {
    const { prefix, keyText } = row;
    const derived = typeof prefix === "function" ? prefix() : prefix;
    const name = derived ?? (keyText === undefined ? "" : prefixOfKey(keyText));
    setOfKey(prefixOf, key, prefixes.numberOf(name));
    setOfKey(keyBytes, key, row.keyBytes ?? keyText?.length ?? 0);
  };
  return {
    add: (row) => {
      if (columns.rows >= rowsMax) {
        full = true;
        return false;
      }
      const known = keys.size();
      const key = keyOf(row);
      if (key === known || isNamedLate(row, prefixOf.values[key])) describe(row, key);
      if (row.timeMs < latestMs) ordered = false;
      else latestMs = row.timeMs;
      appendRow(columns, row, key, row.process === undefined ? 0 : processes.numberOf(row.process));
      return true;
    },
    rows: () => columns.rows,
    finish: (facts = {}) => {
      if (columns.rows === 0) fail(source);
      if (!ordered) sortColumns(columns);
      const keyCount = keys.size();
      const folded = foldRows(columns, keyCount, prefixOf.values);
      const cut = full
        ? [`Only the first ${formatCount(rowsMax)} rows of ${source} were read: it has more.`]
        : [];
      const caveats = [...(facts.caveats ?? []), ...folded.caveats, ...cut];
      return {
        source,
        ...folded.columns,
        keyCount,
        processes: Math.max(1, processes.names().length),
        keyBytes: keyBytes.values.subarray(0, keyCount),
        prefixOf: prefixOf.values.subarray(0, keyCount),
        prefixes: prefixes.names(),
        sampledShare: facts.sampledShare ?? 1,
        ...(facts.getsOfAll === undefined ? {} : { getsOfAll: facts.getsOfAll }),
        ...(caveats.length > 0 ? { caveats } : {}),
      };
    },
  };
}

/** The wrapper names a prefix only when several keys have it, so a key's first rows may be without. */
function isNamedLate({ prefix }: TraceRow, number: number | undefined): boolean {
  return typeof prefix === "string" && prefix !== "" && number === 0;
}

function fail(source: string): never {
  throw new PerfoptError(
    "bad-input",
    `${source} has no rows`,
    "capture for longer, or name a file that has accesses",
  );
}

/** Names numbered in order of appearance; beyond `max`, strings are number 0 and numbers the last. */
function createNumbers<T extends string | number>(max: number) {
  const numbers = new Map<T, number>();
  let latest: T | undefined;
  let latestNumber = 0;
  return {
    numberOf: (name: T): number => {
      if (name === latest) return latestNumber;
      const known = numbers.get(name);
      latest = name;
      if (known === undefined && numbers.size >= max) {
        latestNumber = typeof name === "string" ? 0 : max - 1;
        return latestNumber;
      }
      latestNumber = known ?? numbers.size;
      if (known === undefined) numbers.set(name, latestNumber);
      return latestNumber;
    },
    names: (): readonly T[] => [...numbers.keys()],
  };
}
