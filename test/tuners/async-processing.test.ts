/** Async processing: workers by search, the queue's bound from the measured rate, on services whose truth is known. */
import { expect, test } from "vitest";
import type { WindowRequest } from "../../src/core/ports.ts";
import type { MetricValues } from "../../src/core/sample.ts";
import { asyncProcessing } from "../../src/tuners/async-processing.ts";
import type { WorldState } from "../simulator.ts";
import { makeSample } from "../samples.ts";
import { askOf, reasonOf, strategyOf, viewOf } from "./views.ts";
import { keptShare, keptValues, runPhase, USUAL } from "./worlds.ts";
import type { Phase, World } from "./worlds.ts";

const phase: Phase = { tuner: asyncProcessing, objective: "queue.latencyP95Ms" };

/** A single window's noise would decide whether overload with a new bound was worse. */
const exact = { cv: 0, differenceSd: 0 };

interface Service {
  /** Jobs a second at the run's load; as many more as there are requests under another. */
  readonly jobsPerSecond: number;
  /** Of one attempt, by the number of workers. */
  readonly serviceMs: (workers: number) => number;
  /** Of requests, by the number of workers. */
  readonly apiP99Ms?: (workers: number) => number;
}

/** Jobs as in a queue of several servers (Sakasegawa's approximation); what is more than they can do waits, up to the bound. */
function service({ jobsPerSecond, serviceMs, apiP99Ms = () => 50 }: Service): World {
  return {
    truth: ({ values }: WorldState, request: Omit<WindowRequest, "role">): MetricValues => {
      const workers = Number(values["crew"]);
      const load = request.requestsPerSecond / USUAL;
      const offered = jobsPerSecond * load;
      const meanMs = serviceMs(workers);
      const most = (workers * 1_000) / meanMs;
      const busy = offered / most;
      const seconds = request.windowMs / 1_000;
      const behind = Math.max(0, offered - most) * seconds;
      const depth = Math.min(Number(values["room"]), behind);
      const waitMs =
        busy < 0.98
          ? (3 * meanMs * busy ** (Math.sqrt(2 * (workers + 1)) - 1)) / (workers * (1 - busy))
          : (depth / most) * 1_000;
      return {
        "queue.latencyP95Ms": waitMs + 2 * meanMs,
        "queue.waitP95Ms": waitMs,
        "queue.serviceMeanMs": meanMs,
        "queue.jobsPerSecond": Math.min(offered, most),
        "queue.depthMean": depth / 2,
        "queue.depthMax": depth,
        "queue.rejectRatio": Math.max(0, behind - depth) / (offered * seconds),
        "api.latencyP99Ms": apiP99Ms(workers),
      };
    },
    // Refusals are answers as well: 950 a second come in time, whatever they are.
    load: (_state, { requestsPerSecond, windowMs }, metrics) => {
      const seconds = windowMs / 1_000;
      const offered = (jobsPerSecond * requestsPerSecond * seconds) / USUAL;
      const refused = Math.round((metrics["queue.rejectRatio"] ?? 0) * offered);
      return {
        statuses: { "200": Math.round(requestsPerSecond * seconds) - refused, "503": refused },
        requestsPerSecondReached: Math.min(requestsPerSecond, 950),
      };
    },
  };
}

const waiting = service({ jobsPerSecond: 90, serviceMs: () => 40 });
/** What the jobs wait for gives 200 of them a second, whatever the number of workers. */
const shared = (jobsPerSecond: number) =>
  service({ jobsPerSecond, serviceMs: (workers) => 40 * Math.max(1, workers / 8) });
const computing = service({
  jobsPerSecond: 60,
  // Two cores: up to two workers share them for nothing, more get in each other's way.
  serviceMs: (workers) => (workers <= 2 ? 10 * workers : 20 * (workers / 2) ** 1.3),
});

test("jobs that wait for something else: more workers are kept, and the bound goes along with them", async () => {
  const outcome = await runPhase({ ...shared(90), noise: exact }, phase, 7);
  const { crew, room } = keptValues(outcome);
  expect(Number(crew)).toBeGreaterThanOrEqual(6);
  // 5 s of what that many workers do in a second, or what was offered when that is less.
  expect(Number(room)).toBeGreaterThan(500);
  expect(outcome.trials[0]?.candidate.evidence.join("\n")).toMatch(
    /by workers: 4: [^]*bound of the queue: 5\.00 s of waiting times \d+ jobs\/s[^]*the preset of 1500 would mean/,
  );
  expect(outcome.probes.at(-1)?.load).toEqual({ kind: "of-saturation", factor: 2 });
});

test("jobs that need the CPU: fewer workers are kept, never more", async () => {
  const crews = await Promise.all(
    [1, 2, 3, 4, 5].map(async (seed) => keptValues(await runPhase(computing, phase, seed))["crew"]),
  );
  for (const crew of crews) expect(Number(crew ?? 4)).toBeLessThanOrEqual(4);
  expect(crews.filter((crew) => crew !== undefined && Number(crew) <= 3).length).toBeGreaterThan(3);
});

test("workers that cost the requests too much are not kept; fewer of them are tried instead", async () => {
  const greedy = service({
    jobsPerSecond: 90,
    serviceMs: () => 40,
    apiP99Ms: (workers) => (workers > 9 ? 90 : 50),
  });
  const constraints = [
    { kind: "no-regression", metric: "api.latencyP99Ms", tolerance: 0.1 },
  ] as const;
  for (const seed of [1, 2, 3]) {
    const { kept, trials } = await runPhase(greedy, { ...phase, constraints }, seed);
    const crew = Number(keptValues({ kept, trials, probes: [], because: "" })["crew"] ?? 4);
    expect(crew).toBeLessThanOrEqual(9);
    expect(crew).toBeGreaterThan(4);
  }
});

test("the target wait times the measured rate is the bound, and the preset is rejected by the same numbers", async () => {
  const four = service({ jobsPerSecond: 90, serviceMs: () => 40 });
  const steady: World = {
    ...four,
    noise: exact,
    truth: ({ values, ...rest }, request) =>
      four.truth({ ...rest, values: { ...values, crew: 4 } }, request),
  };
  const { kept, because } = await runPhase(steady, phase, 1);
  expect(kept).toEqual([]);
  // 100 jobs a second whatever the workers, twice the capacity offers 225.
  expect(because).toMatch(
    /5\.00 s of waiting times 100 jobs\/s \(measured under overload while \d+ jobs waited on average\) is 500 jobs/,
  );
  expect(because).toMatch(/1500 would mean a wait of up to 15\.0 s: rejected, above the 5\.00 s/);
  expect(because).toMatch(/present bound of 500 means a wait of up to 5\.00 s: as it should be/);
  const { because: patient } = await runPhase(
    steady,
    { ...phase, settings: { "wait-target": "20s" } },
    1,
  );
  expect(patient).toMatch(/20\.0 s of waiting times 100 jobs\/s .* is 2000 jobs/);
  expect(patient).toMatch(/1500 would mean .*: it would do no harm/);
  expect(patient).toMatch(/with room for 2000: goodput 950\/s of 2000\/s offered/);
  expect(patient).toMatch(/alone it is advised, not applied/);
});

test("where no job waits even under overload, the rate is what the workers could do, and that is said", async () => {
  const idle = service({ jobsPerSecond: 2, serviceMs: () => 10 });
  const { kept, because } = await runPhase(idle, phase, 3);
  expect(kept).toEqual([]);
  expect(because).toMatch(/hardly a job waits, so that more than 4 were not tried/);
  expect(because).toMatch(/4 workers over .* an attempt, at most, since hardly a job had to wait/);
  expect(because).toMatch(/advised at most, never applied: it stays 500/);
});

/** Jobs that come faster than 8 workers do them under overload, with room for far more than can be done in a second. */
const roomy: World = {
  ...shared(150),
  noise: exact,
  values: { room: 5_000 },
};
const hasty: Phase = { ...phase, settings: { "wait-target": "1s" } };

test("a bound that sheds jobs is kept though good answers get fewer: as many jobs are done, and none waits too long", async () => {
  const outcome = await runPhase(roomy, hasty, 3);
  const { crew, room } = keptValues(outcome);
  expect(Number(crew)).toBeGreaterThanOrEqual(6);
  expect(Number(room)).toBeLessThan(500);
  const after = outcome.probes.at(-1)?.sample.load;
  expect(after?.statuses["503"]).toBeGreaterThan(0.1 * 950 * 5);
});

test.each<[what: string, world: Partial<World>, reason: RegExp]>([
  [
    "other requests are answered late with it",
    { load: ({ values }) => ({ requestsPerSecondReached: values["room"] === 5_000 ? 950 : 500 }) },
    /was worse \(good answers in time and jobs refused fell/,
  ],
  [
    "the generator was at its limit",
    {
      load: () => ({
        checks: [{ id: "generator-cpu", ok: false, value: 1, limit: 0.8, detail: "no CPU left" }],
      }),
    },
    /could not be compared \(no CPU left\)/,
  ],
])(
  "the bound stays where %s, and the workers are kept all the same",
  async (_what, world, reason) => {
    const outcome = await runPhase({ ...roomy, ...world }, hasty, 3);
    const { crew, room } = keptValues(outcome);
    expect(Number(crew)).toBeGreaterThanOrEqual(6);
    expect(room).toBeUndefined();
    expect(outcome.trials[0]?.candidate.evidence.join("\n")).toMatch(reason);
  },
);

test("a step without the numbers to compare ends with the bound as it is", async () => {
  const observation = await asyncProcessing.observe(
    viewOf({ metrics: { "queue.latencyP95Ms": 100, "queue.waitP95Ms": 0 }, values: { crew: 1 } }),
  );
  const load = { kind: "of-saturation", factor: 2 } as const;
  const limit = { kind: "set-knob", knob: "room", from: 500, to: 1_000 } as const;
  const past = (changes: readonly [] | readonly [typeof limit], metrics: MetricValues) =>
    ({ kind: "probe", changes, why: "test", load, sample: makeSample(metrics) }) as const;
  const full = { "queue.jobsPerSecond": 200, "queue.depthMean": 50 };
  const history = [past([], full), past([limit], full)];
  const ask = { strategy: strategyOf("queue.latencyP95Ms"), history };
  expect(reasonOf(asyncProcessing.next(askOf(observation, ask)))).toMatch(
    /could not be compared \(waits were not measured\): the bound stays 500/,
  );
});

test("a service on which the number of workers changes nothing keeps hardly any", async () => {
  const flat: World = {
    truth: ({ values, ...rest }, request) =>
      waiting.truth({ ...rest, values: { ...values, crew: 4 } }, request),
  };
  const { share } = await keptShare(flat, phase, 60);
  expect(share).toBeLessThanOrEqual(0.05);
});
