/** The journal's reader: forgives the one line that a crash can tear, and nothing else. */
import { readFile } from "node:fs/promises";
import { messageOf, PerfoptError } from "../core/errors.ts";
import type { Entry } from "../core/event.ts";

/** All whole entries of a journal. Throws PerfoptError naming the line when the file is damaged. */
export async function readJournal(path: string): Promise<Entry[]> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new PerfoptError(
      "bad-input",
      `the journal ${path} cannot be read: ${messageOf(error)}`,
      "give the path of a run's run.jsonl; `perfopt status` lists the runs",
      { cause: error },
    );
  }
  return parseJournal(bytes, path).entries;
}

interface Parsed {
  readonly entries: Entry[];
  /** Bytes up to the end of the last whole line. */
  readonly wholeBytes: number;
}

/** A line counts when its newline is there: the writer's last byte. What follows the last newline was never acknowledged. */
export function parseJournal(bytes: Buffer, path: string): Parsed {
  const wholeBytes = bytes.lastIndexOf(0x0a) + 1;
  const lines = bytes.subarray(0, wholeBytes).toString("utf8").split("\n").slice(0, -1);
  const entries = lines.map((line, index) => parseLine(line, index, path));
  return { entries, wholeBytes };
}

function parseLine(line: string, index: number, path: string): Entry {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw damaged(path, index, `is not JSON (${messageOf(error)})`, error);
  }
  if (!isEntry(value)) throw damaged(path, index, "is not an entry with seq, at and event");
  if (value.seq !== index + 1) {
    throw damaged(
      path,
      index,
      `has number ${value.seq} where ${index + 1} belongs: lines are missing`,
    );
  }
  return value;
}

/** Checks the envelope; the event inside is trusted to be what this program wrote. */
function isEntry(value: unknown): value is Entry {
  if (typeof value !== "object" || value === null) return false;
  if (!("seq" in value) || !Number.isInteger(value.seq)) return false;
  if (!("at" in value) || typeof value.at !== "string") return false;
  if (!("event" in value) || typeof value.event !== "object" || value.event === null) return false;
  return "type" in value.event && typeof value.event.type === "string";
}

function damaged(path: string, index: number, what: string, cause?: unknown): PerfoptError {
  return new PerfoptError(
    "bad-input",
    `${path}:${index + 1} ${what}`,
    "the file was changed after the run; restore it from a copy",
    { cause },
  );
}
