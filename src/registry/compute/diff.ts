// Compares two texts line by line: the fewest lines removed and added, as a patch in unified form.

import type { DiffSummary } from "./compute.ts";

// Git's rule: a zero byte near the beginning means that it is no text.
const BINARY_PROBE_BYTES = 8_000;
const CONTEXT_LINES = 3;
const PATCH_CHARS_MAX = 64 * 1024;
const PATCH_HEAD = "--- before\n+++ after\n";
// Four numbers of lines, and that a last line has no end.
const HUNK_HEAD_CHARS_MAX = 120;
// Beyond so many changes the search's work and memory (both its square) are not worth the last few lines.
const CHANGES_MAX = 2_000;

// Beyond so many lines between the first and the last change they are not even looked at one by one.
const LINES_MAX = 200_000;
const NEWLINE = 0x0a;

/** Which lines of each side have no partner on the other. */
type Changes = { readonly removed: Uint8Array; readonly added: Uint8Array };

/** Above CHANGES_MAX changes everything between the first and the last change counts as replaced: right, but not the least. */
export function diffContents(before: Uint8Array, after: Uint8Array): DiffSummary {
  if (isBinary(before) || isBinary(after))
    return { binary: true, added: 0, removed: 0, patch: "", cut: false };
  const from = asBuffer(before);
  const to = asBuffer(after);
  if (from.equals(to)) return { binary: false, added: 0, removed: 0, patch: "", cut: false };
  const { head, fromTail, toTail } = commonEnds(from, to);
  const lines = {
    removed: countLines(from.subarray(head, fromTail)),
    added: countLines(to.subarray(head, toTail)),
  };
  // So many lines do not fit into a patch either.
  if (lines.removed + lines.added > LINES_MAX)
    return { binary: false, ...lines, patch: PATCH_HEAD, cut: true };
  const lead = lastLines(from, head);
  const trail = firstLines(from, fromTail);
  const left = [...lead, ...linesOf(from.subarray(head, fromTail)), ...trail];
  const right = [...lead, ...linesOf(to.subarray(head, toTail)), ...trail];
  const changes = compare(left, right);
  const firstLine = countLines(from.subarray(0, head)) - lead.length;
  return {
    binary: false,
    added: sum(changes.added),
    removed: sum(changes.removed),
    ...unified(left, right, changes, firstLine),
  };
}

/** The whole lines that both begin with and both end with, as offsets of what is between them. */
function commonEnds(
  from: Buffer,
  to: Buffer,
): { readonly head: number; readonly fromTail: number; readonly toTail: number } {
  const shorter = Math.min(from.length, to.length);
  let same = 0;
  while (same < shorter && from[same] === to[same]) same += 1;
  const head = same === 0 ? 0 : from.lastIndexOf(NEWLINE, same - 1) + 1;
  let tail = 0;
  while (tail < shorter - head && from[from.length - 1 - tail] === to[to.length - 1 - tail])
    tail += 1;
  const beginsLine = (bytes: Buffer, place: number): boolean =>
    place === head || bytes[place - 1] === NEWLINE;
  if (!beginsLine(from, from.length - tail) || !beginsLine(to, to.length - tail)) {
    const newline = from.indexOf(NEWLINE, from.length - tail);
    tail = newline < 0 ? 0 : from.length - newline - 1;
  }
  return { head, fromTail: from.length - tail, toTail: to.length - tail };
}

function countLines(bytes: Buffer): number {
  let lines = 0;
  let next = 0;
  while (next < bytes.length) {
    const newline = bytes.indexOf(NEWLINE, next);
    lines += 1;
    if (newline < 0) break;
    next = newline + 1;
  }
  return lines;
}

/** The context before `end`, which begins a line. */
function lastLines(bytes: Buffer, end: number): string[] {
  let begin = end;
  for (let line = 0; line < CONTEXT_LINES && begin > 0; line += 1)
    begin = begin === 1 ? 0 : bytes.lastIndexOf(NEWLINE, begin - 2) + 1;
  return linesOf(bytes.subarray(begin, end));
}

/** The context from `begin` on. */
function firstLines(bytes: Buffer, begin: number): string[] {
  let end = begin;
  for (let line = 0; line < CONTEXT_LINES && end < bytes.length; line += 1) {
    const newline = bytes.indexOf(NEWLINE, end);
    end = newline < 0 ? bytes.length : newline + 1;
  }
  return linesOf(bytes.subarray(begin, end));
}

const sum = (flags: Uint8Array): number => flags.reduce((total, flag) => total + flag, 0);

function isBinary(content: Uint8Array): boolean {
  return content.subarray(0, BINARY_PROBE_BYTES).includes(0);
}

/** Lines with their ends. As bytes (latin1), so that text that is no valid UTF-8 is compared exactly too. */
function linesOf(bytes: Buffer): string[] {
  return bytes.toString("latin1").match(/[^\n]*\n|[^\n]+/g) ?? [];
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function compare(from: readonly string[], to: readonly string[]): Changes {
  const shorter = Math.min(from.length, to.length);
  let head = 0;
  while (head < shorter && from[head] === to[head]) head += 1;
  let tail = 0;
  while (tail < shorter - head && from.at(-1 - tail) === to.at(-1 - tail)) tail += 1;
  const changes = {
    removed: new Uint8Array(from.length).fill(1, head, from.length - tail),
    added: new Uint8Array(to.length).fill(1, head, to.length - tail),
  };
  const numbers = new Map<string, number>();
  const numbered = (lines: readonly string[]): Int32Array =>
    Int32Array.from(lines.slice(head, lines.length - tail), (line) => {
      const number = numbers.get(line) ?? numbers.size;
      numbers.set(line, number);
      return number;
    });
  for (const [x, y] of commonLines(numbered(from), numbered(to))) {
    changes.removed[head + x] = 0;
    changes.added[head + y] = 0;
  }
  return changes;
}

/**
 * Pairs of equal lines in a longest common subsequence: Myers, An O(ND) Difference Algorithm and Its Variations, Algorithmica 1 (1986),
 * figure 2. Nothing if more than CHANGES_MAX lines differ.
 */
function commonLines(a: Int32Array, b: Int32Array): [number, number][] {
  const limit = Math.min(a.length + b.length, CHANGES_MAX);
  const reach = new Int32Array(2 * limit + 3);
  const middle = limit + 1;
  const rounds: Int32Array[] = [];
  for (let d = 0; d <= limit; d += 1) {
    rounds.push(reach.slice(middle - d - 1, middle + d + 2));
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && at(reach, middle + k - 1) < at(reach, middle + k + 1));
      let x = down ? at(reach, middle + k + 1) : at(reach, middle + k - 1) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      reach[middle + k] = x;
      if (x >= a.length && x - k >= b.length) return walkBack(rounds, a.length, b.length);
    }
  }
  return [];
}

/** `rounds[d]` is how far each diagonal from -d - 1 to d + 1 had come before round d. */
function walkBack(rounds: readonly Int32Array[], endX: number, endY: number): [number, number][] {
  const pairs: [number, number][] = [];
  let x = endX;
  let y = endY;
  for (let d = rounds.length - 1; d >= 0; d -= 1) {
    const reach = rounds[d] ?? new Int32Array();
    const k = x - y;
    const left = at(reach, k + d);
    const right = at(reach, k + d + 2);
    const down = k === -d || (k !== d && left < right);
    const fromX = down ? right : left;
    const fromY = fromX - (down ? k + 1 : k - 1);
    const beginX = d === 0 ? 0 : down ? fromX : fromX + 1;
    for (; x > beginX; x -= 1, y -= 1) pairs.push([x - 1, y - 1]);
    if (d === 0) break;
    x = fromX;
    y = fromY;
  }
  return pairs;
}

const at = (numbers: Int32Array, index: number): number => numbers[index] ?? 0;

/** `firstLine` is how many lines of both come before these. */
function unified(
  from: readonly string[],
  to: readonly string[],
  changes: Changes,
  firstLine: number,
): Pick<DiffSummary, "patch" | "cut"> {
  let patch = PATCH_HEAD;
  const done = { x: 0, y: 0 };
  for (;;) {
    const equal = equalLines(changes, done.x, done.y, from.length);
    if (done.x + equal >= from.length && done.y + equal >= to.length) return { patch, cut: false };
    const context = Math.min(CONTEXT_LINES, equal);
    const begin = { x: done.x + equal - context, y: done.y + equal - context };
    const hunk = hunkAt(from, to, changes, begin, PATCH_CHARS_MAX - patch.length);
    if (hunk === undefined) return { patch, cut: true };
    const ranges = `-${range(firstLine + begin.x, firstLine + hunk.x)} +${range(firstLine + begin.y, firstLine + hunk.y)}`;
    patch += `@@ ${ranges} @@\n${hunk.lines}`;
    [done.x, done.y] = [hunk.x, hunk.y];
  }
}

/** How many lines from here on have their partners: up to the next change, or the end. */
function equalLines({ removed, added }: Changes, x: number, y: number, end: number): number {
  let equal = 0;
  while (x + equal < end && removed[x + equal] === 0 && added[y + equal] === 0) equal += 1;
  return equal;
}

type Hunk = { readonly lines: string; readonly x: number; readonly y: number };

/** With the changes that are so near that their contexts meet. Undefined, before it is built, if it is too long. */
function hunkAt(
  from: readonly string[],
  to: readonly string[],
  changes: Changes,
  begin: { readonly x: number; readonly y: number },
  charsMax: number,
): Hunk | undefined {
  let { x, y } = begin;
  let lines = "";
  let left = charsMax - HUNK_HEAD_CHARS_MAX;
  const put = (mark: string, line = ""): boolean => {
    left -= line.length + 1;
    if (left >= 0) lines += patchLine(mark, line);
    return left >= 0;
  };
  for (let context = equalLines(changes, x, y, from.length); ;) {
    for (; context > 0; context -= 1, x += 1, y += 1) if (!put(" ", from[x])) return undefined;
    if (x >= from.length && y >= to.length) return { lines, x, y };
    if (changes.removed[x] !== 1 && changes.added[y] !== 1) return { lines, x, y };
    for (; changes.removed[x] === 1; x += 1) if (!put("-", from[x])) return undefined;
    for (; changes.added[y] === 1; y += 1) if (!put("+", to[y])) return undefined;
    const equal = equalLines(changes, x, y, from.length);
    const last = x + equal >= from.length && y + equal >= to.length;
    context = equal <= 2 * CONTEXT_LINES && !last ? equal : Math.min(CONTEXT_LINES, equal);
  }
}

/** An empty range names the line before it. */
function range(before: number, until: number): string {
  const length = until - before;
  return `${length === 0 ? before : before + 1},${length}`;
}

function patchLine(mark: string, latin1: string): string {
  const line = Buffer.from(latin1, "latin1").toString("utf8");
  return line.endsWith("\n") ? `${mark}${line}` : `${mark}${line}\n\\ No newline at end of file\n`;
}
