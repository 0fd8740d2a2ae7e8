/** Job queue: which policies it tries for what was observed, and what it keeps on services whose truth is known. */
import { expect, test } from "vitest";
import type { MetricId } from "../../src/core/metric.ts";
import type { MetricValues } from "../../src/core/sample.ts";
import { jobQueue } from "../../src/tuners/job-queue.ts";
import type { WorldState } from "../simulator.ts";
import { askOf, candidateOf, reasonOf, strategyOf, valuesOf, viewOf } from "./views.ts";
import type { ViewSketch } from "./views.ts";
import { keptShare, keptValues, runPhase } from "./worlds.ts";
import type { World } from "./worlds.ts";

const objective = "queue.waitHighP95Ms";
const phase = { tuner: jobQueue, objective } as const;

/** All classes wait alike in one line; in order of priority the high ones hardly do, the low ones until they have aged. */
const oneLine: World = {
  truth: ({ values }: WorldState): MetricValues => {
    const inOrder = values["classes"] === true;
    const ageingMs = Number(values["patience"]);
    return {
      "queue.waitP95Ms": 400,
      "queue.waitHighP95Ms": inOrder ? 40 : 400,
      "queue.waitNormalP95Ms": 400,
      "queue.waitLowP95Ms": inOrder ? Math.min(5_000, 2 * ageingMs) : 400,
      "queue.latencyP95Ms": 450,
      "queue.serviceMeanMs": 40,
      "queue.jobsPerSecond": 90,
      "queue.failureRatio": 0,
      "queue.deadLetters": 0,
    };
  },
};

test("classes that wait alike: priorities are kept, with an ageing from what the low class waits, and nothing starves", async () => {
  const outcome = await runPhase(oneLine, phase, 3);
  const { classes, patience } = keptValues(outcome);
  expect(classes).toBe(true);
  // Twice what the low class waited, never below a second.
  expect(patience).toBe(1_000);
  expect(outcome.because).toMatch(/the low class waits .* \(p95\), within the .*: nothing starves/);
});

test("a service on which priorities change nothing keeps hardly any", async () => {
  const flat: World = {
    truth: ({ values, ...rest }, request) =>
      oneLine.truth({ ...rest, values: { ...values, classes: false } }, request),
  };
  const { share, trials } = await keptShare(flat, phase, 60);
  expect(trials).toBeGreaterThan(50);
  expect(share).toBeLessThanOrEqual(0.05);
});

const waiting: MetricValues = {
  "queue.waitP95Ms": 400,
  "queue.waitHighP95Ms": 400,
  "queue.waitLowP95Ms": 400,
  "queue.latencyP95Ms": 450,
  "queue.serviceMeanMs": 40,
  "queue.jobsPerSecond": 90,
};

const { "queue.waitLowP95Ms": _, ...oneClass } = waiting;

async function stepOn(
  metrics: MetricValues,
  of: MetricId = "queue.latencyP95Ms",
  sketch: ViewSketch = {},
) {
  const observation = await jobQueue.observe(viewOf({ metrics, ...sketch }));
  return jobQueue.next(askOf(observation, { strategy: strategyOf(of) }));
}

test("a low class that starves has its ageing shortened, where the objective shows it; else it is advised", async () => {
  const starving = { ...waiting, "queue.waitHighP95Ms": 20, "queue.waitLowP95Ms": 40_000 };
  const values = { classes: true };
  const step = await stepOn(starving, "queue.waitLowP95Ms", { values });
  expect(valuesOf(step)).toEqual({ patience: 2_500 });
  // From 5 s: 40 s is not what two ageings of 5 s allow.
  expect(candidateOf(step).evidence.join()).toMatch(/waits 40\.0 s \(p95\), more than the 10\.1 s/);
  expect(reasonOf(await stepOn(starving, objective, { values }))).toMatch(
    /starves less .*advised, not applied: job wait p95, high priority does not show it/,
  );
  const never = { ...values, patience: 0 };
  const knobs = viewOf().knobs.map((knob) =>
    knob.id === "patience"
      ? { ...knob, domain: { kind: "duration" as const, min: 0, max: 600_000 } }
      : knob,
  );
  expect(reasonOf(await stepOn(starving, objective, { values: never, knobs }))).toMatch(
    /and never moves up/,
  );
});

test.each<[what: string, metrics: MetricValues, expected: Readonly<Record<string, unknown>>]>([
  [
    "failures that pass: try again sooner",
    { ...waiting, "queue.failureRatio": 0.1, "queue.deadLetters": 0 },
    { pause: 250 },
  ],
  [
    "idle workers while jobs wait: hand out several at once",
    { ...waiting, "queue.serviceMeanMs": 1 },
    { handful: 10 },
  ],
])("%s", async (_what, metrics, expected) => {
  expect(valuesOf(await stepOn(metrics))).toEqual(expected);
});

test("a low class that nothing was seen of is unknown, but for a queue in which no job waited", async () => {
  const sketch = { values: { classes: true } };
  const unseen = { ...oneClass, "queue.depthMax": 40 };
  const reason = reasonOf(await stepOn(unseen, objective, sketch));
  expect(reason).toMatch(/whether the low class starves is not known/);
  expect(reason).not.toMatch(/nothing starves/);
  const empty = { ...oneClass, "queue.depthMax": 0 };
  expect(reasonOf(await stepOn(empty, objective, sketch))).toMatch(/no job waited at all/);
});

test("workers idle and the event loop busy: batches save the loop's time, and that is said", async () => {
  const busy = { ...waiting, "queue.serviceMeanMs": 1, "service.eventLoopUtilization": 0.93 };
  const step = await stepOn(busy);
  expect(valuesOf(step)).toEqual({ handful: 10 });
  expect(candidateOf(step).evidence.join()).toMatch(/for the event loop, which is busy 93\.0 %/);
});

test("retries are not judged where nothing tells of jobs that were given up on", async () => {
  const failing = { ...waiting, "queue.failureRatio": 0.1 };
  expect(reasonOf(await stepOn(failing))).toMatch(
    /retries were not judged: how many jobs were given up on was not measured/,
  );
});

test.each<[what: string, of: MetricId, metrics: MetricValues, expected: object]>([
  [
    "failures that last: fewer attempts",
    "service.cpuMsPerRequest",
    {
      ...waiting,
      "service.cpuMsPerRequest": 1,
      "queue.failureRatio": 0.1,
      "queue.deadLetters": 50 / 3,
    },
    { tries: 2 },
  ],
  [
    "failures by chance: more attempts",
    "queue.deadLetters",
    { ...waiting, "queue.failureRatio": 0.4, "queue.deadLetters": 40 },
    { tries: 10 },
  ],
])("%s", async (_what, of, metrics, expected) => {
  expect(valuesOf(await stepOn(metrics, of, { windowMs: 5_000 }))).toEqual(expected);
});

test.each<[what: string, metrics: MetricValues, reason: RegExp]>([
  [
    "no job waits",
    { ...waiting, "queue.waitP95Ms": 1 },
    /priorities order jobs that wait: hardly any does \(p95 1\.00 ms of a job's 450 ms\)/,
  ],
  [
    "the high class goes first already",
    { ...waiting, "queue.waitHighP95Ms": 50 },
    /the high class waits far less than the low one already/,
  ],
  ["only one class is used", oneClass, /not both a high and a low class/],
  [
    "failures are rare",
    { ...waiting, "queue.failureRatio": 0.02, "queue.deadLetters": 0 },
    /too rare to be in the p95|hardly an attempt failed/,
  ],
  [
    "the workers are busy",
    waiting,
    /it is the workers that have hardly time left .*workers busy 90\.0 %/,
  ],
])("there is nothing to gain when %s, and it says so", async (_what, metrics, reason) => {
  expect(reasonOf(await stepOn(metrics))).toMatch(reason);
});

test("is done when the objective was not measured", async () => {
  expect(reasonOf(await stepOn({}))).toMatch(/job latency p95 was not measured/);
});
