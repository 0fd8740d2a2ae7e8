/** Reads what Redis' MONITOR prints: `1700000000.123456 [0 127.0.0.1:50600] "SET" "key" "value" "EX" "60"`. Only strings are cached so. */
import { DELETE, GET, SET } from "../../../core/cache-trace.ts";
import { numberAt, textAt } from "./bytes.ts";
import { hashBytes, type HashTarget } from "./key-table.ts";
import { prefixOfKey } from "./prefix.ts";
import { EXPIRE, type RowSink, type TraceRow } from "./rows.ts";
import { TTL_UNKNOWN } from "./columns.ts";

const QUOTE = 34;
const BACKSLASH = 92;
const PLUS = 43;
const BLANK = 32;
const OPEN = 91;

/** The arguments of a command, as places in one array of unescaped bytes. */
interface Arguments {
  bytes: Uint8Array;
  count: number;
  /** Two numbers an argument: from, to. */
  readonly places: number[];
}

/** More are read of no command: of MSET, every second one is a value. */
const ARGUMENTS_MAX = 4_096;
const scratch: Arguments = { bytes: new Uint8Array(4_096), count: 0, places: [] };
const hash: HashTarget = { hashHigh: 0, hashLow: 0 };
const encoder = new TextEncoder();

/**
 * Calls `onRow` for each string key that the command of the line reads, stores, deletes or lets expire: none for other commands. False
 * when it is no line of MONITOR. Neither keys nor values are kept. Databases other than 0 have keys of their own.
 */
export function parseMonitorLine(line: string | Uint8Array, onRow: RowSink): boolean {
  const bytes = typeof line === "string" ? encoder.encode(line) : line;
  return parseMonitorBytes(bytes, 0, bytes.length, onRow);
}

export function parseMonitorBytes(
  bytes: Uint8Array,
  lineFrom: number,
  to: number,
  onRow: RowSink,
): boolean {
  const from = bytes[lineFrom] === PLUS ? lineFrom + 1 : lineFrom;
  const blank = bytes.indexOf(BLANK, from);
  if (blank < 0 || blank >= to || bytes[blank + 1] !== OPEN) return false;
  const seconds = numberAt(bytes, from, blank);
  const database = bytes.indexOf(BLANK, blank + 2);
  // A client on a UNIX socket is shown by its path, which may have brackets and blanks: the first `] "` ends it.
  const close = endOfClient(bytes, blank + 2, to);
  if (seconds === undefined || database < 0 || close < 0) return false;
  if (!readArguments(bytes, close + 2, to)) return false;
  const number = numberAt(bytes, blank + 2, database) ?? 0;
  emitRows(seconds * 1_000, number, onRow);
  return true;
}

function endOfClient(bytes: Uint8Array, from: number, to: number): number {
  for (let at = from; at + 2 < to; at += 1) {
    if (bytes[at] === 93 && bytes[at + 1] === BLANK && bytes[at + 2] === QUOTE) return at;
  }
  return -1;
}

/** Undoes sdscatrepr of Redis (sds.c): \n \r \t \a \b \\ \" and \xHH. */
function readArguments(bytes: Uint8Array, from: number, to: number): boolean {
  if (scratch.bytes.length < to - from) scratch.bytes = new Uint8Array((to - from) * 2);
  scratch.count = 0;
  let length = 0;
  let at = from;
  while (at < to && scratch.count < ARGUMENTS_MAX) {
    if (bytes[at] !== QUOTE) return false;
    at += 1;
    scratch.places[scratch.count * 2] = length;
    while (at < to && bytes[at] !== QUOTE) {
      let byte = bytes[at] ?? 0;
      if (byte === BACKSLASH) {
        at += 1;
        byte = unescaped(bytes, at);
        if (bytes[at] === 120) at += 2;
      }
      scratch.bytes[length] = byte;
      length += 1;
      at += 1;
    }
    if (at >= to) return false;
    scratch.places[scratch.count * 2 + 1] = length;
    scratch.count += 1;
    at += 2;
  }
  return scratch.count > 0;
}

function unescaped(bytes: Uint8Array, at: number): number {
  const byte = bytes[at] ?? 0;
  if (byte === 110) return 10;
  if (byte === 114) return 13;
  if (byte === 116) return 9;
  if (byte === 97) return 7;
  if (byte === 98) return 8;
  return byte === 120 ? hexadecimal(bytes[at + 1]) * 16 + hexadecimal(bytes[at + 2]) : byte;
}

function hexadecimal(digit = 48): number {
  return digit <= 57 ? digit - 48 : (digit | 32) - 87;
}

function emitRows(timeMs: number, database: number, onRow: RowSink): void {
  const command = wordAt(0);
  const last = scratch.count - 1;
  const emit = (argument: number, changes: Partial<TraceRow> & { operation: number }): void => {
    if (argument <= last) onRow(rowOf(timeMs, database, argument, changes));
  };
  switch (command) {
    case "get":
      return emit(1, { operation: GET });
    case "getex":
      emit(1, { operation: GET });
      return emitExpiry(timeMs, 2, (ttlMs) => emit(1, { operation: EXPIRE, ttlMs }));
    case "getdel":
      emit(1, { operation: GET });
      return emit(1, { operation: DELETE });
    case "mget":
      for (let key = 1; key <= last; key += 1) emit(key, { operation: GET });
      return;
    case "set":
    case "getset":
    case "setnx":
      return emit(1, { operation: SET, valueBytes: bytesAt(2), ttlMs: ttlOf(timeMs, 3) });
    case "setex":
      return emit(1, { operation: SET, valueBytes: bytesAt(3), ttlMs: numberOf(2) * 1_000 });
    case "psetex":
      return emit(1, { operation: SET, valueBytes: bytesAt(3), ttlMs: numberOf(2) });
    case "mset":
    case "msetnx":
      for (let key = 1; key < last; key += 2) {
        emit(key, { operation: SET, valueBytes: bytesAt(key + 1), ttlMs: 0 });
      }
      return;
    case "del":
    case "unlink":
      for (let key = 1; key <= last; key += 1) emit(key, { operation: DELETE });
      return;
    case "persist":
      return emit(1, { operation: EXPIRE, ttlMs: 0 });
    case "expire":
      return emit(1, { operation: EXPIRE, ttlMs: numberOf(2) * 1_000 });
    case "pexpire":
      return emit(1, { operation: EXPIRE, ttlMs: numberOf(2) });
    case "expireat":
      return emit(1, { operation: EXPIRE, ttlMs: after(timeMs, numberOf(2) * 1_000) });
    case "pexpireat":
      return emit(1, { operation: EXPIRE, ttlMs: after(timeMs, numberOf(2)) });
    default:
  }
}

function rowOf(
  timeMs: number,
  database: number,
  argument: number,
  { operation, valueBytes = 0, ttlMs }: Partial<TraceRow> & { operation: number },
): TraceRow {
  const { bytes, places } = scratch;
  const from = places[argument * 2] ?? 0;
  const to = places[argument * 2 + 1] ?? 0;
  hashBytes(hash, bytes, from, to, database);
  return {
    timeMs,
    hashHigh: hash.hashHigh,
    hashLow: hash.hashLow,
    operation,
    valueBytes,
    ttlMs,
    keyBytes: to - from,
    prefix: () => prefixOfKey(textAt(bytes, from, to)),
  };
}

/** Of SET: EX, PX, EXAT, PXAT, KEEPTTL or nothing, in any place after the value. */
function ttlOf(timeMs: number, from: number): number {
  let ttlMs = 0;
  emitExpiry(timeMs, from, (found) => {
    ttlMs = found;
  });
  return ttlMs;
}

function emitExpiry(timeMs: number, from: number, onTtl: (ttlMs: number) => void): void {
  for (let argument = from; argument < scratch.count; argument += 1) {
    const word = wordAt(argument);
    if (word === "keepttl") return onTtl(TTL_UNKNOWN);
    if (word === "persist") return onTtl(0);
    const value = numberOf(argument + 1);
    if (word === "ex") return onTtl(value * 1_000);
    if (word === "px") return onTtl(value);
    if (word === "exat") return onTtl(after(timeMs, value * 1_000));
    if (word === "pxat") return onTtl(after(timeMs, value));
  }
}

/** At least 1: 0 would say that it never expires. */
function after(timeMs: number, untilMs: number): number {
  return Math.max(1, untilMs - timeMs);
}

function wordAt(argument: number): string {
  const from = scratch.places[argument * 2] ?? 0;
  const to = scratch.places[argument * 2 + 1] ?? 0;
  return argument < scratch.count && to - from <= 16
    ? textAt(scratch.bytes, from, to).toLowerCase()
    : "";
}

function bytesAt(argument: number): number {
  if (argument >= scratch.count) return 0;
  return (scratch.places[argument * 2 + 1] ?? 0) - (scratch.places[argument * 2] ?? 0);
}

function numberOf(argument: number): number {
  if (argument >= scratch.count) return 0;
  const { bytes, places } = scratch;
  return numberAt(bytes, places[argument * 2] ?? 0, places[argument * 2 + 1] ?? 0) ?? 0;
}
