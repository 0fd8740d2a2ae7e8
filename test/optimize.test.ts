/** The loop on a simulated target whose truth is known: what it keeps, what it undoes, and in which order it acts. */
import { describe, expect, test } from "vitest";
import type { Change, Knob } from "../src/core/knob.ts";
import type { MetricId } from "../src/core/metric.ts";
import type { Persona } from "../src/core/persona.ts";
import { DirtyTargetError, PerfoptError } from "../src/core/errors.ts";
import { optimize, type Run } from "../src/optimize.ts";
import { orderOf } from "../src/decide/order.ts";
import { defaultLimits } from "../src/optimize/run.ts";
import { planRun } from "../src/plan.ts";
import { pendingUndo } from "../src/journal/pending.ts";
import { done, erase, propose, trialsOf, type AnyTuner } from "../src/tuners/tuner.ts";
import {
  createSimulator,
  SimulatedCrash,
  type Simulator,
  type SimulatorOptions,
  type WorldState,
} from "./simulator.ts";

const dial: Knob = {
  id: "dial",
  title: "dial",
  domain: { kind: "int", min: 0, max: 100 },
  default: 0,
  scope: "restart",
  set: { kind: "env", variable: "DIAL" },
};
const level: Knob = {
  ...dial,
  id: "level",
  title: "level",
  set: { kind: "env", variable: "LEVEL" },
};

const persona: Persona = {
  name: "tester",
  title: "Tester",
  description: "wants low latency",
  priority: "latency",
  workload: {
    name: "any",
    arrivals: "poisson",
    rate: { kind: "share-of-saturation", share: 0.4 },
    warmupMs: 500,
    windowMs: 3_000,
    timeoutMs: 5_000,
  },
  objectives: [{ metric: "api.latencyP95Ms", goal: 50, weight: 1 }],
  strategies: [
    {
      name: "first",
      title: "First",
      tuner: "turn-dial",
      objective: "api.latencyP95Ms",
      settings: {},
    },
    {
      name: "second",
      title: "Second",
      tuner: "turn-level",
      objective: "api.latencyP95Ms",
      settings: {},
    },
    { name: "later", title: "Later", objective: "api.latencyP95Ms", settings: {} },
  ],
  constraints: [{ kind: "no-regression", metric: "service.memoryBytes", tolerance: 0.1 }],
  minEffect: { ratio: 0.03, difference: 0.01 },
  budget: { totalMs: 30 * 60_000, pairsMax: 30, candidatesMax: 3 },
};

/** Turns one knob to 10 and is done. */
function turning(knob: string): AnyTuner {
  return erase<null>({
    id: `turn-${knob}`,
    title: `turn ${knob}`,
    rationale: "tests",
    roles: [],
    observe: () => Promise.resolve(null),
    next: ({ history }) =>
      trialsOf(history).length > 0
        ? done("tried")
        : propose(`turn-${knob}`, history, {
            hypothesis: `${knob} at 10 lowers p95`,
            changes: [{ kind: "set-knob", knob, from: 0, to: 10 } satisfies Change],
            evidence: [],
          }),
  });
}

const tuners: Readonly<Record<string, AnyTuner>> = {
  "turn-dial": turning("dial"),
  "turn-level": turning("level"),
};

/** p95 of 100 ms times a factor for each knob that was turned. */
function truthOf(factors: { dial: number; level: number; memory?: number }) {
  return (state: WorldState) => {
    const turned = (knob: string) => state.values[knob] === 10;
    const p95 = 100 * (turned("dial") ? factors.dial : 1) * (turned("level") ? factors.level : 1);
    return {
      "api.latencyP95Ms": p95,
      "api.latencyP50Ms": p95 / 4,
      "api.errorRate": 0,
      "service.memoryBytes": 1e8 * (turned("dial") ? (factors.memory ?? 1) : 1),
    } satisfies Partial<Record<MetricId, number>>;
  };
}

const noise = {
  cv: 0.05,
  drift: { correlation: 0.8, sd: 0.05 },
  trendPerWindow: 0.002,
  processSd: 0.01,
};

function simulate(seed: number, options: Partial<SimulatorOptions> = {}): Simulator {
  return createSimulator({
    knobs: [dial, level],
    truth: truthOf({ dial: 1, level: 1 }),
    noise,
    seed,
    ...options,
  });
}

function runOn(simulator: Simulator, seed: number, signal = new AbortController().signal): Run {
  const plan = planRun(persona, "simulator", {
    budgetMs: persona.budget.totalMs,
    rationaleOf: () => "tests",
  });
  return {
    plan,
    persona,
    tunerOf: (id) => tuners[id],
    bench: simulator.bench,
    target: simulator.target,
    journal: simulator.journal,
    clock: simulator.clock,
    deadline: persona.budget.totalMs,
    seed,
    signal,
    watched: ["api.latencyP95Ms", "api.latencyP50Ms", "api.errorRate", "service.memoryBytes"],
    limits: defaultLimits,
    say: () => {},
  };
}

const atBaseline = { dial: 0, level: 0 };

describe("what is kept", () => {
  test("a change that helps is kept, one that harms is not; the confirmation says by how much", async () => {
    const simulator = simulate(1, { truth: truthOf({ dial: 0.7, level: 1.3 }) });
    const outcome = await optimize(runOn(simulator, 1));
    expect(outcome.kept).toEqual([{ kind: "set-knob", knob: "dial", from: 0, to: 10 }]);
    expect(simulator.state().values).toEqual({ dial: 10, level: 0 });
    const confirmed = simulator.events.find((event) => event.type === "confirmed");
    const effect = confirmed?.effects.find((each) => each.metric === "api.latencyP95Ms");
    expect(effect?.low).toBeLessThan(0.7);
    expect(effect?.high).toBeGreaterThan(0.7);
    expect(effect?.incumbentMedian).toBeGreaterThan(effect?.candidateMedian ?? Infinity);
  });

  test("changes that do nothing are kept in at most 5 % of trials, under drift", async () => {
    let trials = 0;
    let kept = 0;
    for (let seed = 1; seed <= 150; seed += 1) {
      const simulator = simulate(seed);
      await optimize(runOn(simulator, seed));
      const decided = simulator.events.filter((event) => event.type === "trial-decided");
      trials += decided.length;
      kept += decided.filter((event) => event.decision.verdict === "keep").length;
    }
    expect(trials).toBe(300);
    expect(kept / trials).toBeLessThanOrEqual(0.05);
  });

  test("a gain of 20 % is kept in at least 95 % of runs, a loss of 20 % never", async () => {
    let found = 0;
    let harmed = 0;
    const runs = 60;
    for (let seed = 1; seed <= runs; seed += 1) {
      const simulator = simulate(seed, { truth: truthOf({ dial: 1 / 1.2, level: 1.2 }) });
      await optimize(runOn(simulator, seed));
      if (simulator.state().values["dial"] === 10) found += 1;
      if (simulator.state().values["level"] === 10) harmed += 1;
    }
    expect(found / runs).toBeGreaterThanOrEqual(0.95);
    expect(harmed).toBe(0);
  });

  test("a gain that costs too much memory is discarded for the constraint", async () => {
    const simulator = simulate(3, { truth: truthOf({ dial: 0.6, level: 1, memory: 1.6 }) });
    await optimize(runOn(simulator, 3));
    const decided = simulator.events.find((event) => event.type === "trial-decided");
    expect(decided?.decision).toMatchObject({ verdict: "discard", because: "constraint" });
    expect(simulator.state().values).toEqual(atBaseline);
  });

  test("a metric that is missing is never a pass", async () => {
    const simulator = simulate(4, {
      truth: (state) => {
        const { "service.memoryBytes": memory, ...rest } = truthOf({ dial: 0.5, level: 0.5 })(
          state,
        );
        return state.values["dial"] === 10 || state.values["level"] === 10
          ? rest
          : { ...rest, "service.memoryBytes": memory };
      },
    });
    await optimize(runOn(simulator, 4));
    expect(simulator.state().values).toEqual(atBaseline);
  });
});

describe("how it acts", () => {
  test("the intent is journalled before the real target is changed, and the change is applied after its trial", async () => {
    const simulator = simulate(1, { truth: truthOf({ dial: 0.6, level: 1 }) });
    await optimize(runOn(simulator, 1));
    const order = [
      "append trial-decided",
      "append change-applying",
      "apply knob dial=10",
      "append change-applied",
      "setArm incumbent [knob dial=10]",
    ];
    const at = order.map((label) => simulator.calls.indexOf(label));
    expect(at).not.toContain(-1);
    expect(at).toEqual(at.toSorted((a, b) => a - b));
  });

  test("both arms of a pair get the same seed, and no two pairs share one", async () => {
    const simulator = simulate(1);
    await optimize(runOn(simulator, 1));
    const seeds = simulator.calls
      .filter((call) => call.startsWith("sample "))
      .map((call) => call.split(" seed ")[1]);
    for (let index = 0; index < seeds.length; index += 2)
      expect(seeds[index]).toBe(seeds[index + 1]);
    expect(new Set(seeds).size).toBe(seeds.length / 2);
  });

  test("orders are balanced and differ between blocks and seeds", () => {
    const firsts = Array.from({ length: 400 }, (_, index) => orderOf(7, "block", index)).filter(
      (each) => each === "incumbent-first",
    );
    expect(firsts.length).toBe(200);
    const starts = Array.from({ length: 400 }, (_, seed) => orderOf(seed, "block", 0)).filter(
      (each) => each === "incumbent-first",
    );
    expect(Math.abs(starts.length - 200)).toBeLessThan(60);
  });

  test("a strategy without a tuner is left out of the phases", async () => {
    const simulator = simulate(1);
    await optimize(runOn(simulator, 1));
    const phases = simulator.events
      .filter((event) => event.type === "phase-started")
      .map((event) => event.phase);
    expect(phases).toEqual(["first", "second"]);
  });

  test("invalid windows are measured again, journalled, and never averaged in", async () => {
    const faults = [9, 15].map((call) => ({
      kind: "invalid" as const,
      on: "sample" as const,
      call,
      because: "the generator lagged",
    }));
    const simulator = simulate(1, { truth: truthOf({ dial: 0.6, level: 1 }), faults });
    const outcome = await optimize(runOn(simulator, 1));
    const invalid = simulator.events.filter(
      (event) => event.type === "sampled" && !event.sample.valid,
    );
    expect(invalid.length).toBe(2);
    expect(outcome.kept.length).toBe(1);
  });

  test("a candidate that cannot be measured is discarded as failed", async () => {
    const simulator = simulate(1);
    const broken: Run = {
      ...runOn(simulator, 1),
      bench: {
        ...simulator.bench,
        setArm: async (role, changes) => {
          if (changes.some((change) => change.kind === "set-knob" && change.knob === "dial"))
            throw new Error("the service does not start");
          await simulator.bench.setArm(role, changes);
        },
      },
    };
    await optimize(broken);
    const decided = simulator.events.find((event) => event.type === "trial-decided");
    expect(decided?.decision).toMatchObject({ verdict: "discard", because: "failed" });
    expect(simulator.events.filter((event) => event.type === "phase-finished").length).toBe(2);
  });

  test("it ends within its budget", async () => {
    const simulator = simulate(1, { truth: truthOf({ dial: 0.97, level: 0.97 }) });
    const short = 6 * 60_000;
    const plan = planRun(persona, "simulator", { budgetMs: short, rationaleOf: () => "tests" });
    await optimize({ ...runOn(simulator, 1), plan, deadline: short });
    expect(simulator.clock.now()).toBeLessThan(short * 1.1);
  });
});

describe("when something goes wrong", () => {
  const helpful = truthOf({ dial: 0.6, level: 0.6 });

  async function callsOfACleanRun(): Promise<number> {
    const simulator = simulate(1, { truth: helpful });
    await optimize(runOn(simulator, 1));
    return simulator.calls.length;
  }

  test("whatever call fails, the target ends at its baseline, or at what was confirmed", async () => {
    const total = await callsOfACleanRun();
    for (let call = 1; call <= total; call += 1) {
      for (const when of ["before", "after"] as const) {
        const simulator = simulate(1, {
          truth: helpful,
          faults: [{ kind: "throws", on: "any", call, when }],
        });
        const outcome = await optimize(runOn(simulator, 1)).catch((error: unknown) => error);
        const dirty = outcome instanceof DirtyTargetError;
        if (outcome instanceof Error && !dirty)
          expect(simulator.state().values).toEqual(atBaseline);
        if (dirty) expect(pendingUndo(simulator.entries()).changes.length).toBeGreaterThan(0);
      }
    }
  });

  test("killed at any call, undoing what the journal says is pending ends at the baseline", async () => {
    const total = await callsOfACleanRun();
    for (let call = 1; call <= total; call += 1) {
      for (const when of ["before", "after"] as const) {
        const simulator = simulate(1, {
          truth: helpful,
          faults: [{ kind: "crashes", on: "any", call, when }],
        });
        await expect(optimize(runOn(simulator, 1))).rejects.toThrow(SimulatedCrash);
        simulator.revive();
        for (const { change } of pendingUndo(simulator.entries()).changes)
          await simulator.target.revert(change);
        expect(simulator.state().values).toEqual(atBaseline);
      }
    }
  });

  test("an interrupt undoes everything and says so in the journal", async () => {
    const controller = new AbortController();
    const simulator = simulate(1, {
      truth: helpful,
      onCall: (label) => {
        if (label === "append phase-finished") controller.abort();
      },
    });
    const error: unknown = await optimize(runOn(simulator, 1, controller.signal)).catch(
      (each: unknown) => each,
    );
    expect(error).toBeInstanceOf(PerfoptError);
    expect(error).toMatchObject({ code: "interrupted" });
    expect(simulator.state().values).toEqual(atBaseline);
    expect(simulator.events.at(-1)).toMatchObject({ type: "run-finished", outcome: "interrupted" });
  });

  test("an undo that fails stops the run as dirty", async () => {
    const simulator = simulate(1, {
      truth: helpful,
      faults: [
        { kind: "throws", on: "apply", call: 2, when: "after" },
        { kind: "throws", on: "revert", call: 1, when: "before" },
      ],
    });
    await expect(optimize(runOn(simulator, 1))).rejects.toThrow(DirtyTargetError);
  });
});
