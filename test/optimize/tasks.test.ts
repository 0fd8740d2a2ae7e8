/** Bulk work in a run: which windows do which tasks, decisions by their metrics, and a budget that holds although windows take longer. */
import { describe, expect, test } from "vitest";
import type { Knob } from "../../src/core/knob.ts";
import type { Persona } from "../../src/core/persona.ts";
import type { WindowRequest } from "../../src/core/ports.ts";
import { optimize, type Run } from "../../src/optimize.ts";
import { defaultLimits } from "../../src/optimize/run.ts";
import { planRun } from "../../src/plan.ts";
import { done, erase, propose, trialsOf, type AnyTuner } from "../../src/tuners/tuner.ts";
import { createSimulator, type Simulator, type WorldState } from "../simulator.ts";

const size: Knob = {
  id: "size",
  title: "size",
  domain: { kind: "int", min: 1, max: 1_000 },
  default: 100,
  scope: "restart",
  set: { kind: "env", variable: "SIZE" },
};

const WINDOW_MS = 3_000;
const WARMUP_MS = 500;

const persona: Persona = {
  name: "analyst",
  title: "Analyst",
  description: "imports and asks",
  priority: "volume",
  workload: {
    name: "any",
    arrivals: "poisson",
    rate: { kind: "fixed", requestsPerSecond: 50 },
    warmupMs: WARMUP_MS,
    windowMs: WINDOW_MS,
    timeoutMs: 5_000,
  },
  objectives: [{ metric: "batch.recordsPerSecond", goal: 10_000, weight: 1 }],
  strategies: [
    {
      name: "batches",
      title: "Batches",
      tuner: "size-500",
      objective: "batch.recordsPerSecond",
      tasks: ["import"],
      settings: {},
    },
    {
      name: "everything",
      title: "Everything",
      tuner: "size-900",
      objective: "batch.aggregateQueryMs",
      settings: {},
    },
    {
      name: "nothing",
      title: "Nothing",
      tuner: "size-950",
      objective: "api.latencyP95Ms",
      tasks: [],
      settings: {},
    },
  ],
  constraints: [],
  minEffect: { ratio: 0.03, difference: 0.01 },
  budget: { totalMs: 60 * 60_000, pairsMax: 10, candidatesMax: 1 },
};

/** Probes the setting, with a load of its own and without, then proposes it. */
function setting(to: number): AnyTuner {
  const changes = (from: unknown) => [
    { kind: "set-knob" as const, knob: "size", from: Number(from), to },
  ];
  return erase<unknown>({
    id: `size-${to}`,
    title: `size ${to}`,
    rationale: "tests",
    roles: [],
    observe: ({ values }) => Promise.resolve(values["size"]),
    next: ({ observation, history }) => {
      if (trialsOf(history).length > 0) return done("tried");
      if (history.length < 2) {
        return {
          kind: "probe",
          changes: changes(observation),
          why: "to see what it does",
          ...(history.length === 1 && { load: { kind: "users", count: 5 } }),
        };
      }
      return propose(`size-${to}`, history, {
        hypothesis: "larger is faster",
        changes: changes(observation),
        evidence: [],
      });
    },
  });
}

const tuners = [setting(500), setting(900), setting(950)];

/** An import is 30 % faster at 500 and above, a question at 900 by `gain`. */
function simulate(seed: number, { importMs = 2_000, gain = 0, cv = 0.02 } = {}): Simulator {
  return createSimulator({
    knobs: [size],
    truth: () => ({ "api.latencyP95Ms": 20, "api.errorRate": 0 }),
    tasks: ({ values }: WorldState) => [
      {
        name: "import",
        kind: "ingest",
        records: 20_000,
        durationMs: importMs * (Number(values["size"]) >= 500 ? 0.7 : 1),
      },
      {
        name: "sums",
        kind: "query",
        durationMs: 300 * (Number(values["size"]) === 900 ? 1 - gain : 1),
        perWindow: 2,
      },
    ],
    noise: { cv, drift: { correlation: 0.5, sd: 0.01 }, trendPerWindow: 0, processSd: 0.01 },
    seed,
  });
}

interface Window extends Omit<WindowRequest, "role"> {
  readonly of: "observe" | WindowRequest["role"];
}

/** The run, and every window that it asked for. */
function runOn(simulator: Simulator, seed: number, budgetMs = persona.budget.totalMs) {
  const windows: Window[] = [];
  const { bench } = simulator;
  const run: Run = {
    plan: planRun(persona, "simulator", { budgetMs, rationaleOf: () => "tests" }),
    persona,
    tunerOf: (id) => tuners.find((tuner) => tuner.id === id),
    bench: {
      ...bench,
      sample: (request) => {
        windows.push({ ...request, of: request.role });
        return bench.sample(request);
      },
      observe: (request) => {
        windows.push({ ...request, of: "observe" });
        return bench.observe(request);
      },
    },
    target: simulator.target,
    journal: simulator.journal,
    clock: simulator.clock,
    deadline: budgetMs,
    seed,
    signal: new AbortController().signal,
    watched: ["batch.recordsPerSecond", "batch.aggregateQueryMs"],
    limits: defaultLimits,
    say: () => {},
  };
  return { run, windows };
}

describe("which tasks a window does", () => {
  test("those of its phase; all in the noise and the confirmation; none under a probe's own load", async () => {
    const simulator = simulate(1);
    const { run, windows } = runOn(simulator, 1);
    const { kept } = await optimize(run);
    expect(kept).toMatchObject([{ knob: "size", to: 500 }]);
    const asked = windows.map(({ tasks, users }) => (users ? `users ${String(tasks)}` : tasks));
    const order = asked
      .map((each) => (Array.isArray(each) ? `[${each.join()}]` : String(each)))
      .filter((each, index, all) => each !== all[index - 1]);
    expect(order).toEqual([
      "all", // the noise
      "[import]", // looking, and the first probe
      "users undefined",
      "[import]", // the trial, and looking again at what was kept
      "all", // the second phase names none
      "users undefined",
      "all",
      "[]", // the third wants none
      "users undefined",
      "[]",
      "all", // the confirmation
    ]);
  });

  test("a phase's objective comes of its own tasks, and the confirmation has those of all", async () => {
    const simulator = simulate(2);
    await optimize(runOn(simulator, 2).run);
    const { events } = simulator;
    const trial = events.find((event) => event.type === "trial-decided");
    if (trial?.type !== "trial-decided") throw new Error("a trial was decided");
    expect(trial.decision).toMatchObject({ verdict: "keep" });
    expect(trial.effects.map(({ metric }) => metric)).not.toContain("batch.aggregateQueryMs");
    const confirmed = events.find((event) => event.type === "confirmed");
    if (confirmed?.type !== "confirmed") throw new Error("it was confirmed");
    const records = confirmed.effects.find(({ metric }) => metric === "batch.recordsPerSecond");
    expect(records?.estimate).toBeGreaterThan(1.3);
    expect(records?.estimate).toBeLessThan(1.55);
    expect(confirmed.effects.map(({ metric }) => metric)).toContain("batch.aggregateQueryMs");
  });
});

test("a run whose windows go on for their tasks ends within its budget all the same", async () => {
  // An import of 20 s in a window of 3 s: a pair takes five times as long as planned.
  for (let minutes = 12; minutes <= 30; minutes += 1) {
    // What the second phase tries is as good as makes no difference: its trial goes on for as long as it may.
    const simulator = simulate(minutes, { importMs: 20_000, gain: 0.035, cv: 0.08 });
    const { run } = runOn(simulator, minutes, minutes * 60_000);
    await optimize({ ...run, plan: { ...run.plan, pairsMax: 30 } });
    const over = simulator.clock.now() - minutes * 60_000;
    expect(over, `${minutes} minutes`).toBeLessThanOrEqual(0);
  }
});
