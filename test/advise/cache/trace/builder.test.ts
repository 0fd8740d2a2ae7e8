import { describe, expect, test } from "vitest";
import {
  cacheOperations,
  DELETE,
  GET,
  OUTCOME_HIT,
  OUTCOME_MISS,
  SET,
  WRITE,
  type CacheTrace,
} from "../../../../src/core/cache-trace.ts";
import {
  createTraceBuilder,
  type TraceFactsOfSource,
} from "../../../../src/advise/cache/trace/builder.ts";
import {
  createKeyTable,
  hashBytes,
  hashText,
} from "../../../../src/advise/cache/trace/key-table.ts";
import { prefixOfKey } from "../../../../src/advise/cache/trace/prefix.ts";
import { EXPIRE, LOAD, type TraceRow } from "../../../../src/advise/cache/trace/rows.ts";

type Row = readonly [at: number, operation: number, key: string, more?: Partial<TraceRow>];

function build(rows: readonly Row[], facts: TraceFactsOfSource = {}): CacheTrace {
  const builder = createTraceBuilder("a test");
  for (const [timeMs, operation, keyText, more] of rows) {
    builder.add({ timeMs, operation, keyText, valueBytes: 0, ...more });
  }
  return builder.finish(facts);
}

function rowsOf(trace: CacheTrace): readonly string[] {
  return Array.from(trace.key, (key, row) =>
    [
      trace.timeMs[row],
      cacheOperations[trace.operation[row] ?? 0],
      key,
      trace.valueBytes[row],
      trace.ttlMs?.[row] ?? "-",
    ].join(" "),
  );
}

const store = (at: number, key: string, ttlMs: number): Row => [at, SET, key, { ttlMs }];
const miss = { outcome: OUTCOME_MISS };
const hit = { outcome: OUTCOME_HIT };

describe("a store that follows a miss", () => {
  test("is part of its get, with size, time to live and cost", () => {
    const trace = build([
      [100, GET, "a", miss],
      [112.5, LOAD, "a", { valueBytes: 50, ttlMs: 1_000 }],
      [120, GET, "a", { ...hit, valueBytes: 50 }],
      [130, GET, "b", miss],
      [140, SET, "b", { valueBytes: 7, ttlMs: 0, costMs: 3 }],
    ]);
    expect(rowsOf(trace)).toEqual(["0 get 0 50 1000", "20 get 0 50 1000", "30 get 1 7 0"]);
    expect(Array.from(trace.costMs ?? [])).toEqual([12.5, 12.5, 3]);
    expect(Array.from(trace.outcome ?? [])).toEqual([OUTCOME_MISS, OUTCOME_HIT, OUTCOME_MISS]);
  });

  test("belongs to the first of several misses", () => {
    const trace = build([
      [0, GET, "a", miss],
      [5, GET, "a", miss],
      [10, LOAD, "a", { valueBytes: 50 }],
      [11, LOAD, "a", { valueBytes: 50 }],
    ]);
    // The second load of the same misses is no change.
    expect(rowsOf(trace)).toEqual(["0 get 0 50 -", "5 get 0 50 -"]);
    expect(trace.costMs?.[0]).toBe(10);
  });

  test("is a store of its own when it comes a minute later, after a hit, or after a delete", () => {
    const trace = build([
      [0, GET, "late", miss],
      [61_000, SET, "late", { valueBytes: 1 }],
      [61_001, GET, "hit", hit],
      [61_002, SET, "hit", { valueBytes: 2 }],
      [61_003, GET, "gone", miss],
      [61_004, DELETE, "gone"],
      [61_005, SET, "gone", { valueBytes: 3 }],
    ]);
    expect(rowsOf(trace).map((row) => row.split(" ")[1])).toEqual([
      "get",
      "set",
      "get",
      "set",
      "get",
      "delete",
      "set",
    ]);
  });

  test("without outcomes, follows a get of a key that an unbounded cache would not have", () => {
    const trace = build([
      [0, GET, "a"],
      [10, SET, "a", { valueBytes: 5, ttlMs: 100 }],
      [50, GET, "a"],
      [60, SET, "a", { valueBytes: 6, ttlMs: 100 }],
      [200, GET, "a"],
      [210, SET, "a", { valueBytes: 7, ttlMs: 100 }],
      [220, DELETE, "a"],
      [230, GET, "a"],
      [240, SET, "a", { valueBytes: 8, ttlMs: 100 }],
    ]);
    expect(rowsOf(trace)).toEqual([
      "0 get 0 5 100",
      "50 get 0 5 100",
      "60 set 0 6 100",
      "200 get 0 7 100",
      "220 delete 0 0 0",
      "230 get 0 8 100",
    ]);
  });

  test("where every command is shown, says which gets missed, whatever was there before", () => {
    const trace = build(
      [
        [0, GET, "held", { valueBytes: 9 }],
        [10, GET, "loaded"],
        [15, SET, "loaded", { valueBytes: 5, ttlMs: 100 }],
        [20, GET, "loaded"],
        [5_000, GET, "held"],
        [5_010, SET, "held", { valueBytes: 9, ttlMs: 100 }],
        [5_020, GET, "absent"],
      ],
      { storesShown: true },
    );
    expect([...(trace.outcome ?? [])]).toEqual([1, 2, 1, 2, 0]);
    expect(trace.costMs?.[3]).toBe(10);
  });

  test("gives its size and time to live to gets before it too, when nothing else is known", () => {
    const trace = build([
      [0, GET, "a", hit],
      [1, GET, "a", { ...hit, valueBytes: 30 }],
      [2, DELETE, "a"],
      [3, GET, "a", miss],
      [4, LOAD, "a", { valueBytes: 40, ttlMs: 9 }],
    ]);
    expect(rowsOf(trace)).toEqual([
      "0 get 0 30 9",
      "1 get 0 30 9",
      "2 delete 0 0 0",
      "3 get 0 40 9",
    ]);
  });
});

test("writes stay writes, and what is known of a key outlives them", () => {
  const trace = build([
    [0, GET, "a", miss],
    [1, WRITE, "a"],
    [2, LOAD, "a", { valueBytes: 5 }],
    [3, WRITE, "a"],
    [4, GET, "a", hit],
  ]);
  expect(rowsOf(trace)).toEqual(["0 get 0 5 -", "1 write 0 0 -", "3 write 0 0 -", "4 get 0 5 -"]);
});

describe("a new time to live", () => {
  test("belongs to the store just before it, and is a store of its own later", () => {
    const trace = build([
      [0, SET, "a", { valueBytes: 5 }],
      [1, EXPIRE, "a", { ttlMs: 500 }],
      [5_000, EXPIRE, "a", { ttlMs: 600 }],
      [5_001, GET, "a", hit],
      [5_002, EXPIRE, "never seen", { ttlMs: 600 }],
    ]);
    expect(rowsOf(trace)).toEqual(["0 set 0 5 500", "5000 set 0 5 600", "5001 get 0 5 600"]);
  });

  test("that is not known of a key is the median of its prefix, and that is said", () => {
    const trace = build([
      store(0, "x:1", 10),
      store(1, "x:2", 20),
      store(2, "x:3", 20),
      store(3, "y:1", 70),
      [4, GET, "x:9", hit],
    ]);
    expect(trace.ttlMs?.[4]).toBe(20);
    expect(trace.caveats?.join()).toMatch(/The time to live of 1 row is not known/);
  });
});

test("rows out of order are sorted, rows of one moment keep their order", () => {
  const trace = build([
    [30, GET, "c"],
    [10, GET, "a"],
    [10, DELETE, "a"],
    [10, SET, "a", { valueBytes: 4, process: 900, ttlMs: 5, costMs: 2 }],
    [20, GET, "b", { process: 800 }],
  ]);
  expect(rowsOf(trace)).toEqual([
    "0 get 1 4 5",
    "0 delete 1 0 0",
    "0 set 1 4 5",
    "10 get 2 0 5",
    "20 get 0 0 5",
  ]);
  expect(Array.from(trace.process ?? [])).toEqual([0, 0, 0, 1, 0]);
  expect(trace.processes).toBe(2);
});

test("columns grow, and keys of ten thousands of rows keep their numbers", () => {
  const rows = 200_000;
  const builder = createTraceBuilder("a test");
  for (let row = 0; row < rows; row += 1) {
    const ttl = row > 100_000 ? { ttlMs: 5 } : {};
    builder.add({
      timeMs: row,
      operation: SET,
      keyText: `k:${row % 70_001}`,
      valueBytes: row,
      ...ttl,
    });
  }
  const trace = builder.finish();
  expect(trace.rows).toBe(rows);
  expect(trace.keyCount).toBe(70_001);
  expect(trace.key[150_000]).toBe(150_000 - 2 * 70_001);
  expect(trace.valueBytes[150_000]).toBe(150_000);
  expect([trace.ttlMs?.[99_999], trace.ttlMs?.[100_001]]).toEqual([0, 5]);
  expect(trace.keyBytes.length).toBe(70_001);
  expect(trace.prefixOf.every((each) => trace.prefixes[each] === "k")).toBe(true);
});

describe("hashes of keys", () => {
  test("are the same for a text and its bytes, and other for another seed", () => {
    const bytes = new TextEncoder().encode("..schlüssel:1");
    const [a, b, c] = [1, 2, 3].map(() => ({ hashHigh: 0, hashLow: 0 }));
    if (!a || !b || !c) throw new Error("three were made");
    hashBytes(a, bytes, 2, bytes.length);
    hashText(b, "schlüssel:1");
    hashText(c, "schlüssel:1", 1);
    expect(a).toEqual(b);
    expect(c).not.toEqual(b);
  });

  test("do not meet among a million keys that differ by little, and spread evenly", () => {
    const keys = 1_000_000;
    const table = createKeyTable();
    const target = { hashHigh: 0, hashLow: 0 };
    const parts = new Uint32Array(64);
    for (let key = 0; key < keys; key += 1) {
      hashText(target, `m:${key}`);
      parts[(target.hashHigh >>> 26) & 63] = (parts[(target.hashHigh >>> 26) & 63] ?? 0) + 1;
      if (table.idOf(target.hashHigh, target.hashLow) !== key) throw new Error(`m:${key} collides`);
    }
    expect(table.size()).toBe(keys);
    expect(table.find(1, 2)).toBe(-1);
    hashText(target, "m:77");
    expect(table.find(target.hashHigh, target.hashLow)).toBe(77);
    // Chi-squared with 63 degrees of freedom: above 113 once in 10,000.
    const expected = keys / 64;
    const chi = parts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(chi).toBeLessThan(113);
  });
});

test.each([
  ["models/get:42:v1", "models/get"],
  ["api/v2/users/7", "api/v2/users"],
  ["session:9f86d081884c7d65", "session"],
  ["a.b-c:1", "a.b-c"],
  ["user:alice", "user"],
  ["alice", ""],
  ["42:models", ""],
  ["cache:deadbeefcafe:x", "cache"],
  ["cache:aVeryLongTokenWithoutAnyDigits:x", "cache"],
  ["{slot}:users:1", ""],
  ["", ""],
])("the prefix of %s is %j", (key, prefix) => {
  expect(prefixOfKey(key)).toBe(prefix);
});
