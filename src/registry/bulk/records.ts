// What a reader of records is, and the one of NDJSON: a JSON object a line.

import { LINE_BYTES_MAX } from "./lines.ts";
import type { Line } from "./lines.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** What became of a record's text: its fields, or the reason why it has none. */
export type Taken = (
  fields: Fields | undefined,
  line: number,
  reason: string,
  /** Length of its text. */
  chars: number,
) => void | Promise<void>;

export type RecordReader = {
  /** Calls `take` for each record that ends in these lines, in order; waits for it where it asks to. */
  readonly push: (lines: readonly Line[], take: Taken) => Promise<void>;
  /** There are no more lines. */
  readonly end: (take: Taken) => Promise<void>;
};

export const TOO_LONG = `it is longer than ${LINE_BYTES_MAX} bytes`;

export function createNdjsonReader(): RecordReader {
  let number = 0;
  return {
    async push(lines, take) {
      for (const line of lines) {
        number += 1;
        if (line === undefined) {
          await take(undefined, number, TOO_LONG, 0);
          continue;
        }
        // JSON.parse would throw for each, and a body may be nothing else.
        if (line === "" || line === "\r") continue;
        const fields = parseObject(line);
        if (fields === BLANK) continue;
        const waiting =
          typeof fields === "string"
            ? take(undefined, number, fields, line.length)
            : take(fields, number, "", line.length);
        // Most records need no waiting, and a promise for each would cost as much as to parse it.
        if (waiting !== undefined) await waiting;
      }
    },
    end: async () => undefined,
  };
}

const BLANK = Symbol("blank");

function parseObject(line: string): Fields | string | typeof BLANK {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : "it is no JSON object";
  } catch {
    return line.trim() === "" ? BLANK : "it is not valid JSON";
  }
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
