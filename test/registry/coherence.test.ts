/** The acceptance numbers of the caches' coherence in short: `npm run bench -- coherence` is the same for longer. */
import { expect, test } from "vitest";
import { run } from "../../bench/coherence.ts";
import { checkHistory } from "./coherence/history.ts";
import type { Read, Write } from "./coherence/history.ts";
import { usually } from "./coherence/scenarios.ts";

test(
  "no read is older than promised, whatever happens to Redis",
  { timeout: 180_000 },
  async () => {
    const { acceptance, rows } = await run({ tiny: true, dataDir: undefined });
    expect(acceptance.length).toBeGreaterThan(5);
    expect(
      acceptance.filter(({ ok }) => !ok),
      JSON.stringify([acceptance, rows], undefined, 1),
    ).toEqual([]);
  },
);

const write = (version: number, changes: Partial<Write> = {}): Write => {
  const startMs = version * 10_000;
  return { key: "k", version, process: 0, startMs, endMs: startMs + 10, ...changes };
};
const read = (version: number, startMs: number, changes: Partial<Read> = {}): Read => {
  return { key: "k", version, process: 0, request: "r", startMs, endMs: startMs + 5, ...changes };
};
const writes = [write(1), write(2), write(3, { endMs: Infinity })];
const found = (...reads: readonly Read[]): readonly string[] =>
  checkHistory({ writes, reads }, usually).violations.map(({ kind }) => kind);

test("the checker finds what is wrong, and only that", () => {
  // Before the answer either is right.
  expect(found(read(0, 10_009), read(1, 10_009, { request: "s" }))).toEqual([]);
  expect(found(read(0, 10_011))).toEqual(["too old"]);
  expect(found(read(0, 10_011, { process: 1 }))).toEqual([]);
  expect(found(read(0, 12_011, { process: 1 }))).toEqual(["too old"]);
  // Version 2 would have been in time, but version 1 is missing too.
  expect(found(read(0, 20_020, { process: 1 }))).toEqual(["too old"]);
  expect(found(read(1, 20_020, { process: 1 }))).toEqual([]);
  // A write that was never answered may show or not, but not before it was sent.
  expect(found(read(3, 30_000), read(2, 30_000, { request: "s" }))).toEqual([]);
  expect(found(read(3, 29_990))).toEqual(["never written"]);
  expect(found(read(4, 50_000))).toEqual(["never written"]);
});

const back = (...reads: readonly Read[]): number =>
  checkHistory({ writes, reads }, usually).wentBack;

test("the checker counts reads that went back", () => {
  const later = read(1, 20_030, { process: 1 });
  expect(back(read(2, 20_020, { process: 1 }), later)).toBe(1);
  expect(back(read(2, 20_020, { process: 1 }), { ...later, request: "s" })).toBe(0);
  expect(back(read(2, 20_020), later)).toBe(0);
  // These two overlap.
  expect(back(read(2, 20_028, { process: 1 }), later)).toBe(0);
});

test("the checker tells how old what it saw was", () => {
  const verdict = checkHistory(
    { writes, reads: [read(1, 20_500), read(0, 20_100, { process: 1 })] },
    () => Infinity,
  );
  expect(verdict).toMatchObject({ reads: 2, old: 2, ageMaxMs: 10_090, ageMaxOwnMs: 490 });
});
