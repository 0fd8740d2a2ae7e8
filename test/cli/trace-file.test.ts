import { createReadStream } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGunzip } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTraceBuilder } from "../../src/advise/cache/trace/builder.ts";
import { readTrace } from "../../src/advise/cache/trace/read.ts";
import { EXPIRE, LOAD } from "../../src/advise/cache/trace/rows.ts";
import { saveTrace } from "../../src/cli/trace-file.ts";
import { DELETE, GET, SET, WRITE, type CacheTrace } from "../../src/core/cache-trace.ts";
import { traceOf, type TraceRow } from "../advise/cache/traces.ts";
import { neverAborted } from "../integration/stores.ts";
import * as fc from "../properties.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "perfopt-trace-file-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const progress = { say: () => {}, print: () => {}, show: () => {}, stop: () => {} };

async function saved(
  trace: CacheTrace,
  name = "t.csv",
  signal = neverAborted,
): Promise<CacheTrace> {
  await saveTrace({ directory, signal }, name, trace, progress);
  const file = createReadStream(join(directory, name));
  return readTrace(name.endsWith(".gz") ? file.pipe(createGunzip()) : file, name);
}

/** All that a trace says, keys and processes by order of appearance; a column without any entry is none. */
function contentOf(trace: CacheTrace) {
  const keys = numbered(trace.key);
  const processes = numbered(trace.process ?? new Uint8Array(trace.rows));
  const { sampledShare, getsOfAll } = trace;
  const rows = Array.from(trace.key, (key, row) => ({
    atMs: Math.round((trace.timeMs[row] ?? 0) * 1_000) / 1_000,
    key: keys.get(key),
    operation: trace.operation[row],
    bytes: trace.valueBytes[row],
    ttlMs: trace.ttlMs?.[row] ?? 0,
    costMs: trace.costMs?.[row] ?? 0,
    outcome: trace.outcome?.[row] ?? 0,
    process: processes.get(trace.process?.[row] ?? 0),
    prefix: trace.prefixes[trace.prefixOf[key] ?? 0],
    keyBytes: trace.keyBytes[key],
  }));
  return { sampledShare, getsOfAll, columns: columnsOf(trace), rows };
}

/** Which of those that may be absent are there. */
function columnsOf({ ttlMs, costMs, outcome }: CacheTrace) {
  return [ttlMs, costMs, outcome].map((column) => column?.some((each) => each > 0) ?? false);
}

function numbered(values: Iterable<number>): ReadonlyMap<number, number> {
  return new Map([...new Set(values)].map((value, place) => [value, place]));
}

const keys = fc.constantFrom("a:1", "a:2", "b:1", "b:2", "c");
const gaps = fc.constantFrom(0, 0.125, 20, 900, 5_000, 59_999, 70_000);
const bytes = fc.constantFrom(0, 1, 700, 2 ** 32 - 1);
const ttls = fc.constantFrom(0, 1, 60_000, 2 ** 32 - 2);
const costs = fc.constantFrom(0, 0.25, 3.1, 18.523, 12_345.678);
const facts = fc.record(
  { sampledShare: fc.constantFrom(1, 0.1, 1 / 3, 1e-7), getsOfAll: fc.nat(1e9) },
  { requiredKeys: ["sampledShare"] },
);

/** Any finished trace, whether or not a reader would ever make it. */
const finished = fc
  .record({
    rows: fc.array(
      fc.record({
        gap: gaps,
        key: keys,
        op: fc.constantFrom("get", "get", "set", "delete", "write"),
        bytes,
        ttl: ttls,
        cost: costs,
        process: fc.nat(3),
        outcome: fc.constantFrom("hit", "miss"),
      }),
      { minLength: 1, maxLength: 30 },
    ),
    outcomes: fc.boolean(),
    lives: fc.boolean(),
    facts,
  })
  .map(({ rows, outcomes, lives, facts: changes }) => {
    let at = 0;
    const made = rows.map(({ gap, ttl, outcome, ...row }, index): TraceRow => {
      at += index === 0 ? 0 : gap;
      const stored = row.op === "get" || row.op === "set";
      return {
        ...row,
        at,
        ...(lives ? { ttl: stored ? ttl : 0 } : {}),
        ...(outcomes && row.op === "get" ? { outcome } : {}),
      };
    });
    const trace = traceOf(made, changes);
    // Only gets have one.
    if (trace.outcome)
      made.forEach(({ op }, row) => op !== "get" && trace.outcome?.fill(0, row, row + 1));
    return trace;
  });

/** What the builder makes of rows as they are captured: misses, loads, stores, times to live. */
const captured = fc
  .record({
    rows: fc.array(
      fc.record({
        gap: gaps,
        keyText: keys,
        operation: fc.constantFrom(GET, GET, SET, LOAD, EXPIRE, DELETE, WRITE),
        valueBytes: bytes,
        ttlMs: fc.option(ttls, { nil: undefined }),
        outcome: fc.nat(2),
      }),
      { minLength: 1, maxLength: 40 },
    ),
    outcomes: fc.boolean(),
    facts,
  })
  .map(({ rows, outcomes, facts: told }) => {
    const builder = createTraceBuilder("captured");
    let timeMs = 1_700_000_000_000;
    builder.add({ timeMs, keyText: "first", operation: GET, valueBytes: 3 });
    for (const { gap, outcome, ...row } of rows) {
      timeMs += gap;
      builder.add({ ...row, timeMs, outcome: outcomes ? outcome : undefined });
    }
    return builder.finish(told);
  });

describe("a trace that was kept is read as what it was", () => {
  test.each([
    ["finished", finished],
    ["captured", captured],
  ])("%s", async (_, traces) => {
    await fc.assert(
      fc.asyncProperty(traces, async (trace) => {
        expect(contentOf(await saved(trace))).toEqual(contentOf(trace));
      }),
      { numRuns: 150 },
    );
  });

  test("a store soon after a miss stays a store, with outcomes and without", async () => {
    const rows = [
      { at: 0, key: "a:1", bytes: 5, ttl: 100 },
      { at: 10, key: "a:1", op: "set", bytes: 9, ttl: 0 },
    ] as const;
    for (const outcome of [{}, { outcome: "miss" }] as const) {
      const read = await saved(
        traceOf(rows.map((row, index) => (index === 0 ? { ...row, ...outcome } : row))),
      );
      expect([read.rows, ...read.valueBytes, ...(read.ttlMs ?? [])]).toEqual([2, 5, 9, 100, 0]);
    }
  });

  test("packed, with prefixes of any characters, several chunks of rows, and no names of keys", async () => {
    const prefixes = ['a,"b"', "c\\", '\\",', "d\ne\u001b[1m", "ä #", ""];
    const trace = traceOf(
      Array.from({ length: 9_000 }, (_, row) => ({ at: row, key: `secret${row % 6}` })),
      { prefixes, prefixOf: Uint16Array.from([0, 1, 2, 3, 4, 5]) },
    );
    const read = await saved(trace, "t.csv.gz");
    expect(read.rows).toBe(9_000);
    expect(Array.from(read.prefixOf, (number) => read.prefixes[number])).toEqual([
      'a,"b"',
      "c\\",
      '\\",',
      "d_e_[1m",
      "ä #",
      "",
    ]);
    await saved(trace);
    expect(await readFile(join(directory, "t.csv"), "utf8")).not.toContain("secret");
  });
});

test("an interruption is one, a folder that is not there is the user's to correct", async () => {
  const trace = traceOf([{ at: 0, key: "a" }]);
  await expect(saved(trace, "t.csv", AbortSignal.abort())).rejects.toMatchObject({
    code: "interrupted",
  });
  await expect(saved(trace, "nowhere/t.csv")).rejects.toMatchObject({
    code: "bad-input",
    message: expect.stringContaining("--save-trace nowhere/t.csv could not be written"),
  });
});
