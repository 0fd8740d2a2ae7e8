/** A history of results, one JSON line a run: checking the place, adding to it, and reading it. */
import { mkdir, open, readFile, stat, unlink } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { messageOf, PerfoptError } from "../core/errors.ts";
import type { HistoryRecord } from "../core/history.ts";
import type { BenchResult } from "../core/result.ts";
import { HISTORY, parseResult } from "./document.ts";
import { appendToBranch, appendToNotes, checkGit, readBranch, readNotes } from "./git-history.ts";
import { placeOf } from "./place.ts";
import { lineOf } from "./record.ts";

export interface History {
  /** In the order of measuring. */
  readonly records: readonly HistoryRecord[];
  /** Lines that were skipped, each with its place and what is wrong with it. */
  readonly problems: readonly string[];
}

/** Throws bad-input when nothing could be added there: to be called before a long measurement. Leaves nothing behind but folders. */
export async function checkHistory(where: string, directory = process.cwd()): Promise<void> {
  const place = placeOf(where);
  if (place.kind !== "file") return checkGit(place, directory);
  const path = resolve(directory, place.path);
  try {
    await mkdir(dirname(path), { recursive: true });
    const there = await stat(path).catch(() => undefined);
    // Opened as writing will, which permissions alone do not tell.
    const file = await open(path, "a");
    await file.close();
    if (there === undefined) await unlink(path);
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

/**
 * Adds a result; several runs may do so at once. Says in one sentence where it is, and what is left for the user.
 * Throws bad-input when the place cannot be written, or when the measured side is no commit and the place is notes.
 */
export async function appendResult(
  where: string,
  result: BenchResult,
  directory = process.cwd(),
): Promise<string> {
  const place = placeOf(where);
  const line = lineOf(result);
  switch (place.kind) {
    case "file":
      return appendToFile(resolve(directory, place.path), line);
    case "branch":
      return appendToBranch(place.name, line, result.side, directory);
    case "notes":
      return appendToNotes(place.ref, line, result.side, directory);
  }
}

/** Throws bad-input when there is no such history. */
export async function readHistory(where: string, directory = process.cwd()): Promise<History> {
  const place = placeOf(where);
  switch (place.kind) {
    case "file": {
      const path = resolve(directory, place.path);
      return parse([{ name: path, text: await readText(path) }]);
    }
    case "branch":
      return parse([await readBranch(place.name, directory)]);
    case "notes":
      return parse(await readNotes(place.ref, directory));
  }
}

async function appendToFile(path: string, line: string): Promise<string> {
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(path, "a+");
    try {
      const { size } = await file.stat();
      const last = await file.read({ buffer: Buffer.alloc(1), position: Math.max(0, size - 1) });
      const torn = size > 0 && last.buffer.toString() !== "\n";
      // One write with O_APPEND: runs that end together do not mix their lines. A line torn by a crash is closed first.
      const bytes = Buffer.from(`${torn ? "\n" : ""}${line}`);
      const { bytesWritten } = await file.write(bytes);
      if (bytesWritten < bytes.length) throw new Error("no space is left on its disk");
      await file.datasync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw cannotWrite(path, error);
  }
  return `added to the history ${path}`;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new PerfoptError(
      "bad-input",
      `the history ${path} cannot be read: ${messageOf(error)}`,
      `\`perfopt bench --append ${path}\` makes one; --from names another`,
      { cause: error },
    );
  }
}

function cannotWrite(path: string, cause: unknown): PerfoptError {
  return new PerfoptError(
    "bad-input",
    `the history ${path} cannot be written: ${messageOf(cause)}`,
    "name a file that can be written, git-branch:NAME, or git-notes",
    { cause },
  );
}

/** A line that is broken costs that run, not the history. */
function parse(texts: readonly { readonly name: string; readonly text: string }[]): History {
  const records: HistoryRecord[] = [];
  const problems: string[] = [];
  for (const { name, text } of texts) {
    for (const [index, line] of text.split("\n").entries()) {
      if (line.trim() === "") continue;
      try {
        records.push(parseResult(line, `${name}:${index + 1}`, HISTORY));
      } catch (error) {
        problems.push(messageOf(error).split("\n")[0] ?? "");
      }
    }
  }
  // Instants of the same form compare as text; runs that ended in another order were still measured in this one.
  return { records: records.toSorted((a, b) => instant(a) - instant(b)), problems };
}

function instant({ startedAt }: HistoryRecord): number {
  return Date.parse(startedAt);
}
