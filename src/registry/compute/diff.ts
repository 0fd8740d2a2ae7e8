// Compares two texts line by line: the fewest lines removed and added, as a patch in unified form.

import type { DiffSummary } from "./compute.ts";

// Git's rule: a zero byte near the beginning means that it is no text.
const BINARY_PROBE_BYTES = 8_000;
const CONTEXT_LINES = 3;
const PATCH_CHARS_MAX = 64 * 1024;
// Beyond so many changes the search's work and memory (both its square) are not worth the last few lines.
const CHANGES_MAX = 2_000;

/** Which lines of each side have no partner on the other. */
type Changes = { readonly removed: Uint8Array; readonly added: Uint8Array };

/** Above CHANGES_MAX changes everything between the first and the last change counts as replaced: right, but not the least. */
export function diffContents(before: Uint8Array, after: Uint8Array): DiffSummary {
  if (isBinary(before) || isBinary(after))
    return { binary: true, added: 0, removed: 0, patch: "", cut: false };
  const from = linesOf(before);
  const to = linesOf(after);
  const changes = compare(from, to);
  const added = sum(changes.added);
  const removed = sum(changes.removed);
  return { binary: false, added, removed, ...unified(from, to, changes) };
}

const sum = (flags: Uint8Array): number => flags.reduce((total, flag) => total + flag, 0);

function isBinary(content: Uint8Array): boolean {
  return content.subarray(0, BINARY_PROBE_BYTES).includes(0);
}

/** Lines with their ends. As bytes (latin1), so that text that is no valid UTF-8 is compared exactly too. */
function linesOf(content: Uint8Array): string[] {
  const { buffer, byteOffset, byteLength } = content;
  return (
    Buffer.from(buffer, byteOffset, byteLength)
      .toString("latin1")
      .match(/[^\n]*\n|[^\n]+/g) ?? []
  );
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

type Step = { readonly mark: " " | "-" | "+"; readonly line: string };

function unified(
  from: readonly string[],
  to: readonly string[],
  { removed, added }: Changes,
): Pick<DiffSummary, "patch" | "cut"> {
  const steps: Step[] = [];
  const changed: number[] = [];
  for (let x = 0, y = 0; x < from.length || y < to.length;) {
    const mark = removed[x] === 1 ? "-" : added[y] === 1 ? "+" : " ";
    if (mark !== " ") changed.push(steps.length);
    steps.push({ mark, line: (mark === "+" ? to[y] : from[x]) ?? "" });
    if (mark !== "+") x += 1;
    if (mark !== "-") y += 1;
  }
  return hunksOf(steps, changed);
}

function hunksOf(
  steps: readonly Step[],
  changed: readonly number[],
): Pick<DiffSummary, "patch" | "cut"> {
  let patch = changed.length === 0 ? "" : "--- before\n+++ after\n";
  const counted = { position: 0, from: 0, to: 0 };
  for (let next = 0; next < changed.length;) {
    let last = next;
    while ((changed[last + 1] ?? Infinity) - (changed[last] ?? 0) <= 2 * CONTEXT_LINES) last += 1;
    const begin = Math.max(0, (changed[next] ?? 0) - CONTEXT_LINES);
    const end = Math.min(steps.length, (changed[last] ?? 0) + CONTEXT_LINES + 1);
    for (; counted.position < begin; counted.position += 1) count(counted, steps[counted.position]);
    const before = { ...counted };
    let lines = "";
    for (; counted.position < end; counted.position += 1) {
      const step = steps[counted.position];
      count(counted, step);
      lines += patchLine(step);
    }
    const hunk = `@@ -${range(before.from, counted.from)} +${range(before.to, counted.to)} @@\n${lines}`;
    if (patch.length + hunk.length > PATCH_CHARS_MAX) return { patch, cut: true };
    patch += hunk;
    next = last + 1;
  }
  return { patch, cut: false };
}

function count(counted: { from: number; to: number }, step: Step | undefined): void {
  if (step?.mark !== "+") counted.from += 1;
  if (step?.mark !== "-") counted.to += 1;
}

/** An empty range names the line before it. */
function range(before: number, until: number): string {
  const length = until - before;
  return `${length === 0 ? before : before + 1},${length}`;
}

function patchLine(step: Step | undefined): string {
  if (step === undefined) return "";
  const line = Buffer.from(step.line, "latin1").toString("utf8");
  return line.endsWith("\n")
    ? `${step.mark}${line}`
    : `${step.mark}${line}\n\\ No newline at end of file\n`;
}
