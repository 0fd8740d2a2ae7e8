/** The queue's bound: from which rate it follows, what it says of the present one and of the preset. */
import { expect, test } from "vitest";
import { boundAdvice } from "../../../src/advise/concurrency/queue/advice.ts";
import type { BoundQuestion } from "../../../src/advise/concurrency/queue/advice.ts";
import { boundOf, serviceRateOf, waitAtMs } from "../../../src/advise/concurrency/queue/bound.ts";
import { overloadOf } from "../../../src/advise/concurrency/queue/overload.ts";
import type { MetricValues } from "../../../src/core/sample.ts";
import * as fc from "../../properties.ts";
import { makeSample } from "../../samples.ts";

const crew = { workers: 4, processes: 1, serviceMeanMs: 20 };
const overload = (metrics: MetricValues) =>
  overloadOf(makeSample(metrics, { requestsPerSecond: 2_000 }));
const flooded = overload({
  "queue.jobsPerSecond": 200,
  "queue.depthMean": 300,
  "queue.depthMax": 480,
  "queue.rejectRatio": 0.2,
  "queue.waitHighP95Ms": 900,
  "queue.waitLowP95Ms": 2_400,
  "api.goodputPerSecond": 900,
});

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
  expect(serviceRateOf(flooded, crew)).toMatchObject({ jobsPerSecond: 200, measured: true });
});

test("where none waited the rate is workers over the time of an attempt, in every process", () => {
  const idle = overload({ "queue.jobsPerSecond": 30, "queue.depthMean": 0.2 });
  expect(serviceRateOf(idle, crew)).toMatchObject({ jobsPerSecond: 200, measured: false });
  expect(serviceRateOf(idle, { ...crew, processes: 2 })?.jobsPerSecond).toBe(400);
  const measured = overload({ "queue.depthMean": 0, "queue.serviceMeanMs": 40 });
  expect(serviceRateOf(measured, crew)).toMatchObject({ jobsPerSecond: 100 });
  expect(serviceRateOf(overload({}), { ...crew, serviceMeanMs: undefined })).toBeUndefined();
});

test("nobody in a queue of the bound waits longer than the target, and the bound is not far below it", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1, max: 1e5, noNaN: true }),
      fc.integer({ min: 1_000, max: 60_000 }),
      (jobsPerSecond, waitTargetMs) => {
        const rate = { jobsPerSecond, how: "", measured: true };
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
    /goodput 900\/s of 2000\/s offered, 20\.0 % of the jobs refused, 480 waiting at most, wait p95 900 ms for high and 2\.40 s for low/,
  );
  expect(facts.join("\n")).toMatch(/alone it is advised, not applied/);
});

test("a bound near the present one is no change", () => {
  expect(boundAdvice(question({ waitTargetMs: 2_600 }))).toMatchObject({
    bound: 520,
    differs: false,
  });
});

test("a bound with which goodput falls under overload is not taken", () => {
  const worse = overload({ "api.goodputPerSecond": 700 });
  const advice = boundAdvice(question({ after: worse }));
  expect(advice.harmful).toBe(true);
  expect(advice.facts.join()).toMatch(
    /goodput at twice the capacity was worse .*: the bound stays 500/,
  );
  expect(boundAdvice(question({ after: overload({ "api.goodputPerSecond": 850 }) })).harmful).toBe(
    false,
  );
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
