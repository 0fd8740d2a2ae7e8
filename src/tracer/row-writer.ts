/** Writes rows of a trace as CSV straight into blocks of bytes: no strings, no objects. */
import type { KeyHash } from "./hash.ts";

export const TRACE_FORMAT = "perfopt-cache-trace/1";
export const TRACE_HEADER = "time,key,prefix,size,op,ttl,cost,outcome,process,keyBytes";

export type Operation = "get" | "set" | "delete" | "write" | "load" | "expire";

const BLOCK_BYTES = 65_536;
/** More than the longest row: numbers of 17 characters at most, a prefix of 64. */
const ROW_BYTES_MAX = 256;
const COMMA = 44;
const POINT = 46;
const BILLION = 1e9;
const POWERS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8] as const;
const NEWLINE = 10;
const HEX = Buffer.from("0123456789abcdef");
const NONE = new Uint8Array(0);
const OPERATIONS: Readonly<Record<Operation, Uint8Array>> = {
  get: Buffer.from("get"),
  set: Buffer.from("set"),
  delete: Buffer.from("delete"),
  write: Buffer.from("write"),
  load: Buffer.from("load"),
  expire: Buffer.from("expire"),
};
const HIT = Buffer.from("hit");
const MISS = Buffer.from("miss");

export interface RowWriter {
  /** `size`, `ttlMs` and `costMs` that are no numbers of 0 or more are left empty. */
  row(
    timeMs: number,
    hash: KeyHash,
    prefix: Uint8Array,
    operation: Operation,
    size: number,
    ttlMs: number,
    costMs: number,
    hit: boolean | undefined,
  ): void;
  /** A comment line. */
  comment(text: string): void;
  /** A line as it is. */
  line(text: string): void;
  /** Hands out what was written since; false: it was dropped. */
  flush(): boolean;
}

/** Blocks end with a line; `onBlock` owns what it gets, and says whether it took it. */
export function createRowWriter(
  pid: number,
  onBlock: (block: Uint8Array, rows: number) => boolean,
): RowWriter {
  const process = Buffer.from(String(pid));
  let block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  let at = 0;
  let rows = 0;
  const flush = (): boolean => {
    if (at === 0) return true;
    const full = block.subarray(0, at);
    const count = rows;
    block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    at = 0;
    rows = 0;
    return onBlock(full, count);
  };
  const line = (text: string): void => {
    if (BLOCK_BYTES - at < ROW_BYTES_MAX) flush();
    at += block.write(`${text.slice(0, ROW_BYTES_MAX - 1)}\n`, at, "latin1");
  };
  return {
    row: (timeMs, hash, prefix, operation, size, ttlMs, costMs, hit) => {
      if (BLOCK_BYTES - at < ROW_BYTES_MAX) flush();
      rows += 1;
      at = putDecimal(block, at, timeMs);
      block[at] = COMMA;
      at = putHex(block, putHex(block, at + 1, hash.high), hash.low);
      block[at] = COMMA;
      at = putBytes(block, at + 1, prefix);
      block[at] = COMMA;
      at = putInteger(block, at + 1, size);
      block[at] = COMMA;
      at = putBytes(block, at + 1, OPERATIONS[operation]);
      block[at] = COMMA;
      at = putInteger(block, at + 1, ttlMs);
      block[at] = COMMA;
      at = putDecimal(block, at + 1, costMs);
      block[at] = COMMA;
      at = putBytes(block, at + 1, hit === undefined ? NONE : hit ? HIT : MISS);
      block[at] = COMMA;
      at = putBytes(block, at + 1, process);
      block[at] = COMMA;
      at = putInteger(block, at + 1, hash.bytes);
      block[at] = NEWLINE;
      at += 1;
    },
    comment: (text) => line(`# ${text}`),
    line,
    flush,
  };
}

function putBytes(block: Uint8Array, from: number, bytes: Uint8Array): number {
  for (let at = 0; at < bytes.length; at += 1) block[from + at] = bytes[at] ?? 0;
  return from + bytes.length;
}

function putHex(block: Uint8Array, from: number, value: number): number {
  for (let at = 0; at < 8; at += 1) block[from + at] = HEX[(value >>> (28 - at * 4)) & 15] ?? 0;
  return from + 8;
}

/** A whole number below 2^53; nothing for what is none. */
function putInteger(block: Uint8Array, from: number, value: number): number {
  if (!(value >= 0 && value < Number.MAX_SAFE_INTEGER)) return from;
  const whole = Math.round(value);
  if (whole < BILLION) return putDigits(block, from, whole, 1);
  // Divisions of small integers are several times faster than those of doubles.
  const upper = Math.floor(whole / BILLION);
  return putDigits(block, putDigits(block, from, upper, 1), whole - upper * BILLION, 9);
}

/** At least so many digits, zeros before; below a billion. */
function putDigits(block: Uint8Array, from: number, value: number, digitsMin: number): number {
  let left = value | 0;
  let digits = digitsMin;
  for (let power = POWERS[digits] ?? 0; power <= left && digits < 9; power = POWERS[digits] ?? 0) {
    digits += 1;
  }
  for (let at = from + digits - 1; at >= from; at -= 1) {
    const rest = (left / 10) | 0;
    block[at] = 48 + (left - rest * 10);
    left = rest;
  }
  return from + digits;
}

/** With three decimals at most, none when they are 0. */
function putDecimal(block: Uint8Array, from: number, value: number): number {
  if (!(value >= 0 && value < 1e13)) return from;
  let whole = Math.floor(value);
  let thousandths = Math.round((value - whole) * 1_000);
  if (thousandths === 1_000) {
    whole += 1;
    thousandths = 0;
  }
  const at = putInteger(block, from, whole);
  if (thousandths === 0) return at;
  block[at] = POINT;
  return putDigits(block, at + 1, thousandths, 3);
}
