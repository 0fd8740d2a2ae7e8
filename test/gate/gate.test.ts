import { describe, expect, test } from "vitest";
import type { GateWindow } from "../../src/core/gate.ts";
import type { MetricValues, Sample, ValidityCheck } from "../../src/core/sample.ts";
import { parseSlo, type Slo } from "../../src/core/slo.ts";
import { gate } from "../../src/gate/gate.ts";
import { selfTest } from "../../src/gate/self-test.ts";
import type { GateRun } from "../../src/gate/run.ts";
import { replayOf, simulatedArms, type OpenSimulatedArms } from "./arms.ts";

const METRICS: MetricValues = {
  "api.latencyP50Ms": 10,
  "api.latencyP95Ms": 30,
  "service.cpuMsPerRequest": 2,
  "api.errorRate": 0,
};

function runWith(arms: OpenSimulatedArms, changes: Partial<GateRun> = {}): GateRun {
  let now = 0;
  return {
    arms,
    rule: {
      pairsMax: 30,
      metrics: [
        { metric: "service.cpuMsPerRequest", tier: 1, margin: 0.05, minEffect: 0.03 },
        { metric: "api.latencyP50Ms", tier: 2, margin: 0.05, minEffect: 0.03 },
      ],
    },
    watched: ["api.latencyP95Ms"],
    slos: [],
    sharedSlos: [],
    load: {
      arrivals: "poisson",
      rate: { kind: "share-of-saturation", share: 0.4 },
      warmupMs: 500,
      windowMs: 3_000,
    },
    replay: { requestsPerEndpoint: 10, warmupPerEndpoint: 2 },
    keepGoing: false,
    seed: 7,
    limits: { restartEveryPairs: 2, unusablePairsMax: 4, replays: 2 },
    clock: { now: () => (now += 10) },
    deadline: Infinity,
    signal: new AbortController().signal,
    say: () => {},
    onWindow: () => {},
    ...changes,
  };
}

function slo(text: string): Slo {
  const parsed = parseSlo(text);
  if (typeof parsed === "string") throw new Error(parsed);
  return parsed;
}

/** A window that failed this check. */
function failing(id: ValidityCheck["id"]): (sample: Sample) => Sample {
  return (sample) => ({
    ...sample,
    valid: false,
    invalidBecause: [id],
    load: { ...sample.load, checks: [{ id, ok: false, value: 9, limit: 1, detail: id }] },
  });
}

const same = { incumbent: METRICS, candidate: METRICS };
const slower = {
  incumbent: METRICS,
  candidate: { ...METRICS, "api.latencyP50Ms": 12, "service.cpuMsPerRequest": 2 },
};

describe("counters", () => {
  const select = { "SELECT 1": 20 };

  test("that grow fail the gate before any trial, and name the statement", async () => {
    const grown = replayOf({ ...select, "SELECT count(*) FROM models": 10 });
    const replays = { incumbent: replayOf(select), candidate: grown };
    const arms = simulatedArms({ metrics: same, replays });
    const found = await gate(runWith(arms));
    expect(found.verdict).toBe("fail");
    expect(found.reasons.join(" ")).toContain("SELECT count(*) FROM models");
    expect(found.reasons.join(" ")).toContain("search");
    expect(arms.calls).toEqual([
      "replay incumbent",
      "replay candidate",
      "replay incumbent",
      "replay candidate",
    ]);
    expect(found.windows).toEqual([]);
    expect(found.warnings.join(" ")).toContain("--keep-going");
  });

  test("that grow are followed by the trials when asked for", async () => {
    const grown = replayOf({ "SELECT 1": 30 });
    const arms = simulatedArms({
      metrics: same,
      replays: { incumbent: replayOf(select), candidate: grown },
    });
    const found = await gate(runWith(arms, { keepGoing: true }));
    expect(found.verdict).toBe("fail");
    expect(found.metrics.map(({ verdict }) => verdict)).toEqual(["pass", "pass"]);
  });

  test("that are the same let the trials decide", async () => {
    const replays = { incumbent: replayOf(select), candidate: replayOf(select) };
    const found = await gate(runWith(simulatedArms({ metrics: same, replays })));
    expect(found.counters?.verdict).toBe("pass");
    expect(found.verdict).toBe("pass");
  });
});

describe("trials", () => {
  test("the rate is a share of what the base can do, and the same for both sides", async () => {
    const arms = simulatedArms({ metrics: same });
    const found = await gate(runWith(arms));
    expect(found.rate).toMatchObject({
      requestsPerSecond: 400,
      saturationRequestsPerSecond: 1_000,
    });
    const windows = arms.calls.filter((call) => call.includes("/s"));
    expect(windows.every((call) => call.endsWith(" 400/s"))).toBe(true);
  });

  test("a regression is found, and confirmed on fresh processes", async () => {
    const arms = simulatedArms({ metrics: slower });
    const found = await gate(runWith(arms));
    expect(found.verdict).toBe("fail");
    const p50 = found.metrics.find(({ metric }) => metric === "api.latencyP50Ms");
    expect(p50?.confirmation?.confirmed).toBe(true);
    const blocks = found.windows.map(({ block }) => block);
    const first = blocks.indexOf("confirm");
    expect(first).toBeGreaterThan(0);
    const lastOfTrial = arms.calls.filter((call) => call.includes("/s"))[first - 1] ?? "";
    const at = arms.calls.lastIndexOf(lastOfTrial);
    expect(arms.calls[at + 1]).toBe("restart");
  });

  test("both sides of a pair get the same requests, and pairs new ones", async () => {
    const arms = simulatedArms({ metrics: same });
    await gate(runWith(arms));
    const seeds = arms.calls
      .filter((call) => call.includes("/s"))
      .map((call) => call.split(" ")[1]);
    const pairs = seeds.filter((_, index) => index % 2 === 0);
    expect(seeds.filter((_, index) => index % 2 === 1)).toEqual(pairs);
    expect(new Set(pairs).size).toBe(pairs.length);
  });

  test("an improvement passes, and is told", async () => {
    const candidate = { ...METRICS, "api.latencyP50Ms": 8, "service.cpuMsPerRequest": 1.6 };
    const found = await gate(
      runWith(simulatedArms({ metrics: { incumbent: METRICS, candidate } })),
    );
    expect(found.verdict).toBe("pass");
    expect(found.reasons.join(" ")).toMatch(/better/i);
  });

  test("windows whose latencies are spoilt still decide CPU time", async () => {
    const found = await gate(
      runWith(simulatedArms({ metrics: same, spoil: failing("generator-lag") })),
    );
    expect(found.metrics.map(({ verdict }) => verdict)).toEqual(["pass", "invalid"]);
    expect(found.verdict).toBe("invalid");
  });

  test("a service that fails its requests ends the gate, and never passes", async () => {
    const windows: GateWindow[] = [];
    const onWindow = (window: GateWindow) => void windows.push(window);
    const found = await gate(
      runWith(simulatedArms({ metrics: same, spoil: failing("errors") }), { onWindow }),
    );
    expect(found.verdict).toBe("invalid");
    expect(windows.length).toBeLessThanOrEqual(12);
    expect(found.windows).toEqual(windows);
  });

  test("when the time is up it says what the pairs so far can tell", async () => {
    let now = 0;
    const clock = { now: () => (now += 1_000) };
    const arms = simulatedArms({ metrics: same, cv: 0.3 });
    const found = await gate(runWith(arms, { clock, deadline: 6_000 }));
    expect(["inconclusive", "invalid"]).toContain(found.verdict);
    expect(found.windows.length).toBeLessThan(20);
  });

  test("an interrupt ends it at once", async () => {
    const controller = new AbortController();
    const onWindow = () => controller.abort();
    const run = runWith(simulatedArms({ metrics: same }), { signal: controller.signal, onWindow });
    await expect(gate(run)).rejects.toMatchObject({ code: "interrupted" });
  });
});

describe("limits", () => {
  test("that were asked for fail the gate whatever the base does", async () => {
    const found = await gate(
      runWith(simulatedArms({ metrics: same }), { slos: [slo("p95<20ms")] }),
    );
    expect(found.verdict).toBe("fail");
    expect(found.slos[0]?.verdict).toBe("fail");
  });

  test("of a persona that the base misses too are a warning", async () => {
    const found = await gate(
      runWith(simulatedArms({ metrics: same }), { sharedSlos: [slo("p95<20ms")] }),
    );
    expect(found.verdict).not.toBe("fail");
    expect(found.warnings.join(" ")).toContain("missed by the base too");
  });

  test("of a persona that only the head misses fail", async () => {
    const candidate = { ...METRICS, "api.latencyP95Ms": 60 };
    const found = await gate(
      runWith(simulatedArms({ metrics: { incumbent: METRICS, candidate } }), {
        sharedSlos: [slo("p95<40ms")],
      }),
    );
    expect(found.verdict).toBe("fail");
  });
});

describe("self-test", () => {
  test("a quiet machine sees the margin", async () => {
    const found = await selfTest(runWith(simulatedArms({ metrics: same, cv: 0.005 })), 12);
    expect(found.verdict).toBe("pass");
    expect(found.metrics.every(({ ok }) => ok)).toBe(true);
    expect(found.msPerPair).toBeGreaterThan(0);
  });

  test("a noisy one is told that it does not", async () => {
    const found = await selfTest(runWith(simulatedArms({ metrics: same, cv: 0.3 })), 12);
    expect(found.verdict).toBe("inconclusive");
    expect(found.reasons.join(" ")).toContain("below what this machine can see");
  });

  test("a build that does not count like itself fails", async () => {
    const replays = { incumbent: replayOf({ a: 10 }), candidate: replayOf({ a: 20 }) };
    const found = await selfTest(runWith(simulatedArms({ metrics: same, replays })), 5);
    expect(found.verdict).toBe("fail");
  });
});
