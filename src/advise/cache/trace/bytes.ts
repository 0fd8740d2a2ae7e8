/** Reads words and numbers straight from the bytes of a line. */

const decoder = new TextDecoder();
const DIGIT_0 = 48;
const DIGIT_9 = 57;
const POINT = 46;

/** A decimal number of 15 digits at most is exact. Undefined where the bytes are none; blanks around it are allowed. */
export function numberAt(bytes: Uint8Array, from: number, to: number): number | undefined {
  let value = 0;
  let at = from;
  while (at < to) {
    const digit = bytes[at] ?? 0;
    if (digit < DIGIT_0 || digit > DIGIT_9) break;
    value = value * 10 + (digit - DIGIT_0);
    at += 1;
  }
  if (at === to && at > from) return Number.isFinite(value) ? value : undefined;
  if (bytes[at] === POINT && at > from) {
    let scale = 1;
    let fraction = 0;
    let next = at + 1;
    while (next < to) {
      const digit = bytes[next] ?? 0;
      if (digit < DIGIT_0 || digit > DIGIT_9) break;
      // Beyond 9 digits of a fraction there is nothing that a double could keep.
      if (scale < 1e9) {
        fraction = fraction * 10 + (digit - DIGIT_0);
        scale *= 10;
      }
      next += 1;
    }
    if (next === to && next > at + 1) return value + fraction / scale;
  }
  return slowNumber(bytes, from, to);
}

/** Signs, exponents, blanks. */
function slowNumber(bytes: Uint8Array, from: number, to: number): number | undefined {
  if (to - from > 40) return undefined;
  const text = textAt(bytes, from, to).trim();
  if (!/^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/i.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

export function textAt(bytes: Uint8Array, from: number, to: number): string {
  return decoder.decode(bytes.subarray(from, to));
}

/** For messages: cut, and nothing that a terminal would act on. */
export function shownAt(bytes: Uint8Array, from: number, to: number): string {
  const text = textAt(bytes, from, Math.min(to, from + 40)).replace(/[^\u0020-\u007e]/g, "?");
  return to - from > 40 ? `${text}...` : text;
}

/** Calls `onLine` with each line of the chunks, without its end, until that says false. Lines may be split between chunks. */
export interface LineReader {
  /** False: no more is wanted. */
  push(chunk: Uint8Array): boolean;
  /** The last line, when no end of line follows it. */
  end(): void;
  /** Of the line that `onLine` has; the first is 1. */
  lineNumber(): number;
}

export type OnLine = (bytes: Uint8Array, from: number, to: number) => boolean;

/** A longer line is no line of a trace: what is read then is kept from filling the memory. */
const LINE_BYTES_MAX = 4 * 1024 ** 2;
const NEWLINE = 10;
const RETURN = 13;

/** `onTooLong` must throw. */
export function createLineReader(onLine: OnLine, onTooLong: () => never): LineReader {
  let rest = new Uint8Array(0);
  let number = 0;
  let wanted = true;
  const take = (bytes: Uint8Array, from: number, to: number): boolean => {
    number += 1;
    wanted = onLine(bytes, from, to > from && bytes[to - 1] === RETURN ? to - 1 : to);
    return wanted;
  };
  return {
    push: (chunk) => {
      let from = 0;
      if (!wanted) return false;
      if (rest.length > 0) {
        const end = chunk.indexOf(NEWLINE);
        rest = joined(rest, end < 0 ? chunk : chunk.subarray(0, end));
        if (rest.length > LINE_BYTES_MAX) onTooLong();
        if (end < 0) return true;
        const line = rest;
        rest = new Uint8Array(0);
        if (!take(line, 0, line.length)) return false;
        from = end + 1;
      }
      for (;;) {
        const end = chunk.indexOf(NEWLINE, from);
        if (end < 0) break;
        if (!take(chunk, from, end)) return false;
        from = end + 1;
      }
      // Copied: the source may use the chunk's memory again.
      if (from < chunk.length) rest = chunk.slice(from);
      return true;
    },
    end: () => {
      if (wanted && rest.length > 0) take(rest, 0, rest.length);
      rest = new Uint8Array(0);
    },
    lineNumber: () => number,
  };
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
