/** Predicted against measured: what counts as met, what explains a difference, and how the report says it. */
import { describe, expect, it } from "vitest";
import type { Entry } from "../../src/core/event.ts";
import type { MetricValues, Sample } from "../../src/core/sample.ts";
import type { Effect, Prediction } from "../../src/core/trial.ts";
import { linesOf } from "../../src/report/lines.ts";
import { checkPredictions, describePrediction } from "../../src/report/predictions.ts";
import { renderReport } from "../../src/report/report.ts";
import { blockOf } from "../../src/report/windows.ts";
import { candidateOf, journal, slow } from "./journal-fixture.ts";
import { completeRun, predictedRun } from "./runs.ts";

const hit: Prediction = {
  metric: "cache.hitRate",
  value: 0.431,
  low: 0.42,
  high: 0.442,
  method: "the phase's trace, simulated as Redis evicts",
};

/** Windows of both arms, pair by pair: what each reports beside what every window does. */
interface Windows {
  readonly candidate: readonly MetricValues[];
  readonly incumbent?: readonly MetricValues[];
  readonly observed?: MetricValues;
  readonly observedShare?: number;
  readonly effects?: readonly Effect[];
}

function trialOf(predicted: readonly Prediction[], windows: Windows) {
  const run = journal();
  run.observe("p", slow, {});
  run.pairs("c", windows.candidate.length, slow, slow);
  const entries = run.entries.map((entry): Entry => {
    const { event } = entry;
    if (event.type === "observed")
      return {
        ...entry,
        event: {
          ...event,
          sample: sampleOf(event.sample, windows.observed, windows.observedShare),
        },
      };
    if (event.type !== "sampled") return entry;
    const values = windows[event.role]?.[event.pair];
    return { ...entry, event: { ...event, sample: sampleOf(event.sample, values) } };
  });
  return {
    candidate: { ...candidateOf("c", "p", "it helps", []), predicted },
    block: blockOf(entries, "c"),
    effects: windows.effects ?? [],
    observed: linesOf(entries, "observed")[0],
  };
}

function sampleOf(sample: Sample, metrics: MetricValues = {}, firstShare?: number): Sample {
  if (firstShare === undefined) return { ...sample, metrics };
  const [first, second] = sample.load.endpoints;
  if (!first || !second) throw new Error("the fixture has two endpoints");
  return {
    ...sample,
    metrics,
    load: {
      ...sample.load,
      endpoints: [
        { ...first, requests: 1000 * firstShare },
        { ...second, requests: 1000 * (1 - firstShare) },
      ],
    },
  };
}

function rates(...values: readonly number[]): readonly MetricValues[] {
  return values.map((value) => ({ "cache.hitRate": value }));
}

function bytes(megabytes: number): readonly MetricValues[] {
  return Array.from({ length: 5 }, () => ({ "redis.usedBytes": megabytes * 1024 ** 2 }));
}

function words(predicted: Prediction, windows: Windows): string {
  const [first] = checkPredictions(trialOf([predicted], windows));
  if (!first) throw new Error("nothing was checked");
  return describePrediction(first);
}

describe("a share", () => {
  it("is met within one point, whatever the bounds", () => {
    const text = words(hit, { candidate: rates(0.421, 0.426, 0.424, 0.428, 0.43) });
    expect(text).toMatch(
      /^cache hit 43\.1 % \(42\.0 % to 44\.2 %\) predicted \(the phase's trace, simulated as Redis evicts\), 42\.6 % measured \(median of 5 windows, 42\.1 % to 43\.0 %; [^)]*\): within 1 point\.$/,
    );
  });

  it("is off beyond it, and says that nothing explains it when nothing does", () => {
    const text = words(hit, { candidate: rates(0.402, 0.403, 0.401, 0.402, 0.402) });
    expect(text).toContain("40.2 % measured");
    expect(text).toMatch(/: off by 2\.9 points\. Nothing in the journal explains it/);
  });

  it("takes what the decision rests on before the windows", () => {
    const effect: Effect = {
      metric: "cache.hitRate",
      compare: "difference",
      estimate: 0.03,
      low: 0.02,
      high: 0.04,
      confidence: 0.95,
      pairs: 5,
      permutationP: 0.06,
      incumbentMedian: 0.4,
      candidateMedian: 0.435,
    };
    const [checked] = checkPredictions(
      trialOf([hit], { candidate: rates(0.3, 0.3), effects: [effect] }),
    );
    expect(checked?.measured).toBe(0.435);
    expect(checked?.agreement).toBe("within");
  });

  it("that was not measured is neither met nor missed", () => {
    const text = words(hit, { candidate: [{}, {}] });
    expect(text).toMatch(/predicted \(.*\), not measured: nothing to compare\.$/);
    const [odd] = checkPredictions(
      trialOf([{ ...hit, value: Number.NaN }], { candidate: rates(0.43) }),
    );
    expect(odd?.agreement).toBe("not measured");
  });
});

describe("any other metric", () => {
  const used: Prediction = {
    metric: "redis.usedBytes",
    value: 50 * 1024 ** 2,
    low: 48 * 1024 ** 2,
    high: 52 * 1024 ** 2,
    method: "entries' sizes",
  };

  it("is met within its bounds", () => {
    expect(words(used, { candidate: bytes(51) })).toMatch(/: within the predicted bounds\.$/);
    expect(words(used, { candidate: bytes(55) })).toContain("off by 10.0 %");
  });
});

describe("an explanation", () => {
  const steady = [0.4, 0.401, 0.4, 0.399, 0.4, 0.401];

  it("is that it lies inside the predicted bounds", () => {
    const wide = { ...hit, low: 0.39, high: 0.47 };
    expect(words(wide, { candidate: rates(...steady) })).toContain(
      "It lies inside the bounds that were predicted.",
    );
  });

  it("is that single windows reach the prediction", () => {
    const text = words(hit, { candidate: rates(0.38, 0.445, 0.4, 0.41, 0.405, 0.39) });
    expect(text).toContain("Single windows lie between 38.0 % and 44.5 %, with the prediction");
    expect(words(hit, { candidate: rates(0.38, 0.425, 0.4, 0.4, 0.4, 0.39) })).toContain(
      "which reaches into the predicted bounds",
    );
  });

  it("is a cache that was still warming, only where it moved towards the prediction", () => {
    const rising = words(hit, { candidate: rates(0.35, 0.36, 0.37, 0.39, 0.4, 0.41) });
    expect(rising).toContain(
      "from 36.0 % in the first half of its windows to 40.0 % in the last: the cache was still warming",
    );
    const falling = words(hit, { candidate: rates(0.41, 0.4, 0.39, 0.37, 0.36, 0.35) });
    expect(falling).not.toContain("moved towards");
    expect(words(hit, { candidate: rates(...steady) })).not.toContain("moved towards");
  });

  it("is that there are few pairs", () => {
    expect(words(hit, { candidate: rates(0.4, 0.4, 0.4) })).toContain("The trial has 3 pairs only");
    expect(words(hit, { candidate: rates(...steady) })).not.toContain("pairs only");
  });

  it("is that the incumbent changed since it was observed", () => {
    const windows = {
      candidate: rates(...steady),
      incumbent: rates(...steady.map((rate) => rate - 0.05)),
    };
    expect(words(hit, { ...windows, observed: { "cache.hitRate": 0.38 } })).toContain(
      "Without the change it was 38.0 % when the prediction was made (journal 1) and 35.0 % in the trial",
    );
    expect(words(hit, { ...windows, observed: { "cache.hitRate": 0.355 } })).not.toContain(
      "Without the change",
    );
  });

  it("is that other requests were made", () => {
    expect(words(hit, { candidate: rates(...steady), observedShare: 0.5 })).toMatch(
      /The requests were others: search runs had 50\.0 % of them when the prediction was made, 91\.4 % in the trial/,
    );
    expect(words(hit, { candidate: rates(...steady), observedShare: 0.91 })).not.toContain(
      "requests were others",
    );
  });

  it("is the tier before it, for L2 alone", () => {
    const l1: Effect = {
      metric: "cache.l1HitRate",
      compare: "difference",
      estimate: 0.3,
      low: 0.28,
      high: 0.32,
      confidence: 0.95,
      pairs: 6,
      permutationP: 0.03,
      incumbentMedian: 0.1,
      candidateMedian: 0.4,
    };
    const l2: Prediction = { ...hit, metric: "cache.l2HitRate" };
    const candidate = steady.map((rate) => ({ "cache.l2HitRate": rate, "cache.hitRate": rate }));
    expect(words(l2, { candidate, effects: [l1] })).toContain(
      "L1 answered 40.0 % of its look-ups, 10.0 % without the change",
    );
    expect(words(hit, { candidate, effects: [l1] })).not.toContain("L1 answered");
  });

  it("is that Redis evicted, where less was hit than predicted", () => {
    const candidate = steady.map((rate) => ({
      "cache.hitRate": rate,
      "redis.evictionsPerSecond": 130,
    }));
    expect(words(hit, { candidate })).toContain("Redis evicted 130/s meanwhile");
    expect(words({ ...hit, value: 0.3 }, { candidate })).not.toContain("evicted");
  });
});

describe("the report", () => {
  const options = { journalFile: "run.jsonl", rollbackCommand: "npx perfopt rollback the-run" };
  const { markdown } = renderReport(predictedRun(), options);

  it("sets both side by side, with the candidate's trial and in a table", () => {
    expect(markdown).toMatch(
      /- Predicted against measured: cache hit 95\.1 % \(94\.6 % to 95\.6 %\) predicted \(the window's own trace, simulated as Redis evicts\), 95\.\d % measured \(median of 7 windows, .*\): within 1 point\./,
    );
    expect(markdown).toMatch(/## \d+\. Predicted against measured\n\n1 of 2 predictions held/);
    expect(markdown).toMatch(
      /\| maxmemory-128mb \| cache hit \| 98\.5 % \(98\.0 % to 99\.0 %\) \| 95\.\d % \| \*\*off by 2\.\d points\*\* \| journal/,
    );
    expect(markdown).toMatch(
      /\| maxmemory-96mb \| Redis data \| 85\.8 MB .* \| not measured \| nothing to compare \|/,
    );
  });

  it("has no such section where nothing was predicted", () => {
    expect(renderReport(completeRun(), options).markdown).not.toContain("Predicted");
  });
});

function windowsOf(count: number): Windows {
  return { candidate: Array.from({ length: count }, () => ({ "cache.hitRate": 0.25 })) };
}

describe("a prediction by number of windows", () => {
  const byWindows = [
    { windows: 2, value: 0.2, low: 0.18, high: 0.22 },
    { windows: 4, value: 0.3, low: 0.28, high: 0.32 },
  ];
  const filling: Prediction = { ...hit, byWindows };
  it.each([
    [2, 0.2],
    [3, 0.25],
    [4, 0.3],
    [5, hit.value],
  ])("of %i windows is held against what it said of as many", (count, value) => {
    const [checked] = checkPredictions(trialOf([filling], windowsOf(count)));
    expect(checked?.prediction.value).toBeCloseTo(value, 6);
    expect(checked?.agreement).toBe(count === 3 ? "within" : "off");
  });
});
