import { describe, expect, it } from "vitest";
import type { Entry, RunEvent } from "../../src/core/event.ts";
import type { Objective } from "../../src/core/persona.ts";
import type { Sample } from "../../src/core/sample.ts";
import type { Effect } from "../../src/core/trial.ts";
import { changeRecords, netChanges } from "../../src/report/changes.ts";
import { leansWorse, readEffect } from "../../src/report/effects.ts";
import {
  cite,
  describeEffect,
  formatInterval,
  formatMetric,
  neat,
} from "../../src/report/format.ts";
import { code, plain, table } from "../../src/report/markdown-text.ts";
import { judgeObjective, satisfactionOf } from "../../src/report/objectives.ts";
import { observationFacts } from "../../src/report/sections/observation.ts";
import { summarise } from "../../src/report/summary.ts";
import { voiceLine } from "../../src/report/voice.ts";
import { blockOf, pairValues, readArm, readingOf } from "../../src/report/windows.ts";
import { effect, journal, SECRET, setKnob } from "./journal-fixture.ts";
import { completeRun } from "./runs.ts";

function entriesOf(events: readonly RunEvent[]): readonly Entry[] {
  return events.map((event, index) => ({ seq: index + 1, at: "2026-11-20T10:00:00.000Z", event }));
}

const p95: Objective = { metric: "api.latencyP95Ms", goal: 200, stretch: 100, weight: 3 };
const hit: Objective = { metric: "cache.hitRate", goal: 0.98, weight: 1 };

function p95Effect(change: Partial<Effect>): Effect {
  return {
    metric: "api.latencyP95Ms",
    compare: "ratio",
    estimate: 0.8,
    low: 0.75,
    high: 0.85,
    confidence: 0.95,
    pairs: 7,
    permutationP: 0.016,
    incumbentMedian: 300,
    candidateMedian: 240,
    ...change,
  };
}

function reading(value: number) {
  return readingOf([value], [1]);
}

describe("satisfaction", () => {
  it("is the weighted mean of full and partial credits", () => {
    const results = [
      judgeObjective(p95, reading(300), reading(240), p95Effect({})),
      judgeObjective(hit, reading(0.9), reading(0.985), undefined),
    ];
    const satisfaction = satisfactionOf(results);
    expect(satisfaction?.credits.map(({ credit }) => credit)).toEqual([0.6, 1]);
    expect(satisfaction?.score).toBeCloseTo((3 * 0.6 + 1) / 4);
  });

  it.each([
    [
      "no improvement is proven",
      judgeObjective(p95, reading(300), reading(240), p95Effect({ high: 1.01 })),
    ],
    [
      "it was met before and is missed now",
      judgeObjective(p95, reading(190), reading(240), p95Effect({ low: 1.1, high: 1.4 })),
    ],
    ["there is no paired effect", judgeObjective(p95, reading(300), reading(240), undefined)],
    [
      "the final state is not measured",
      judgeObjective(p95, reading(300), undefined, p95Effect({})),
    ],
  ])("gives no credit when %s", (_, result) => {
    const other = judgeObjective(hit, reading(0.99), reading(0.99), undefined);
    expect(satisfactionOf([result, other])?.credits[0]?.credit).toBe(0);
  });

  it("is not a number when nothing was measured", () => {
    expect(satisfactionOf([judgeObjective(p95, undefined, undefined, undefined)])).toBeUndefined();
    expect(satisfactionOf([])).toBeUndefined();
  });

  it("meets a goal at the goal itself, on the metric's good side only", () => {
    expect(judgeObjective(p95, undefined, reading(200), undefined).status).toBe("met");
    expect(judgeObjective(p95, undefined, reading(200.1), undefined).status).toBe("missed");
    expect(judgeObjective(hit, undefined, reading(0.979), undefined).status).toBe("missed");
    expect(judgeObjective(p95, undefined, reading(99), undefined).stretchStatus).toBe("met");
  });
});

describe("the persona's voice", () => {
  const summary = summarise(completeRun());

  it("is content only when every goal is met and the first number is proven better", () => {
    const met = summary.objectives.map((result) => ({ ...result, status: "met" as const }));
    expect(voiceLine({ ...summary, objectives: met })).toContain("This is what I asked for");
    const unproven = met.map((result) => ({
      ...result,
      effect: p95Effect({ low: 0.9, high: 1.1 }),
    }));
    expect(voiceLine({ ...summary, objectives: unproven })).not.toContain("asked for");
    const worse = met.map((result) => ({ ...result, effect: p95Effect({ low: 1.1, high: 1.2 }) }));
    expect(voiceLine({ ...summary, objectives: worse })).toContain("wrong way");
    expect(voiceLine(summary)).not.toContain("asked for");
  });

  it("does not judge what was not measured", () => {
    const unknown = summary.objectives.map((result) => ({
      ...result,
      status: "not measured" as const,
    }));
    expect(voiceLine({ ...summary, objectives: unknown })).toContain("I cannot say");
    expect(voiceLine({ ...summary, basis: "none" })).toContain("nobody measured");
  });
});

describe("effects", () => {
  it("are better or worse only by the whole interval, in the metric's direction", () => {
    expect(readEffect(p95Effect({}))).toBe("better");
    expect(readEffect(p95Effect({ low: 1.01, high: 1.1 }))).toBe("worse");
    expect(readEffect(p95Effect({ low: 0.9, high: 1.02 }))).toBe("no change shown");
    const share = p95Effect({
      metric: "cache.hitRate",
      compare: "difference",
      estimate: 0.03,
      low: 0.01,
      high: 0.05,
    });
    expect(readEffect(share)).toBe("better");
    expect(leansWorse({ ...share, estimate: -0.001 })).toBe(true);
  });

  it("are written with interval, pairs and cross-check, shares in points", () => {
    expect(describeEffect(p95Effect({}))).toBe(
      "-20.0 % (95 % interval -25.0 % to -15.0 %; 7 pairs; permutation p = 0.016)",
    );
    const share = p95Effect({
      metric: "api.errorRate",
      compare: "difference",
      estimate: 0.0001,
      low: -0.0002,
      high: 0.0004,
    });
    expect(formatInterval(share)).toBe("-0.020 to +0.040 points");
    const wait = p95Effect({
      metric: "pool.waitMs",
      compare: "difference",
      estimate: -3.1,
      low: -4,
      high: -0.5,
    });
    expect(formatInterval(wait)).toBe("-4.00 ms to -500 µs");
  });
});

describe("values", () => {
  it("that are missing are called so", () => {
    expect(formatMetric("api.latencyP95Ms", undefined)).toBe("not measured");
    expect(formatMetric("api.latencyP95Ms", Number.NaN)).toBe("not measured");
    expect(formatMetric("api.errorRate", 0)).toBe("0 %");
  });

  it("that were set lose the zeros that feign precision", () => {
    expect([
      neat("98.0 %"),
      neat("5.00 s"),
      neat("2.50 ms"),
      neat("100 MB"),
      neat("0.10 %"),
    ]).toEqual(["98 %", "5 s", "2.5 ms", "100 MB", "0.1 %"]);
  });

  it("cite lines as ranges", () => {
    expect(cite([5, 3, 4, 9, 4])).toBe("journal 3-5, 9");
    expect(cite([])).toBe("");
  });
});

describe("changes of the real target", () => {
  it("net out: a knob set twice counts from its first value, what was undone not at all", () => {
    const run = journal();
    run.apply("change-1", setKnob("pool-max", 15, 30));
    run.apply("change-2", setKnob("pool-max", 30, 40));
    run.apply("change-3", setKnob("l1-ttl", 0, 5_000));
    run.add({ type: "change-reverting", changeId: "change-3" });
    run.add({ type: "change-reverted", changeId: "change-3", detail: "" });
    const records = changeRecords(run.entries);
    expect(records.map(({ state }) => state)).toEqual(["applied", "applied", "reverted"]);
    expect(netChanges(records).knobs).toEqual([
      { knob: "pool-max", from: 15, to: 40, seqs: [1, 2, 3, 4] },
    ]);
  });

  it("stay unknown while the journal has no outcome", () => {
    const applying: RunEvent = {
      type: "change-applying",
      changeId: "a",
      change: setKnob("pool-max", 15, 30),
    };
    const applied: RunEvent = { type: "change-applied", changeId: "a", detail: "" };
    const reverting: RunEvent = { type: "change-reverting", changeId: "a" };
    expect(changeRecords(entriesOf([applying]))[0]?.state).toBe("applying");
    expect(changeRecords(entriesOf([applying, applied, reverting]))[0]?.state).toBe("reverting");
    expect(netChanges(changeRecords(entriesOf([applying]))).knobs).toEqual([]);
  });
});

describe("blocks of windows", () => {
  const windows = completeRun().flatMap(({ event }) =>
    event.type === "sampled" && event.block === "confirm" ? [event] : [],
  );

  it("make pairs of valid windows only", () => {
    const block = blockOf(completeRun(), "confirm");
    expect(block.windows).toHaveLength(16);
    expect(block.invalid).toHaveLength(1);
    expect(block.pairs).toHaveLength(7);
  });

  it("count a pair that was measured again by its last windows", () => {
    const first = windows.filter(({ pair }) => pair === 0);
    const spoilt = first.map((event) => ({
      ...event,
      sample: { ...event.sample, valid: event.role === "incumbent" },
    }));
    expect(blockOf(entriesOf([...spoilt, ...first]), "confirm").pairs).toHaveLength(1);
    expect(blockOf(entriesOf([...first, ...spoilt]), "confirm").pairs).toHaveLength(0);
  });

  it("leave a pair out of a metric that one of its windows lacks", () => {
    const [one, two] = windows.filter(({ pair }) => pair === 0);
    const lacking: Sample = { ...two!.sample, metrics: {} };
    const block = blockOf(entriesOf([one!, { ...two!, sample: lacking }]), "confirm");
    expect(block.pairs).toHaveLength(1);
    expect(pairValues(block, "api.latencyP95Ms")).toEqual([]);
    expect(readArm(block, "incumbent", "api.latencyP95Ms")).toBeUndefined();
  });

  it("have the medians that the journal's effects carry", () => {
    const confirmed = completeRun().flatMap(({ event }) =>
      event.type === "confirmed" ? event.effects : [],
    );
    const block = blockOf(completeRun(), "confirm");
    const stated = effect(confirmed, "api.latencyP95Ms");
    expect(readArm(block, "candidate", "api.latencyP95Ms")?.median).toBeCloseTo(
      stated.candidateMedian,
      9,
    );
  });
});

describe("observations", () => {
  it("become facts by the units in their names, whatever their shape", () => {
    expect(
      observationFacts({
        poolWaitMs: 1.9,
        usedBytes: 2_097_152,
        cache: { hitRate: 0.912, tiers: [1, 2] },
        count: 3,
        odd: Number.NaN,
        none: null,
      }),
    ).toEqual([
      "pool wait: 1.90 ms",
      "used: 2.00 MB",
      "cache, hit rate: 91.2 %",
      "cache, tiers: 2 listed",
      "count: 3",
    ]);
    expect(observationFacts(undefined)).toEqual([]);
    expect(observationFacts("text")).toEqual([": text"]);
  });

  it("are cut without letting half a secret through", () => {
    const sql = `${"x".repeat(120)} postgres://someone:${SECRET}${"y".repeat(60)}@db/registry`;
    expect(observationFacts({ sql }).join("")).not.toContain(SECRET);
  });
});

describe("Markdown text", () => {
  it("is not taken for markup, except code in backticks", () => {
    expect(plain("a *b* <i> | [x](y) `c_*d*` _e_ f_g")).toBe(
      String.raw`a \*b\* \<i> \| \[x\](y) ` + "`c_*d*`" + String.raw` \_e\_ f_g`,
    );
    expect(plain("odd ` tick\nand line")).toBe("odd \\` tick and line");
  });

  it("keeps table cells in their cells", () => {
    expect(table(["a"], [["x | y\nz"]])).toBe("| a |\n| --- |\n| x \\| y z |");
    expect(code("a`b")).toBe("`` a`b ``");
  });
});
