/** Thread pool: how many threads it comes to on services whose truth is known, and what it says when none is better. */
import { expect, test } from "vitest";
import type { MetricId } from "../../src/core/metric.ts";
import type { MetricValues } from "../../src/core/sample.ts";
import { threadPool } from "../../src/tuners/thread-pool.ts";
import type { WorldState } from "../simulator.ts";
import { makeSample } from "../samples.ts";
import { askOf, reasonOf, strategyOf, valuesOf, viewOf } from "./views.ts";
import { keptShare, keptValues, runPhase } from "./worlds.ts";
import type { World } from "./worlds.ts";

const settings = { threads: 30 };
const byEfficiency = { tuner: threadPool, objective: "threads.efficiency", settings } as const;
const byLatency = { tuner: threadPool, objective: "api.latencyP95Ms", settings } as const;

/** CPU work that keeps `busy` cores busy; all threads are alive; each beyond the cores costs a little. */
function cpuWork(busy: number, more: (threads: number) => MetricValues = () => ({})): World {
  return {
    truth: ({ values }: WorldState) => {
      const threads = Number(values["threads-most"]);
      const idle = Number(values["threads-idle"]) <= 5_000 ? 0.7 : 1;
      const alive = Math.max(Number(values["threads-least"]), threads * idle);
      return {
        "threads.efficiency": Math.min(1, busy / alive),
        "threads.alive": alive,
        "threads.waitMs": 0.5,
        "service.eventLoopUtilization": 0.6,
        "service.contextSwitchesPerSecond": 2_000 + 300 * threads,
        "api.latencyP95Ms": 50 * (1 + 0.02 * Math.max(0, threads - 2)),
        "api.latencyP99Ms": 80,
        ...more(threads),
      };
    },
  };
}

test("the share of busy threads: as few as there are cores, with the pool's own minimum along, and no fewer", async () => {
  const outcome = await runPhase(
    { ...cpuWork(0.8), values: { "threads-least": 4 } },
    byEfficiency,
    3,
  );
  expect(keptValues(outcome)).toMatchObject({ "threads-most": 2, "threads-least": 2 });
  expect(outcome.trials[0]?.candidate.evidence.join("\n")).toMatch(
    /thread efficiency by threads: 16: \d\.\d %[^]*30: [^]*fewer than 2 were not tried: a burst of tasks would leave cores idle[^]*context switches\/s/,
  );
});

test("latency: the preset's larger pool loses, a smaller one is kept", async () => {
  const outcome = await runPhase(cpuWork(0.8), byLatency, 4);
  expect(Number(keptValues(outcome)["threads-most"])).toBeLessThan(9);
  expect(outcome.probes[0]?.changes).toMatchObject([{ to: 30 }]);
});

test("a pool whose tasks wait so long that requests feel it is not chosen, however busy its threads are", async () => {
  const starving = cpuWork(1.5, (threads) => (threads < 5 ? { "threads.waitMs": 20 } : {}));
  for (const seed of [1, 2, 3]) {
    const { kept } = await runPhase(starving, byEfficiency, seed);
    for (const change of kept) {
      if (change.kind === "set-knob" && change.knob === "threads-most") {
        expect(Number(change.to)).toBeGreaterThanOrEqual(5);
      }
    }
  }
});

test("threads that are idle for long are let go sooner once the size is settled", async () => {
  const stuck: World = cpuWork(0.8, (threads) => (threads < 16 ? { "threads.waitMs": 30 } : {}));
  const outcome = await runPhase(stuck, byEfficiency, 2);
  expect(keptValues(outcome)).toEqual({ "threads-idle": 1_000 });
});

test("without the wait for a thread no smaller pool is chosen, nor where only the probes lack it", async () => {
  const blind: World = {
    truth: (state, request) => {
      const { "threads.waitMs": _, ...rest } = cpuWork(0.8).truth(state, request);
      return rest;
    },
  };
  const half: World = {
    truth: (state, request) =>
      (state.values["threads-most"] === 16 ? cpuWork(0.8) : blind).truth(state, request),
  };
  for (const world of [blind, half]) {
    const { kept, because } = await runPhase(world, byEfficiency, 3);
    const changed = kept.flatMap((change) => (change.kind === "set-knob" ? change.knob : []));
    expect(changed).not.toContain("threads-most");
    if (world === blind) expect(because).toMatch(/fewer than 16 were not tried: how long tasks/);
  }
});

test("hardly any work: it ends at once, with what the work would keep the smallest pool busy", async () => {
  const quiet: World = {
    truth: ({ values }) => {
      const alive = Math.min(4, Number(values["threads-most"]));
      return {
        "threads.efficiency": 0.08 / alive,
        "threads.alive": alive,
        "threads.waitMs": 0.2,
        "api.latencyP95Ms": 50,
        "service.eventLoopUtilization": 0.9,
      };
    },
  };
  const { probes, trials, because } = await runPhase(quiet, byEfficiency, 5);
  expect([...probes, ...trials]).toEqual([]);
  expect(because).toMatch(
    /idle whatever their number, and nothing was tried: \d\.\d+ % of the time of \d\.\d+ threads is 0\.[01]\d+ threads' work, which would keep the smallest pool \(2\) busy \d\.\d+ % of the time/,
  );
  const exact: World = { ...quiet, noise: { cv: 0, differenceSd: 0 } };
  const byP95 = await runPhase(exact, { ...byLatency, settings: {} }, 5);
  expect(because).not.toMatch(/libuv's threads by|kept was not tried/);
  expect(byP95.probes.flatMap((each) => each.changes)).not.toContainEqual(
    expect.objectContaining({ knob: "threads-most" }),
  );
  expect(byP95.because).toMatch(/no number of threads was tried: tasks wait \d+ µs for one/);
});

test("a pool that never grew to half of what it may be: no more threads are tried", async () => {
  const small = cpuWork(0.8, () => ({ "threads.alive": 4, "threads.efficiency": 0.2 }));
  const { probes, because } = await runPhase(small, byEfficiency, 5);
  const tried = probes.flatMap(({ changes }) =>
    changes.flatMap((change) =>
      change.kind === "set-knob" && change.knob === "threads-most" ? Number(change.to) : [],
    ),
  );
  expect(Math.max(...tried)).toBeLessThan(16);
  expect(because).toMatch(/the pool never grew to half of that/);
});

test("a pool that is no larger than it needs to be is left alone, and so are threads that are kept anyway", async () => {
  const metrics = { "threads.efficiency": 0.3, "threads.alive": 2, "threads.waitMs": 0.2 };
  const because = reasonOf(
    (await first(metrics, "threads.efficiency", { "threads-most": 2, "threads-least": 2 }))({}),
  );
  expect(because).toMatch(
    /no number of threads was tried: 30\.0 % [^]*smallest pool \(2\) busy 30\.0 % of the time, no gain of more than 3\.0 points/,
  );
  expect(because).toMatch(/no more are alive \(2\.00\) than are kept anyway/);
});

/** A probe of the pool that measured what the observed window did. */
const same = (threads: number) => ({
  kind: "probe" as const,
  changes: [{ kind: "set-knob" as const, knob: "threads-most", from: 16, to: threads }],
  why: "test",
  sample: makeSample({ "api.latencyP95Ms": 100 }),
});

async function first(metrics: MetricValues, objective: MetricId, values = {}) {
  const observation = await threadPool.observe(viewOf({ metrics, values }));
  return (history: Parameters<typeof askOf>[1]) =>
    threadPool.next(askOf(observation, { strategy: strategyOf(objective, settings), ...history }));
}

test("libuv's threads are looked at only where they can matter", async () => {
  const usual = { "api.latencyP95Ms": 100, "service.eventLoopUtilization": 0.5 };
  const history = [30, 2, 6, 3, 1].map(same);
  const step = (await first(usual, "api.latencyP95Ms"))({ history });
  expect(Object.keys(valuesOf(step))).toEqual(["threads-of-libuv"]);
  const busy = { ...usual, "service.eventLoopUtilization": 0.97 };
  expect(reasonOf((await first(busy, "api.latencyP95Ms"))({ history }))).toMatch(
    /no number of threads was better than 16[^]*libuv's threads were not searched: the event loop is busy 97\.0 %/,
  );
});

test("says when nothing is measured of the threads", async () => {
  expect(reasonOf((await first({}, "threads.efficiency"))({}))).toMatch(
    /thread efficiency was not measured/,
  );
});

test("a service on which threads change nothing keeps hardly any", async () => {
  const fixed = cpuWork(0.8);
  const flat: World = {
    truth: ({ values, ...rest }, request) =>
      fixed.truth(
        { ...rest, values: { ...values, "threads-most": 16, "threads-idle": 60_000 } },
        request,
      ),
  };
  for (const phase of [byEfficiency, byLatency]) {
    const { share } = await keptShare(flat, phase, 40);
    expect(share).toBeLessThanOrEqual(0.05);
  }
});
