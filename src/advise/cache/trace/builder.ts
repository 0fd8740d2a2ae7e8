/** Rows in, a trace in columns out: keys numbered, times ascending, the store that followed a miss made part of its get. */
import type { CacheTrace } from "../../../core/cache-trace.ts";
import { PerfoptError } from "../../../core/errors.ts";
import { formatCount } from "./words.ts";
import { appendRow, createColumns, setOfKey, sortColumns, type KeyColumn } from "./columns.ts";
import { foldRows, keepRows } from "./fold.ts";
import { createKeyTable, hashText, type HashTarget } from "./key-table.ts";
import { inferOutcomes } from "./outcomes.ts";
import { prefixOfKey } from "./prefix.ts";
import { createPrefixTable } from "./prefix-table.ts";
import type { TraceRow } from "./rows.ts";

const ROWS_MAX = 20_000_000;
/** The column has 8 bits; processes beyond it share the last number. */
const PROCESSES_MAX = 256;

/** What only the source of the rows knows. */
export interface TraceFactsOfSource {
  readonly sampledShare?: number;
  readonly getsOfAll?: number;
  /** The rows are of a finished trace: no store of them is what a get had loaded, and nothing has to be filled in. */
  readonly folded?: boolean;
  /** Every command is there, but no replies: what was stored next says whether a get hit. */
  readonly storesShown?: boolean;
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
  const prefixes = createPrefixTable();
  const processes = createNumbers(PROCESSES_MAX);
  const hash: HashTarget = { hashHigh: 0, hashLow: 0 };
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
    const number =
      typeof prefix === "string"
        ? prefixes.numberOfGiven(prefix)
        : prefixes.numberOfDerived(prefix ? prefix() : prefixOfKey(keyText ?? ""));
    setOfKey(prefixOf, key, number);
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
      if (facts.storesShown) inferOutcomes(columns, keyCount);
      const folded = facts.folded
        ? keepRows(columns, source)
        : foldRows(columns, keyCount, prefixOf.values);
      const losses = lossesOf(source, columns.oversized, full ? rowsMax : undefined);
      const caveats = [...(facts.caveats ?? []), ...folded.caveats, ...losses];
      const prefixOfKeys = prefixOf.values.subarray(0, keyCount);
      return {
        source,
        ...folded.columns,
        keyCount,
        processes: Math.max(1, processes.size()),
        keyBytes: keyBytes.values.subarray(0, keyCount),
        prefixes: prefixes.finish(prefixOfKeys),
        prefixOf: prefixOfKeys,
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

function lossesOf(
  source: string,
  oversized: number,
  rowsMax: number | undefined,
): readonly string[] {
  const caveats: string[] = [];
  if (oversized > 0) {
    const rows = `${formatCount(oversized)} ${oversized === 1 ? "row has a value" : "rows have values"}`;
    caveats.push(`${rows} of 4 GiB or more: counted as 4 GiB.`);
  }
  if (rowsMax !== undefined) {
    caveats.push(
      `Only the first ${formatCount(rowsMax)} rows of ${source} were read: it has more.`,
    );
  }
  return caveats;
}

/** Numbered in order of appearance; those beyond `max` share the last number. */
function createNumbers(max: number) {
  const numbers = new Map<number, number>();
  return {
    numberOf: (name: number): number => {
      const known = numbers.get(name);
      if (known !== undefined) return known;
      if (numbers.size >= max) return max - 1;
      numbers.set(name, numbers.size);
      return numbers.size - 1;
    },
    size: (): number => numbers.size,
  };
}
