/** The pool advisor: which size it chooses of a sweep, what it leaves out, what bounds it, and what it says of all that. */
import { describe, expect, test } from "vitest";
import { advisePool, type PoolQuestion } from "../../../../src/advise/concurrency/pool/advise.ts";
import { deadlockFloor, serverLimit } from "../../../../src/advise/concurrency/pool/limits.ts";
import type { PoolMeasurement } from "../../../../src/core/pool-advice.ts";
import { measurementsOf, readOnly, simpleUpdate } from "./sweeps.ts";

function ask(measurements: readonly PoolMeasurement[], question: Partial<PoolQuestion> = {}) {
  return advisePool({
    source: "a sweep",
    subject: "pool",
    measurements,
    seed: 42,
    caveats: [],
    ...question,
  });
}

/** One connection is waited for below 8, and the database works on what it has. */
function insideAt(size: number) {
  return {
    waitMs: size < 8 ? 12 : 0.01,
    inUse: Math.min(size, 7),
    executing: 2,
    dbCores: 1.2,
    serviceCores: 0.7,
  };
}

describe("the choice", () => {
  test("is the smallest within 2 % of the best measured, and the formula is shown as one", () => {
    const read = ask(measurementsOf(readOnly), { cores: 2 });
    expect(read).toMatchObject({ verdict: "sized", recommended: 8, best: 8 });
    expect(read.formulas[0]).toMatchObject({ size: 5, share: { how: "fitted" } });
    const update = ask(measurementsOf(simpleUpdate), { cores: 2 });
    // 64 was the best; 32 reached 98.6 % of it.
    expect(update).toMatchObject({ verdict: "sized", recommended: 32, best: 64 });
    expect(update.formulas[0]?.share?.value).toBeLessThan(0.5);
  });

  test("says with numbers why smaller and larger ones lost, and what sigma and kappa mean", () => {
    const reasons = ask(measurementsOf(readOnly), { cores: 2 }).reasons.join("\n");
    expect(reasons).toMatch(/4 is too small: 90\.9 % of the best/);
    expect(reasons).toMatch(/100 loses 45\.6 % of throughput/);
    expect(reasons).toMatch(/sigma 0\.470: 47\.0 % of the work is done one at a time/);
    expect(reasons).toMatch(/kappa 0\.00556.*at 100, \d.* goes into that/);
  });

  test("names waits, busy cores and tails where they were measured", () => {
    const measured = measurementsOf(readOnly).map((each) => ({
      ...each,
      responseMs: 20,
      latencyP99Ms: 10 + each.size,
      inside: insideAt(each.size),
    }));
    const reasons = ask(measured, { cores: 2 }).reasons.join("\n");
    expect(reasons).toMatch(/waited for 12\.0 ms \(mean response 20\.0 ms\), with 8 not at all/);
    expect(reasons).toMatch(/p99 18\.0 ms with 8 and 110 ms with 100/);
    expect(reasons).toMatch(/7\.00 connections in use, 2\.00 of them executing.*no core is free/);
  });

  test("of repeated measurements is by their medians", () => {
    const three = [0.95, 1, 1.15].flatMap((factor) =>
      measurementsOf(readOnly).map((each) => ({ ...each, throughput: each.throughput * factor })),
    );
    const { points, recommended } = ask(three);
    expect(recommended).toBe(8);
    expect(points[3]).toMatchObject({ measurements: 3, throughput: 17_399, shareOfBest: 1 });
  });

  test.each([
    ["still rising at its largest size", readOnly.slice(0, 4), /17399|largest size measured \(8\)/],
    ["best at its smallest size", readOnly.slice(3), /smallest size measured \(8\)/],
  ])("a sweep that is %s says that it ended too early", (_, points, words) => {
    const advice = ask(measurementsOf(points));
    expect(advice.verdict).toBe("edge");
    expect(advice.caveats.join("\n")).toMatch(words);
  });

  test("with few sizes is shown, and called unclear", () => {
    const advice = ask(measurementsOf(readOnly.slice(2, 5)));
    expect(advice).toMatchObject({ verdict: "unclear", fit: { kind: "too-few-points" } });
    expect(advice.recommended).toBeUndefined();
    expect(advice.headline).toMatch(/^no size can be recommended: only 3 sizes could be used/);
    expect(advice.headline).not.toMatch(/8 connections/);
  });
});

describe("what bounds a pool", () => {
  test("the deadlock floor of HikariCP's wiki", () => {
    expect(deadlockFloor(3, 4).size).toBe(10);
    expect(deadlockFloor(8, 3).size).toBe(17);
    expect(deadlockFloor(100, 1).size).toBe(1);
  });

  test("what the server leaves to each of several pools", () => {
    const server = { maxConnections: 100, reserved: 3, others: 7, processes: 4, copies: 2 };
    expect(serverLimit(server).size).toBe(11);
    expect(serverLimit({ ...server, others: 500 }).size).toBe(0);
  });

  test("holds the choice from below and from above", () => {
    const floor = ask(measurementsOf(readOnly), { deadlock: { threads: 10, connectionsEach: 2 } });
    expect(floor).toMatchObject({ recommended: 16, best: 8, floor: { size: 11 } });
    expect(floor.reasons.join("\n")).toContain("10 x (2 - 1) + 1 = 11");
    const server = { maxConnections: 13, reserved: 3, others: 0, processes: 2, copies: 1 };
    const limit = ask(measurementsOf(readOnly), { server });
    expect(limit).toMatchObject({ recommended: 4, limit: { size: 5 } });
  });

  test("decides in words and numbers where throughput would choose another size", () => {
    const server = { maxConnections: 13, reserved: 3, others: 0, processes: 2, copies: 1 };
    const limit = ask(measurementsOf(readOnly), { server });
    expect(limit).toMatchObject({
      verdict: "bounded",
      bound: { by: "server-limit", size: 5, unbounded: 8, costShare: expect.closeTo(0.091, 3) },
    });
    expect(limit.headline).toMatch(/server limit of 5 decides.*9\.1 % less than the best measured/);
    expect(limit.reasons.join("\n")).not.toMatch(/as good, and smaller|within 2 %/);
    const floor = ask(measurementsOf(readOnly), { deadlock: { threads: 20, connectionsEach: 2 } });
    expect(floor).toMatchObject({ verdict: "bounded", bound: { by: "deadlock-floor", size: 21 } });
    expect(floor.reasons.join("\n")).toMatch(/21 itself was not measured/);
  });

  test("of clients of all processes together is that of each, times their number", () => {
    const advice = ask(measurementsOf(simpleUpdate), {
      subject: "connections",
      processes: 4,
      present: 8,
      server: { maxConnections: 100, reserved: 3, others: 0, processes: 4, copies: 1 },
    });
    expect(advice).toMatchObject({ recommended: 32, recommendedEach: 8, verdict: "sized" });
    expect(advice.headline).toMatch(
      /32 connections in all = 8 for each of 4 processes, as it is now/,
    );
    const scarce = ask(measurementsOf(simpleUpdate), {
      subject: "connections",
      processes: 4,
      server: { maxConnections: 10, reserved: 3, others: 0, processes: 4, copies: 1 },
    });
    expect(scarce).toMatchObject({ recommended: 4, recommendedEach: 1, verdict: "bounded" });
    expect(scarce.headline).toMatch(/server limit of 4 in all \(1 for each process\)/);
  });

  test("leaves nothing to choose where they cross, or where nothing was measured between them", () => {
    const server = { maxConnections: 9, reserved: 3, others: 0, processes: 1, copies: 1 };
    const crossed = ask(measurementsOf(readOnly), {
      server,
      deadlock: { threads: 9, connectionsEach: 2 },
    });
    expect(crossed.recommended).toBeUndefined();
    expect(crossed.headline).toMatch(/no size is safe: 10 .* 6/);
    const between = ask(measurementsOf(readOnly), { sizeMin: 9, sizeMax: 12 });
    expect(between.headline).toMatch(/no size from 9 to 12 was measured/);
  });

  test("does not bound users, who are no connections; Little's law says how many they need", () => {
    const measured = measurementsOf(readOnly).map((each) => ({
      ...each,
      inside: { inUse: 3.4, waitMs: 1 },
    }));
    const { recommended, limit, reasons } = ask(measured, {
      subject: "users",
      present: 15,
      server: { maxConnections: 5, reserved: 3, others: 0, processes: 1, copies: 1 },
    });
    expect(recommended).toBe(8);
    expect(limit).toBeUndefined();
    expect(reasons.join("\n")).toMatch(
      /3\.40 connections on average \(Little's law\), so a pool below 4 .*15 is not what limits it/,
    );
  });
});

/** The read-only sweep once for each factor. */
function rounds(...factors: readonly number[]): readonly PoolMeasurement[] {
  return factors.flatMap((factor) =>
    measurementsOf(readOnly).map((each) => ({ ...each, throughput: each.throughput * factor })),
  );
}

describe("what does not carry an answer", () => {
  test.each<[what: string, PoolQuestion["measurements"], Partial<PoolQuestion>, RegExp]>([
    ["one round", rounds(1), { live: true }, /one round/],
    ["a busy machine", rounds(0.99, 1), { live: true, busyMachine: true }, /--busy-machine/],
    ["scattered rounds", rounds(0.5, 1, 1.3), { live: true }, /rounds of the same size differ by/],
    [
      "scatter around the law",
      measurementsOf(
        [300, 90, 500, 120, 480, 100, 520].map((throughput, index) => ({
          size: 2 ** index,
          throughput,
        })),
      ),
      {},
      /scatter by .* around the scalability law/,
    ],
  ])("%s", (_, measurements, question, words) => {
    const { verdict, recommended, headline, unclearBecause } = ask(measurements, question);
    expect({ verdict, recommended }).toEqual({ verdict: "unclear", recommended: undefined });
    expect(headline).toMatch(words);
    expect(unclearBecause.join()).toMatch(words);
  });

  test("two quiet rounds do", () => {
    expect(ask(rounds(0.99, 1), { live: true })).toMatchObject({
      verdict: "sized",
      recommended: 8,
    });
  });

  test("sizes that so few senders do not exercise are in no number", () => {
    const measured = rounds(0.99, 1).map((each) => ({ ...each, underWay: 32 }));
    const { points, leftOut, headline } = ask(measured, { live: true });
    expect(points.map(({ size }) => size)).toEqual([1, 2, 4, 8, 16]);
    expect(leftOut[0]?.why).toMatch(/not exercised: 32 requests/);
    expect(headline).toMatch(/6 of 16 measurements are left out: line 7 \(32\)/);
  });

  test("a smaller size whose rounds overlap is not called too small; what contradicts it is said", () => {
    const measured = rounds(0.93, 1.07).map((each) => ({
      ...each,
      responseMs: 42,
      inside: { waitMs: 0.8, inUse: each.size * 0.6 },
    }));
    const { reasons, caveats } = ask(measured, { live: true });
    expect(reasons.join("\n")).toMatch(
      /4 measured 90\.9 % of the best, but may be as good: its rounds/,
    );
    expect(reasons.join("\n")).not.toMatch(/too small/);
    expect(caveats.join("\n")).toMatch(/waited for 800 µs of 42\.0 ms and 2\.40 of 4 connections/);
  });

  test("names the machine, and --busy-machine, where nothing else was wrong", () => {
    const measured = rounds(1).map((each) => ({
      ...each,
      invalidBecause: ["others worked"],
      machineBusy: true,
    }));
    expect(() => ask(measured, { live: true })).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("--busy-machine") }),
    );
  });
});

describe("measurements that cannot be right", () => {
  const good = measurementsOf(readOnly).map((each) => ({
    ...each,
    underWay: each.size,
    responseMs: (each.size / each.throughput) * 1_000,
  }));

  test("are listed with the reason and are in no number", () => {
    const paused = good.map((each) =>
      each.size === 16 ? { ...each, responseMs: each.responseMs * 0.9 } : each,
    );
    const failed = { size: 32, throughput: 0, from: "line 99" };
    const { leftOut, points, caveats } = ask([...paused, failed], { subject: "connections" });
    expect(leftOut).toMatchObject([
      { size: 16, from: "line 6", why: expect.stringMatching(/Little's law.* 14\.4 .* 16\.0 /) },
      { size: 32, from: "line 99", why: "nothing was completed" },
    ]);
    expect(points.map(({ size }) => size)).not.toContain(16);
    expect(caveats.join()).toMatch(/2 measurements are left out/);
  });

  test("within 5 % of Little's law are used", () => {
    expect(
      ask(
        good.map((each) => ({ ...each, responseMs: each.responseMs * 1.04 })),
        { subject: "connections" },
      ).leftOut,
    ).toEqual([]);
  });

  test("are an error with the first reason when there are no others", () => {
    expect(() => ask(good.map((each) => ({ ...each, responseMs: 1e9 })))).toThrow(
      /8 measurements, and none of them can be used: line 2: Little's law/,
    );
  });
});
