/** Reads a trace from CSV: bytes in, one row at a time out, without making a string of any key. */
import { DELETE, GET, OUTCOME_HIT, OUTCOME_MISS, SET } from "../../../core/cache-trace.ts";
import { PerfoptError } from "../../../core/errors.ts";
import type { TraceFactsOfSource } from "./builder.ts";
import { createLineReader, numberAt, shownAt, textAt } from "./bytes.ts";
import { TTL_UNKNOWN } from "./columns.ts";
import { createComments } from "./comments.ts";
import { LAYOUT_EXPECTED, layoutOf, type CsvLayout } from "./csv-layout.ts";
import { fieldKinds, guessTimeUnit, unitWord, UNIT_MS } from "./fields.ts";
import { hashBytes } from "./key-table.ts";
import { prefixOfKey } from "./prefix.ts";
import { operationOf, type RowSink, type TraceRow } from "./rows.ts";

const HASH_SIGN = 35;
const QUOTE = 34;
const BACKSLASH = 92;
const TIME = fieldKinds.indexOf("time");
const KEY = fieldKinds.indexOf("key");
const SIZE = fieldKinds.indexOf("size");
const OP = fieldKinds.indexOf("op");
const TTL = fieldKinds.indexOf("ttl");
const COST = fieldKinds.indexOf("cost");
const OUTCOME = fieldKinds.indexOf("outcome");
const PROCESS = fieldKinds.indexOf("process");
const KEY_BYTES = fieldKinds.indexOf("keyBytes");
const PREFIX = fieldKinds.indexOf("prefix");
const ACCESS = fieldKinds.indexOf("access");

/** The one object that every row is written into. */
type MutableRow = { -readonly [Name in keyof TraceRow]: TraceRow[Name] } & {
  hashHigh: number;
  hashLow: number;
};

export interface RowParser {
  /** False: no more is wanted. */
  push(chunk: Uint8Array): boolean;
  /** What the file said beside its rows. Throws PerfoptError where it had no line that is a row. */
  end(): TraceFactsOfSource;
}

/**
 * Calls `onRow` for every row, with one object that is used again for the next; stops when that returns false. Throws PerfoptError
 * with the line number where a line cannot be read. Keys are hashed as `hashBytes` does.
 */
export async function parseCsvRows(
  chunks: AsyncIterable<Uint8Array>,
  onRow: RowSink,
  name = "the trace",
): Promise<TraceFactsOfSource> {
  const parser = createCsvParser(name, onRow);
  for await (const chunk of chunks) if (!parser.push(chunk)) break;
  return parser.end();
}

export function createCsvParser(name: string, onRow: RowSink): RowParser {
  const comments = createComments();
  const caveats: string[] = [];
  let header: Uint8Array = new Uint8Array(0);
  let line: ((bytes: Uint8Array, from: number, to: number) => boolean) | undefined;
  const where = (): string => `${name}, line ${reader.lineNumber()}`;
  const reader = createLineReader(
    (bytes, from, to) => {
      if (from === to) return true;
      if (bytes[from] === HASH_SIGN) {
        comments.take(textAt(bytes, from + 1, Math.min(to, from + 200)));
        return true;
      }
      if (line) {
        // Files that were appended to, or joined with `cat`, have their header again and again.
        if (isSame(header, bytes, from, to)) return true;
        return line(bytes, from, to);
      }
      const start = reader.lineNumber() === 1 && bytes[from] === 0xef ? from + 3 : from;
      const layout = layoutOf(textAt(bytes, start, Math.min(to, start + 4_096)));
      if (typeof layout === "string") fail(`${where()}: ${layout}`, LAYOUT_EXPECTED);
      caveats.push(...layout.caveats);
      line = createRowReader(layout, comments.own(), onRow, where, caveats);
      if (!layout.header) return line(bytes, start, to);
      header = bytes.slice(start, to);
      return true;
    },
    () => fail(`${where()}: the line is too long to be a row`, "is it text, one row a line?"),
  );
  return {
    push: (chunk) => reader.push(chunk),
    end: () => {
      reader.end();
      const facts = comments.facts();
      return { ...facts, caveats: [...caveats, ...(facts.caveats ?? [])] };
    },
  };
}

/** Everything of a line that is not the line itself. */
interface Scales {
  timeMs: number;
  ttlMs: number;
  costMs: number;
}

function createRowReader(
  layout: CsvLayout,
  own: boolean,
  onRow: RowSink,
  where: () => string,
  caveats: string[],
) {
  const { separator } = layout;
  const kinds = Uint8Array.from(layout.kinds, (kind) => fieldKinds.indexOf(kind));
  const columns = kinds.length;
  const scales: Scales = { timeMs: 0, ttlMs: 0, costMs: UNIT_MS[layout.costUnit ?? "ms"] };
  let unquoted: Uint8Array = new Uint8Array(256);
  let keySource = unquoted;
  let keyFrom = 0;
  let keyTo = 0;
  // Asked only when the key is new.
  const prefixOfText = (): string =>
    isNumeric(keySource, keyFrom, keyTo) ? "" : prefixOfKey(textAt(keySource, keyFrom, keyTo));
  const derived = layout.kinds.includes("prefix") ? undefined : prefixOfText;
  const prefixes = createWords();
  const row = emptyRow(derived);

  const take = (kind: number, bytes: Uint8Array, from: number, to: number): void => {
    if (kind === KEY) {
      keySource = bytes;
      keyFrom = from;
      keyTo = to;
      hashBytes(row, bytes, from, to);
      // A file of hashes has a column for the length, if anything; a hash's own length means nothing.
      row.keyBytes ??= own ? 0 : to - from;
      if (from === to) fail(`${where()}: the key is empty`, "every row needs a key");
    } else if (kind === TIME) {
      const raw = numeric(bytes, from, to, "time", "a number", where);
      if (scales.timeMs === 0) setScales(scales, layout, own, raw, caveats);
      row.timeMs = raw * scales.timeMs;
    } else if (kind === SIZE) row.valueBytes = sizeAt(bytes, from, to, where);
    else if (kind === OP) row.operation = operationAt(bytes, from, to, layout, where);
    else takeOptional(row, kind, bytes, from, to, scales, prefixes, where);
  };

  return (bytes: Uint8Array, lineFrom: number, to: number): boolean => {
    clear(row, derived);
    let from = lineFrom;
    let column = 0;
    while (column < columns) {
      const kind = kinds[column] ?? 0;
      if (bytes[from] === QUOTE && from < to) {
        const end = quotedEnd(bytes, from, to);
        if (end < 0) fail(`${where()}: a quote is not closed`, 'quote a field as "..."');
        if (kind !== 0) {
          if (unquoted.length < end - from) unquoted = new Uint8Array((end - from) * 2);
          take(kind, unquoted, 0, unquote(bytes, from + 1, end, unquoted));
        }
        from = end + 1;
      } else {
        let end = from;
        while (end < to && bytes[end] !== separator) end += 1;
        if (kind !== 0) take(kind, bytes, from, end);
        from = end;
      }
      column += 1;
      if (from >= to) break;
      from += 1;
    }
    if (column < columns) checkShort(kinds, column, where);
    // The wrapper leaves it empty where it does not know it, as after SET with KEEPTTL; elsewhere an empty one is none.
    if (own && row.ttlMs === undefined) row.ttlMs = TTL_UNKNOWN;
    return onRow(row) !== false;
  };
}

function emptyRow(prefix: (() => string) | undefined): MutableRow {
  return {
    timeMs: 0.5,
    hashHigh: 0xffffffff,
    hashLow: 0xffffffff,
    keyText: undefined,
    operation: GET,
    valueBytes: 0,
    ttlMs: undefined,
    costMs: undefined,
    outcome: undefined,
    process: undefined,
    keyBytes: undefined,
    prefix,
  };
}

function clear(row: MutableRow, prefix: (() => string) | undefined): void {
  row.operation = GET;
  row.valueBytes = 0;
  row.ttlMs = undefined;
  row.costMs = undefined;
  row.outcome = undefined;
  row.process = undefined;
  row.keyBytes = undefined;
  row.prefix = prefix;
}

/** Fields at the end may be left out, but for the two that every row needs. */
function checkShort(kinds: Uint8Array, columns: number, where: () => string): void {
  if (columns > kinds.indexOf(TIME) && columns > kinds.indexOf(KEY)) return;
  fail(`${where()}: it has ${columns} of ${kinds.length} columns`, "time and key are needed");
}

function takeOptional(
  row: MutableRow,
  kind: number,
  bytes: Uint8Array,
  from: number,
  to: number,
  scales: Scales,
  prefixes: Words,
  where: () => string,
): void {
  if (from === to) return;
  if (kind === TTL) {
    const ttl = numeric(bytes, from, to, "time to live", "a number", where);
    row.ttlMs = ttl < 0 ? 0 : ttl * scales.ttlMs;
  } else if (kind === COST) {
    row.costMs = numeric(bytes, from, to, "cost", "a number", where) * scales.costMs;
  } else if (kind === OUTCOME) row.outcome = outcomeAt(bytes, from);
  else if (kind === PROCESS) {
    row.process = numeric(bytes, from, to, "process", "a number", where);
  } else if (kind === KEY_BYTES) {
    row.keyBytes = numeric(bytes, from, to, "key's length", "bytes", where);
  } else if (kind === PREFIX) row.prefix = prefixes.at(bytes, from, to);
  else if (kind === ACCESS && row.operation !== DELETE) {
    const first = (bytes[from] ?? 0) | 32;
    row.operation = first === 114 ? GET : first === 100 ? DELETE : SET;
  }
}

function setScales(
  scales: Scales,
  layout: CsvLayout,
  own: boolean,
  first: number,
  caveats: string[],
): void {
  const guess = layout.timeUnit ? { unit: layout.timeUnit, sure: true } : guessTimeUnit(first);
  const unit = own ? "ms" : guess.unit;
  scales.timeMs = UNIT_MS[unit];
  // Times to live are in seconds nearly everywhere; who writes times in milliseconds writes them so too.
  scales.ttlMs = UNIT_MS[layout.ttlUnit ?? (unit === "ms" ? "ms" : "s")];
  if (!own && !guess.sure) {
    caveats.push(
      `Its times do not say their unit: taken as ${unitWord(unit)}. Name the column time_ms or time_us if that is wrong.`,
    );
  }
}

function sizeAt(bytes: Uint8Array, from: number, to: number, where: () => string): number {
  if (from === to) return 0;
  const size = numeric(bytes, from, to, "size", "bytes", where);
  if (size >= 0) return size;
  return fail(`${where()}: the size is ${size}`, "leave a size empty where it is not known");
}

/** Of most rows it is one of three; others are looked up by their name. */
function operationAt(
  bytes: Uint8Array,
  from: number,
  to: number,
  layout: CsvLayout,
  where: () => string,
): number {
  if (to - from === 3 && ((bytes[from + 1] ?? 0) | 32) === 101) {
    const first = (bytes[from] ?? 0) | 32;
    const last = (bytes[from + 2] ?? 0) | 32;
    if (first === 103 && last === 116) return GET;
    if (first === 115 && last === 116) return SET;
    if (first === 100 && last === 108) return DELETE;
  }
  const operation = operationOf(textAt(bytes, from, Math.min(to, from + 32)));
  if (operation !== undefined) return operation;
  // The column that says whether it reads or writes comes after it.
  if (layout.kinds.includes("access")) return GET;
  if (from === to) return GET;
  return fail(
    `${where()}: the operation is "${shownAt(bytes, from, to)}"`,
    "operations are get, set, delete, write, load and expire",
  );
}

/** hit, miss, true, false, 1, 0, HIT, ... */
function outcomeAt(bytes: Uint8Array, from: number): number {
  const first = (bytes[from] ?? 0) | 32;
  if (first === 104 || first === 116 || first === 49 || first === 121) return OUTCOME_HIT;
  return first === 109 || first === 102 || first === 48 || first === 110 ? OUTCOME_MISS : 0;
}

function numeric(
  bytes: Uint8Array,
  from: number,
  to: number,
  what: string,
  expected: string,
  where: () => string,
): number {
  const value = numberAt(bytes, from, to);
  if (value !== undefined) return value;
  return fail(
    `${where()}: the ${what} is "${shownAt(bytes, from, to)}", not ${expected}`,
    LAYOUT_EXPECTED,
  );
}

function isSame(line: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (line.length !== to - from || line[0] !== bytes[from]) return false;
  return line.every((byte, at) => byte === bytes[from + at]);
}

function isNumeric(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte < 48 || byte > 57) return false;
  }
  return true;
}

/** The place of the closing quote; -1 without one. Quotes inside are doubled or have a backslash. */
function quotedEnd(bytes: Uint8Array, from: number, to: number): number {
  for (let at = from + 1; at < to; at += 1) {
    if (bytes[at] === BACKSLASH) at += 1;
    else if (bytes[at] === QUOTE) {
      if (bytes[at + 1] !== QUOTE || at + 1 >= to) return at;
      at += 1;
    }
  }
  return -1;
}

/** Only so far that equal keys stay equal and different ones different. */
function unquote(bytes: Uint8Array, from: number, to: number, out: Uint8Array): number {
  let length = 0;
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at] ?? 0;
    if (
      byte === QUOTE ||
      (byte === BACKSLASH && (bytes[at + 1] === QUOTE || bytes[at + 1] === BACKSLASH))
    ) {
      at += 1;
      out[length] = bytes[at] ?? byte;
    } else out[length] = byte;
    length += 1;
  }
  return length;
}

interface Words {
  at(bytes: Uint8Array, from: number, to: number): string;
}

/** Words of a column that has few different ones: the last one is compared before a string is made. */
function createWords(): Words {
  let latest = "";
  return {
    at: (bytes, from, to) => {
      if (to - from === latest.length) {
        let at = 0;
        while (at < latest.length && bytes[from + at] === latest.charCodeAt(at)) at += 1;
        if (at === latest.length) return latest;
      }
      latest = textAt(bytes, from, to);
      return latest;
    },
  };
}

function fail(message: string, hint: string): never {
  throw new PerfoptError("bad-input", message, hint);
}
