/** Parallelism: threads, parts and reading ahead on services whose truth is known; where the CPU ends it; PostgreSQL's own workers. */
import { expect, test } from "vitest";
import type { LoadResult, MetricValues, TaskResult } from "../../src/core/sample.ts";
import { parallelism } from "../../src/tuners/parallelism.ts";
import type { WorldState } from "../simulator.ts";
import { askOf, reasonOf, strategyOf, valuesOf, viewOf } from "./views.ts";
import { keptShare, keptValues, runPhase } from "./worlds.ts";
import type { Phase, World } from "./worlds.ts";

const phase: Phase = {
  tuner: parallelism,
  objective: "batch.reportMs",
  settings: { "report-workers": 8 },
  share: 0.3,
};

interface Setting {
  readonly hands: number;
  readonly part: number;
  readonly ahead: number;
  readonly helpers: number;
}

function settingOf({ values }: Pick<WorldState, "values">): Setting {
  const of = (knob: string, otherwise: number) => Number(values[knob] ?? otherwise);
  return {
    hands: of("hands", 4),
    part: of("part", 500),
    ahead: of("read-ahead", 1),
    helpers: of("helpers", 2),
  };
}

/**
 * A report of 20,000 runs on so many cores: threads up to the cores share the work, beyond them they only take turns; each part costs
 * something by itself, and large ones leave threads idle at the end; what is not read ahead is waited for.
 */
function reportMs(cores: number, { hands, part, ahead, helpers }: Setting): number {
  const crew = Math.min(hands, cores);
  const turns = 1 + 0.03 * Math.max(0, hands - cores);
  const parts = 20_000 / part;
  const ends = 1 + (0.5 * hands) / Math.max(1, parts);
  const waits = 1 + 0.4 / Math.max(1, ahead);
  const queries = 1 + 0.1 * Math.abs(Math.log((helpers + 1) / 3));
  return ((4_000 / crew) * turns * ends + 3 * parts) * waits * queries;
}

/** The requests beside it take 30 % of the machine, the report what its threads can get of the rest. */
function machine(cores: number, more: (setting: Setting) => MetricValues = () => ({})): World {
  const during = ({ hands }: Setting) => Math.min(1, 0.3 + hands / cores);
  return {
    truth: (state, { windowMs, warmupMs, requestsPerSecond }) => {
      const setting = settingOf(state);
      const taskMs = reportMs(cores, setting);
      const otherMs = warmupMs + Math.max(0, windowMs - taskMs);
      const cpuMs = cores * (0.3 * otherMs + during(setting) * taskMs);
      return {
        "batch.reportMs": taskMs,
        "service.cpuMsPerRequest": cpuMs / ((requestsPerSecond * (windowMs + warmupMs)) / 1_000),
        "api.latencyP95Ms": 40,
        ...more(setting),
      };
    },
    load: (_state, _request, metrics): Partial<LoadResult> => ({
      tasks: [taskOf(metrics["batch.reportMs"] ?? 0)],
    }),
    view: () => ({ machine: { cores, memoryBytes: 8 * 1024 ** 3 }, warmupMs: 1_000 }),
    noise: {
      cv: 0.03,
      drift: { correlation: 0.8, sd: 0.02 },
      exact: ["service.cpuMsPerRequest"],
    },
  };
}

function taskOf(durationMs: number): TaskResult {
  return {
    name: "report",
    kind: "report",
    durationsMs: [durationMs],
    records: 0,
    responseBytes: 1_000_000,
    failed: 0,
  };
}

const triedWorkers = (probes: Awaited<ReturnType<typeof runPhase>>["probes"]) =>
  probes.flatMap(({ changes }) =>
    changes.flatMap((each) =>
      each.kind === "set-knob" && each.knob === "hands" ? [Number(each.to)] : [],
    ),
  );

test("eight cores: more threads, with the parts that suit them, near the best of the three together", async () => {
  const best = Math.min(
    ...[4, 6, 8, 10].flatMap((hands) =>
      [100, 200, 300, 500, 800, 1_500].flatMap((part) =>
        [1, 2, 4, 8, 16].map((ahead) => reportMs(8, { hands, part, ahead, helpers: 2 })),
      ),
    ),
  );
  const present = reportMs(8, settingOf({ values: {} }));
  let near = 0;
  for (let seed = 1; seed <= 20; seed += 1) {
    const kept = settingOf({ values: keptValues(await runPhase(machine(8), phase, seed)) });
    const found = reportMs(8, { ...kept, helpers: 2 });
    if (found <= best * 1.3) near += 1;
    expect(found).toBeLessThan(present);
  }
  expect(near).toBeGreaterThanOrEqual(16);
});

test("two cores, saturated by the present threads: no more of them are tried, fewer are, and why is said", async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const outcome = await runPhase(machine(2), phase, seed);
    const tried = triedWorkers(outcome.probes);
    expect(Math.max(...tried)).toBeLessThan(4);
    expect(tried).toContain(2);
    const said = [...outcome.trials.flatMap((each) => each.candidate.evidence), outcome.because];
    expect(said.join("; ")).toMatch(
      /more than 4 workers were not tried: with 4, at least \d+(\.\d+)? % of the 2 cores are in use while a report is made/,
    );
  }
});

test("the search stops at the number of threads with which the CPU is full", async () => {
  const outcome = await runPhase({ ...machine(2), values: { hands: 1 } }, phase, 2);
  // 8 is the hypothesis, measured once before it is known that they saturate the machine, and 2 the one for its cores.
  const beyond = triedWorkers(outcome.probes)
    .slice(1)
    .filter((count) => count > 2);
  expect(beyond).toEqual([]);
});

test("a preset that loses on two cores is said with its figures", async () => {
  const unknown = machine(2);
  const blind: World = {
    ...unknown,
    truth: (state, request) => {
      const { "service.cpuMsPerRequest": _, ...rest } = unknown.truth(state, request);
      return rest;
    },
  };
  const outcome = await runPhase(blind, phase, 3);
  const said = [...outcome.trials.flatMap((each) => each.candidate.evidence), outcome.because];
  expect(said.join("; ")).toMatch(
    /the preset of 8 for hands loses to the present 4 on 2 cores: report \+\d+\.\d % in its window/,
  );
  expect(said.join("; ")).toMatch(/2(\.00)? cores; how busy they are was not measured/);
});

test("a setting that the requests beside it feel is not chosen", async () => {
  const felt = machine(8, ({ hands }) => ({ "api.latencyP95Ms": hands > 6 ? 90 : 40 }));
  const beside: Phase = {
    ...phase,
    constraints: [{ kind: "no-regression", metric: "api.latencyP95Ms", tolerance: 0.25 }],
  };
  for (const seed of [1, 2, 3]) {
    const { hands = 4 } = keptValues(await runPhase(felt, beside, seed));
    expect(Number(hands)).toBeLessThanOrEqual(6);
  }
});

test("PostgreSQL's workers: none where queries are faster without, once the report's threads are settled", async () => {
  const without: World = {
    ...machine(2),
    truth: (state, request) => {
      const setting = settingOf(state);
      const truth = machine(2).truth(state, request);
      return { ...truth, "batch.reportMs": 2_000 * (setting.helpers === 0 ? 0.7 : 1) };
    },
  };
  const outcome = await runPhase(without, phase, 4);
  expect(keptValues(outcome)).toEqual({ helpers: 0 });
  expect(outcome.because).toMatch(/kept: 0 parallel workers of a query instead of 2/);
});

test("a report that nothing changes keeps hardly any setting", async () => {
  const flat: World = {
    ...machine(8),
    truth: () => ({ "batch.reportMs": 2_000, "api.latencyP95Ms": 40 }),
    noise: { cv: 0.05, drift: { correlation: 0.8, sd: 0.04 }, processSd: 0.01 },
  };
  const { share } = await keptShare(flat, phase, 40);
  expect(share).toBeLessThanOrEqual(0.05);
});

test("says when no report was measured, and never tries more PostgreSQL workers on a full machine", async () => {
  const strategy = strategyOf("batch.reportMs");
  const nothing = await parallelism.observe(viewOf({ metrics: {} }));
  expect(reasonOf(parallelism.next(askOf(nothing, { strategy })))).toMatch(
    /report was not measured/,
  );
  const metrics = {
    "batch.reportMs": 2_000,
    "service.cpuMsPerRequest": 10,
  };
  const full = await parallelism.observe(viewOf({ metrics, values: { helpers: 1 } }));
  const step = parallelism.next(
    askOf(full, {
      strategy,
      history: [2, 1, 3, 2, 2, 1, 1, 2, 2].map((to) => ({
        kind: "probe",
        changes: [{ kind: "set-knob", knob: "hands", from: 4, to }],
        why: "test",
        sample: { ...viewOf({ metrics }).sample },
      })),
    }),
  );
  expect(valuesOf(step)).toEqual({ helpers: 0 });
});
