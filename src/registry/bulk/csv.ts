// Records of a CSV body: a line of column names first, and quotes that may hold commas and ends of lines.

import { parse } from "csv-parse/sync";
import { invalidParameter } from "../errors.ts";
import { LINE_BYTES_MAX } from "./lines.ts";
import type { Line } from "./lines.ts";
import { TOO_LONG } from "./records.ts";
import type { Fields, RecordReader, Taken } from "./records.ts";

const UNCLOSED = "a quote is not closed";

/** `required` and `optional` are the columns that mean something; others are an error of the whole import, thrown. */
export function createCsvReader(
  required: readonly string[],
  optional: readonly string[],
): RecordReader {
  let header: readonly string[] | undefined;
  let number = 0;
  const open = createOpenRecord();

  /** Undefined: there is nothing to wait for. */
  function takeLine(line: Line, take: Taken): void | Promise<void> {
    if (line === undefined) return takeTooLong(take);
    number += 1;
    if (open.lines() === 0 && !line.includes('"')) {
      // Nearly every line of nearly every file; csv-parse is for those with quotes.
      const text = line.endsWith("\r") ? line.slice(0, -1) : line;
      return text === "" ? undefined : takeCells(text.split(","), number, take, text.length);
    }
    open.add(line);
    if (open.chars() > LINE_BYTES_MAX) return giveUp(take, `${TOO_LONG}, or ${UNCLOSED}`);
    return open.inQuotes() ? undefined : takeQuoted(take);
  }

  async function takeTooLong(take: Taken): Promise<void> {
    while (open.lines() > 0) await giveUp(take, UNCLOSED);
    number += 1;
    await take(undefined, number, TOO_LONG, 0);
  }

  async function takeQuoted(take: Taken): Promise<void> {
    const cells = parseCells(open.text());
    const isBad = typeof cells === "string";
    // A stray quote joins lines that are records of their own: only the first of them is bad.
    if (open.lines() > 1 && (isBad || (header !== undefined && cells.length !== header.length)))
      return giveUp(take, UNCLOSED);
    const first = number - open.lines() + 1;
    const chars = open.chars();
    open.close();
    await (isBad ? take(undefined, first, cells, chars) : takeCells(cells, first, take, chars));
  }

  /** Rejects the line that an open record began with, and takes those after it as if they were new. */
  async function giveUp(take: Taken, reason: string): Promise<void> {
    const [, ...rest] = open.close();
    number -= rest.length;
    await take(undefined, number, reason, 0);
    for (const line of rest) await takeLine(line, take);
  }

  function takeCells(
    cells: readonly string[],
    line: number,
    take: Taken,
    chars: number,
  ): void | Promise<void> {
    if (header === undefined) {
      header = readHeader(cells, required, optional);
      return undefined;
    }
    const fields = toFields(header, cells);
    const isBad = typeof fields === "string";
    return isBad ? take(undefined, line, fields, chars) : take(fields, line, "", chars);
  }

  return {
    async push(lines, take) {
      for (const line of lines) {
        const waiting = takeLine(line, take);
        if (waiting !== undefined) await waiting;
      }
    },
    async end(take) {
      // Each turn gives up a line at least.
      while (open.lines() > 0) await giveUp(take, UNCLOSED);
    },
  };
}

type OpenRecord = {
  readonly add: (line: string) => void;
  readonly lines: () => number;
  readonly chars: () => number;
  readonly text: () => string;
  readonly inQuotes: () => boolean;
  /** Empties it; the lines that it had. */
  readonly close: () => readonly string[];
};

/** The lines of a record whose quotes may not be closed yet. */
function createOpenRecord(): OpenRecord {
  let lines: string[] = [];
  let chars = 0;
  let inQuotes = false;
  return {
    add(line) {
      lines.push(line);
      chars += line.length + 1;
      if (countQuotes(line) % 2 === 1) inQuotes = !inQuotes;
    },
    lines: () => lines.length,
    chars: () => chars,
    text: () => lines.join("\n"),
    inQuotes: () => inQuotes,
    close() {
      const had = lines;
      lines = [];
      chars = 0;
      inQuotes = false;
      return had;
    },
  };
}

function toFields(header: readonly string[], cells: readonly string[]): Fields | string {
  if (cells.length !== header.length)
    return `it has ${cells.length} columns, and the header ${header.length}`;
  const fields: Record<string, unknown> = {};
  for (let at = 0; at < header.length; at += 1) fields[header[at] ?? ""] = cells[at];
  return fields;
}

function readHeader(
  cells: readonly string[],
  required: readonly string[],
  optional: readonly string[],
): readonly string[] {
  const names = cells.map((cell) => cell.trim());
  const known = [...required, ...optional];
  const strange = names.find((name) => !known.includes(name));
  if (strange !== undefined)
    throw invalidParameter(
      `The CSV header has a column ${JSON.stringify(strange.slice(0, 100))}; columns are ${known.join(", ")}.`,
    );
  const missing = required.find((name) => !names.includes(name));
  if (missing !== undefined) throw invalidParameter(`The CSV header has no column ${missing}.`);
  if (new Set(names).size < names.length)
    throw invalidParameter("The CSV header has a column twice.");
  return names;
}

function countQuotes(text: string): number {
  let count = 0;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) count += 1;
  return count;
}

function parseCells(record: string): readonly string[] | string {
  try {
    const [cells] = parse(record.endsWith("\r") ? record.slice(0, -1) : record, {
      relaxColumnCount: true,
    });
    return cells ?? "it is empty";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
