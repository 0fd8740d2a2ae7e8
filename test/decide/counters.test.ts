import { describe, expect, test } from "vitest";
import type { EndpointCounters, Replay } from "../../src/core/replay.ts";
import { judgeCounters } from "../../src/decide/counters.ts";
import { randomFrom } from "../noise.ts";

const REQUESTS = 50;
const PLAIN: EndpointCounters = {
  endpoint: "GET /x",
  requests: REQUESTS,
  errors: 0,
  responseBytes: 50_000,
  statements: [
    { sql: "select a", calls: 50, rows: 500, buffers: 2_000 },
    { sql: "select b", calls: 50, rows: 50, buffers: 150 },
  ],
  redisCommands: { get: 100, set: 10 },
};

function replay(changes: Partial<EndpointCounters> = {}, unmeasured: string[] = []): Replay {
  return { endpoints: [{ ...PLAIN, ...changes }], unmeasured };
}

/** A statement with so many calls, beside the usual two. */
function withExtra(calls: number, sql = "select extra"): Partial<EndpointCounters> {
  return { statements: [...PLAIN.statements!, { sql, calls, rows: 0, buffers: 0 }] };
}

const replays = (...calls: number[]) => calls.map((each) => replay(withExtra(each)));
const twice = (changes: Partial<EndpointCounters> = {}) => [replay(changes), replay(changes)];

describe("counters of both sides", () => {
  test("that agree pass", () => {
    expect(judgeCounters(twice(), twice())).toEqual({
      verdict: "pass",
      findings: [],
      endpoints: 1,
      requests: REQUESTS,
      unmeasured: [],
      detail: "No counter grew (1 endpoints, 50 requests a replay, 2 replays a side).",
    });
  });

  test("name the statement that is new, and how often a request sends it", () => {
    const { verdict, findings } = judgeCounters(twice(), twice(withExtra(50)));
    expect(verdict).toBe("fail");
    expect(findings).toEqual([
      {
        counter: "statements",
        endpoint: "GET /x",
        subject: "select extra",
        base: 2,
        head: 3,
        kind: "regression",
        detail:
          "GET /x: 1.00 more SQL statements a request (2.00 -> 3.00): select extra 0.00 -> 1.00.",
      },
    ]);
  });

  test("do not mind a statement that another replaces", () => {
    const rewritten = PLAIN.statements!.map((each) => ({ ...each, sql: `${each.sql} as t0` }));
    expect(judgeCounters(twice(), twice({ statements: rewritten })).findings).toEqual([]);
  });

  test.each<[string, Partial<EndpointCounters>, string]>([
    ["errors", { errors: 1 }, "errors"],
    ["Redis commands", { redisCommands: { get: 150, set: 10 } }, "redis-commands"],
    ["bytes", { responseBytes: 52_000 }, "response-bytes"],
    [
      "rows",
      { statements: [{ ...PLAIN.statements![0]!, rows: 600 }, PLAIN.statements![1]!] },
      "rows",
    ],
    [
      "buffers",
      { statements: [{ ...PLAIN.statements![0]!, buffers: 9_000 }, PLAIN.statements![1]!] },
      "buffers",
    ],
  ])("see more %s, and tell when there are fewer", (_, changes, counter) => {
    expect(judgeCounters(twice(), twice(changes))).toMatchObject({
      verdict: "fail",
      findings: [{ counter, kind: "regression" }],
    });
    expect(judgeCounters(twice(changes), twice())).toMatchObject({
      verdict: "pass",
      findings: [{ counter, kind: "improvement" }],
    });
  });

  test.each<[string, Partial<EndpointCounters>]>([
    ["ids with a digit more", { responseBytes: 50_000 + REQUESTS * 5 }],
    ["a stray statement or two", withExtra(2)],
    [
      "1 % more blocks",
      { statements: [{ ...PLAIN.statements![0]!, buffers: 2_015 }, PLAIN.statements![1]!] },
    ],
  ])("tolerate %s", (_, changes) => {
    expect(judgeCounters(twice(), twice(changes)).findings).toEqual([]);
  });

  test("are compared request by request when sides sent different numbers", () => {
    const double = {
      requests: 100,
      responseBytes: 100_000,
      statements: PLAIN.statements!.map((each) => ({
        ...each,
        calls: each.calls * 2,
        rows: each.rows * 2,
        buffers: each.buffers * 2,
      })),
      redisCommands: { get: 200, set: 20 },
    };
    expect(judgeCounters(twice(), twice(double)).findings).toEqual([]);
  });

  test("list the gravest first", () => {
    const worse = { ...withExtra(50), errors: 5, redisCommands: { get: 1_000, set: 10 } };
    const { findings } = judgeCounters(twice(), twice(worse));
    expect(findings.map(({ counter }) => counter)).toEqual([
      "errors",
      "statements",
      "redis-commands",
    ]);
  });
});

describe("a counter that differs between replays of one side", () => {
  test("is noise when the other side differs no more", () => {
    const { verdict, findings } = judgeCounters(replays(10, 30), replays(20, 45));
    expect(verdict).toBe("pass");
    expect(findings).toMatchObject([{ kind: "noise", counter: "statements" }]);
    expect(findings[0]!.detail).toContain("(2.20, 2.60 in the base, 2.40, 2.90 in the head)");
  });

  test("grew when replays of the same requests differ alike", () => {
    expect(judgeCounters(replays(10, 30, 20), replays(60, 80, 71)).verdict).toBe("fail");
    expect(judgeCounters(replays(10, 30), replays(60, 80)).verdict).toBe("fail");
    // Two replays that only nearly agree may be chance; three may not.
    expect(judgeCounters(replays(60, 80), replays(75, 96)).verdict).toBe("pass");
  });

  test("grew when the sides lie far apart, or one is a multiple of the other", () => {
    expect(judgeCounters(replays(10, 12), replays(60, 65)).verdict).toBe("fail");
    expect(judgeCounters(replays(0, 0), replays(300, 900)).verdict).toBe("fail");
  });

  test("is noise when the head grows in one replay and not in the other", () => {
    expect(judgeCounters(replays(0, 0), replays(0, 50))).toMatchObject({
      verdict: "pass",
      findings: [{ kind: "noise" }],
    });
  });

  test("fails unchanged code less than once in 200 gates with 3 replays a side", () => {
    const random = randomFrom(3);
    const runs = 2_000;
    const some = () =>
      replays(...[0, 0, 0].map(() => Math.max(0, Math.round(20 + 6 * random.normal()))));
    let fails = 0;
    for (let run = 0; run < runs; run += 1) {
      fails += Number(judgeCounters(some(), some()).verdict === "fail");
    }
    expect(fails / runs).toBeLessThan(0.005);
  });
});

describe("what could not be counted", () => {
  test("on neither side is told and not missed", () => {
    const { statements: _, redisCommands: __, ...rest } = PLAIN;
    const bare: Replay = { endpoints: [rest], unmeasured: ["Redis: there is none"] };
    expect(judgeCounters([bare, bare], [bare, bare])).toMatchObject({
      verdict: "pass",
      unmeasured: ["Redis: there is none"],
    });
  });

  test("on one side is invalid, and not a pass", () => {
    const { statements: _, ...rest } = PLAIN;
    const blind: Replay = { endpoints: [rest], unmeasured: [] };
    const found = judgeCounters(twice(), [blind, blind]);
    expect(found.verdict).toBe("invalid");
    expect(found.detail).toContain("statements of GET /x in 2 of 4 replays were not counted");
    // What did grow is proven all the same.
    const worse: Replay = { endpoints: [{ ...rest, errors: 9 }], unmeasured: [] };
    expect(judgeCounters(twice(), [worse, worse]).verdict).toBe("fail");
  });

  test.each([
    ["no replays", [], []],
    ["one replay a side", [replay()], [replay(withExtra(500))]],
    ["more replays of one side", twice(), [replay()]],
    [
      "no endpoints",
      [
        { endpoints: [], unmeasured: [] },
        { endpoints: [], unmeasured: [] },
      ],
      [
        { endpoints: [], unmeasured: [] },
        { endpoints: [], unmeasured: [] },
      ],
    ],
  ])("%s: invalid", (_, base, head) => {
    expect(judgeCounters(base, head)).toMatchObject({ verdict: "invalid", findings: [] });
  });
});
