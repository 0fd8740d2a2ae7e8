/** The queue's bound: from which rate it follows, what it says of the present one and of the preset. */
import { expect, test } from "vitest";
import { boundAdvice } from "../../../src/advise/concurrency/queue/advice.ts";
import type { BoundQuestion } from "../../../src/advise/concurrency/queue/advice.ts";
import { boundOf, serviceRateOf, waitAtMs } from "../../../src/advise/concurrency/queue/bound.ts";
import { overloadOf } from "../../../src/advise/concurrency/queue/overload.ts";
import type { Overload } from "../../../src/advise/concurrency/queue/overload.ts";
import type { MetricValues } from "../../../src/core/sample.ts";
import * as fc from "../../properties.ts";
import { makeSample } from "../../samples.ts";

const crew = { workers: 4, processes: 1, serviceMeanMs: 20 };
const overload = (metrics: MetricValues) =>
  overloadOf(makeSample(metrics, { requestsPerSecond: 2_000 }));
const full: MetricValues = {
  "queue.jobsPerSecond": 200,
  "queue.depthMean": 300,
  "queue.depthMax": 480,
  "queue.rejectRatio": 0.2,
  "queue.waitP95Ms": 2_000,
  "queue.waitHighP95Ms": 900,
  "queue.waitLowP95Ms": 2_400,
};
/** 900 of 2000 requests a second were answered in time, `refused` of them with 503. */
const under = (metrics: MetricValues, refused = 0, reached = 900, lagMs = 0) => {
  const sample = makeSample(metrics, { requestsPerSecond: 2_000, windowMs: 5_000 });
  const statuses = { "200": 5 * (2_000 - refused), "503": 5 * refused };
  const late = { id: "generator-lag", ok: false, value: lagMs, limit: 1, detail: "late" } as const;
  const checks = lagMs > 0 ? [late] : [];
  return overloadOf({
    ...sample,
    load: { ...sample.load, statuses, checks, requestsPerSecondReached: reached },
  });
};
const flooded = under(full);

const question = (more: Partial<BoundQuestion> = {}): BoundQuestion => ({
  before: flooded,
  after: undefined,
  crew,
  present: 500,
  preset: 1_500,
  waitTargetMs: 5_000,
  usual: { "queue.depthMax": 12 },
  objective: "queue.latencyP95Ms",
  ...more,
});

test("jobs done while jobs waited are the rate, whatever else the window was", () => {
  expect(serviceRateOf(flooded, crew)).toMatchObject({ jobsPerSecond: 200, kind: "measured" });
});

test("where none waited the rate is workers over the time of an attempt, in every process", () => {
  const idle = overload({ "queue.jobsPerSecond": 30, "queue.depthMean": 0.2 });
  expect(serviceRateOf(idle, crew)).toMatchObject({ jobsPerSecond: 200, kind: "at-most" });
  expect(serviceRateOf(idle, { ...crew, processes: 2 })?.jobsPerSecond).toBe(400);
  const measured = overload({ "queue.depthMean": 0, "queue.serviceMeanMs": 40 });
  expect(serviceRateOf(measured, crew)).toMatchObject({ jobsPerSecond: 100 });
  expect(serviceRateOf(overload({}), { ...crew, serviceMeanMs: undefined })).toBeUndefined();
});

test("jobs done while workers were idle now and then are a lower bound", () => {
  const some = { "queue.depthMean": 2, "queue.serviceMeanMs": 20 };
  const of = (metrics: MetricValues) =>
    serviceRateOf(overload({ ...some, ...metrics }), crew)?.kind;
  expect(of({ "queue.jobsPerSecond": 100 })).toBe("at-least");
  // 4 workers busy 95 % of the time, by utilisation or because of failed attempts.
  expect(of({ "queue.jobsPerSecond": 190 })).toBe("measured");
  expect(of({ "queue.jobsPerSecond": 100, "queue.failureRatio": 0.5 })).toBe("measured");
  expect(of({ "queue.jobsPerSecond": 100, "queue.depthMean": 8 })).toBe("measured");
  const { "queue.serviceMeanMs": _, ...untold } = some;
  expect(serviceRateOf(overload({ ...untold, "queue.jobsPerSecond": 190 }), crew)?.kind).toBe(
    "at-least",
  );
});

test.each<[what: string, metrics: MetricValues]>([
  ["none waited", { "queue.jobsPerSecond": 200, "queue.depthMean": 0.2 }],
  ["too few waited", { "queue.jobsPerSecond": 100, "queue.depthMean": 2 }],
])("where %s a bound is advised and not proven", (_what, metrics) => {
  const advice = boundAdvice(question({ before: overload(metrics), present: 5_000 }));
  expect(advice).toMatchObject({ differs: true, proven: false });
  expect(advice.facts.join()).toMatch(/advised at most, never applied: it stays 5000/);
});

test("nobody in a queue of the bound waits longer than the target, and the bound is not far below it", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1, max: 1e5, noNaN: true }),
      fc.integer({ min: 1_000, max: 60_000 }),
      (jobsPerSecond, waitTargetMs) => {
        const rate = { jobsPerSecond, how: "", kind: "measured" } as const;
        const bound = boundOf(rate, waitTargetMs);
        expect(Number.isInteger(bound)).toBe(true);
        expect(waitAtMs(bound, rate)).toBeLessThanOrEqual(waitTargetMs * (1 + 1e-9));
        expect(bound).toBeGreaterThan((0.9 * jobsPerSecond * waitTargetMs) / 1_000 - 1);
      },
    ),
  );
});

test("says what the bound follows from, and what present one and preset would mean", () => {
  const { bound, differs, facts } = boundAdvice(question());
  expect([bound, differs]).toEqual([1_000, true]);
  expect(facts.join("\n")).toMatch(
    /5\.00 s of waiting times 200 jobs\/s \(measured under overload while 300 jobs waited on average\) is 1000 jobs/,
  );
  expect(facts.join("\n")).toMatch(/preset of 1500 would mean a wait of up to 7\.50 s: rejected/);
  expect(facts.join("\n")).toMatch(
    /present bound of 500 means a wait of up to 2\.50 s: jobs are refused that could/,
  );
  expect(facts.join("\n")).toMatch(
    /goodput 900\/s of 2000\/s offered, 200 jobs\/s done, 20\.0 % of the jobs refused, 480 waiting at most, wait p95 2\.00 s, wait p95 900 ms for high and 2\.40 s for low/,
  );
  expect(facts.join("\n")).toMatch(/alone it is advised, not applied/);
});

test("a bound near the present one is no change", () => {
  expect(boundAdvice(question({ waitTargetMs: 2_600 }))).toMatchObject({
    bound: 520,
    differs: false,
  });
});

const { "queue.jobsPerSecond": _jobs, ...jobless } = full;
const { "queue.waitP95Ms": _wait, ...waitless } = full;
const { "queue.rejectRatio": _ratio, ...ratioless } = full;

test.each<[what: string, after: Overload, kind: string, because?: RegExp]>([
  ["jobs are refused, and all else is as before", under(full, 70), "not-worse"],
  [
    "fewer jobs get done",
    under({ ...full, "queue.jobsPerSecond": 170 }, 70),
    "worse",
    /jobs done fell/,
  ],
  [
    "jobs wait longer than they may",
    under({ ...full, "queue.waitP95Ms": 7_000 }),
    "worse",
    /7\.00 s/,
  ],
  ["other requests are answered late", under(full, 70, 600), "worse", /answers .* fell from 900/],
  ["far more is refused than the queue did", under(full, 800), "worse", /fell from 900/],
  [
    "refusals with a queue that refused none",
    under({ ...full, "queue.rejectRatio": 0 }, 200),
    "worse",
  ],
  ["jobs done are not told", under(jobless), "unknown", /jobs done were not measured/],
  ["waits are not told", under(waitless), "unknown", /waits were not measured/],
  ["refusals are not told", under(ratioless, 70), "unknown", /were not measured/],
  ["the generator was the limit", under(full, 0, 900, 500), "unknown", /late/],
  ["it is worse, and something else not told", under(waitless, 70, 600), "worse"],
])("overload with the bound where %s", (_what, after, kind, because = /(?:)/) => {
  const { compared, facts } = boundAdvice(question({ after }));
  expect(compared?.kind).toBe(kind);
  if (kind !== "not-worse") expect(facts.join()).toMatch(/: the bound stays 500/);
  expect(JSON.stringify(compared)).toMatch(because);
});

test("a window that began with jobs of an earlier one compares with nothing", () => {
  const sample = makeSample(full);
  const left = { id: "no-backlog", ok: false, value: 9, limit: 0, detail: "9 jobs left" } as const;
  const before = overloadOf({ ...sample, load: { ...sample.load, checks: [left] } });
  const { compared } = boundAdvice(question({ before, after: flooded }));
  expect(compared).toEqual({ kind: "unknown", because: "9 jobs left" });
});

test("pairs can show a lower bound where the queue is that deep, and a higher one where jobs are refused", () => {
  const short = { waitTargetMs: 1_000 };
  expect(boundAdvice(question({ ...short, usual: { "queue.depthMax": 190 } })).felt).toBe(true);
  expect(boundAdvice(question({ ...short, usual: { "queue.depthMax": 90 } })).felt).toBe(false);
  const refused = { usual: { "queue.rejectRatio": 0.02, "queue.depthMax": 500 } };
  expect(boundAdvice(question(refused)).felt).toBe(false);
  expect(boundAdvice(question({ ...refused, objective: "queue.rejectRatio" })).felt).toBe(true);
});

test("without any rate there is no bound, and the overload is told all the same", () => {
  const advice = boundAdvice(
    question({ before: overload({}), crew: { ...crew, serviceMeanMs: undefined } }),
  );
  expect(advice).toMatchObject({ bound: undefined, differs: false });
  expect(advice.facts[0]).toMatch(/no bound of the queue follows/);
});
