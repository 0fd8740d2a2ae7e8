/** Phases under overload in the loop: their windows, what the constraints are judged on, and what a service that gives up does to a run. */
import { describe, expect, test } from "vitest";
import { PerfoptError } from "../../src/core/errors.ts";
import { usualBlockOf } from "../../src/core/trial.ts";
import { pendingUndo } from "../../src/journal/pending.ts";
import { optimize } from "../../src/optimize.ts";
import { SimulatedCrash, type Fault, type Simulator } from "../simulator.ts";
import {
  BOUND,
  OVERLOAD_WINDOW_MS,
  persona,
  runOn,
  simulate,
  underOverload,
  usual,
  WITHIN_MS,
  type Service,
} from "./overloaded.ts";
import { eventsOf } from "./service.ts";

const atBaseline = { bound: 0, dial: 0 };
const both = { ...persona, strategies: [usual, underOverload] };
const USUAL = usualBlockOf({ id: "set-bound-1" });

function sampled(simulator: Simulator, block: string) {
  return eventsOf(simulator, "sampled").filter((event) => event.block === block);
}

function decisionOf(simulator: Simulator) {
  const [decided] = eventsOf(simulator, "trial-decided");
  if (!decided) throw new Error("a trial was decided");
  return decided;
}

async function ranOn(options: Service = {}) {
  const simulator = simulate(1, options);
  const { run, windows } = runOn(simulator, 1);
  const outcome = await optimize(run);
  return { simulator, windows, outcome };
}

/** At so many of the windows of the usual block. */
async function withUsualFaults(fault: (call: number) => Fault, count: number) {
  const clean = simulate(1);
  await optimize(runOn(clean, 1).run);
  const calls = clean.calls.filter((call) => !call.startsWith("observe"));
  const samples = calls.filter((call) => call.startsWith("sample"));
  const first = eventsOf(clean, "sampled").findIndex(({ block }) => block === USUAL);
  // One probe comes before the trial, and is no `sampled` line.
  const from = first + 2;
  expect(samples.length).toBeGreaterThan(from);
  const faults = Array.from({ length: count }, (_, index) => fault(from + index));
  return ranOn({ faults });
}

describe("windows of a phase under overload", () => {
  test("are at the factor of saturation, within its limit, without tasks; the others are the usual ones", async () => {
    const simulator = simulate(1);
    const { run, windows } = runOn(simulator, 1, { persona: both });
    await optimize(run);
    const overload = windows.filter((window) => window.overload);
    expect(overload.length).toBeGreaterThanOrEqual(12);
    for (const window of overload)
      expect(window).toMatchObject({
        requestsPerSecond: 1_000,
        windowMs: OVERLOAD_WINDOW_MS,
        overload: { withinMs: WITHIN_MS },
      });
    expect(overload.every(({ tasks }) => tasks === undefined)).toBe(true);
    const others = windows.filter((window) => !window.overload);
    expect(new Set(others.map(({ requestsPerSecond }) => requestsPerSecond))).toEqual(
      new Set([200]),
    );
    for (const { sample } of sampled(simulator, "set-bound-1"))
      expect(sample.load.requestsPerSecondTarget).toBe(1_000);
    for (const { sample } of sampled(simulator, USUAL))
      expect(sample.load.requestsPerSecondTarget).toBe(200);
    expect(simulator.calls.filter((call) => call.startsWith("saturate"))).toHaveLength(1);
  });

  test("without a limit of its own an answer counts as long as a client waits", async () => {
    const simulator = simulate(1);
    const strategies = [{ ...underOverload, overload: { factor: 3, windowMs: 2_000 } }];
    const { run, windows } = runOn(simulator, 1, { persona: { ...persona, strategies } });
    await optimize(run);
    const first = windows.find((window) => window.overload);
    expect(first).toMatchObject({ requestsPerSecond: 1_500, overload: { withinMs: 5_000 } });
  });

  test("the noise of usual windows is no measure for them", async () => {
    const simulator = simulate(1);
    const { run } = runOn(simulator, 1);
    const floors: number[] = [];
    await optimize({
      ...run,
      persona: {
        ...persona,
        strategies: [{ ...underOverload, objective: "api.latencyP95Ms" }],
      },
      tunerOf: (id) => {
        const tuner = run.tunerOf(id);
        return (
          tuner && {
            ...tuner,
            next: (ask) => {
              floors.push(ask.noiseFloor);
              return tuner.next(ask);
            },
          }
        );
      },
    });
    expect(new Set(floors)).toEqual(new Set([0]));
  });

  test("a run of such phases alone shows the noise of the persona's objective", async () => {
    const { simulator } = await ranOn();
    expect(eventsOf(simulator, "noise-measured")[0]?.objective).toBe("api.latencyP95Ms");
  });
});

describe("the constraints of a candidate proven under overload", () => {
  test("are judged in five usual pairs, on fresh processes, and what they break under overload counts for nothing", async () => {
    const { simulator, outcome } = await ranOn();
    expect(outcome.kept).toMatchObject([{ knob: "bound", to: BOUND }]);
    const { decision, effects, constraints } = decisionOf(simulator);
    expect(decision).toMatchObject({ verdict: "keep", effect: { metric: "api.goodRatio" } });
    expect(constraints).toMatchObject([{ metric: "api.latencyP99Ms", ok: true }]);
    // Of the windows under overload.
    expect(effects.find(({ metric }) => metric === "api.latencyP99Ms")?.estimate).toBeGreaterThan(
      1.3,
    );
    expect(sampled(simulator, USUAL)).toHaveLength(10);
    const types = simulator.calls;
    const restart = types.indexOf("restartArms");
    const staged = types.indexOf(`setArm candidate [knob bound=${BOUND}]`);
    expect(restart).toBeGreaterThan(staged);
  });

  test("a broken one discards, and nothing is applied", async () => {
    const { simulator, outcome } = await ranOn({ p99Factor: 1.6 });
    expect(outcome.kept).toEqual([]);
    const { decision, constraints } = decisionOf(simulator);
    expect(decision).toMatchObject({
      verdict: "discard",
      because: "constraint",
      effect: { metric: "api.goodRatio" },
    });
    expect(decision.detail).toMatch(/^A constraint is broken at the usual load: /);
    expect(constraints).toMatchObject([{ ok: false }]);
    expect(simulator.state().values).toEqual(atBaseline);
    expect(simulator.arm("incumbent").values).toEqual(atBaseline);
  });

  test("no gain under overload needs no usual pairs", async () => {
    const { simulator, outcome } = await ranOn({ goodRatio: 0.1 });
    expect(outcome.kept).toEqual([]);
    expect(sampled(simulator, USUAL)).toEqual([]);
  });

  test("a persona without constraints needs none either", async () => {
    const simulator = simulate(1);
    const { run } = runOn(simulator, 1, { persona: { ...persona, constraints: [] } });
    const { kept } = await optimize(run);
    expect(kept).toHaveLength(1);
    expect(sampled(simulator, USUAL)).toEqual([]);
  });

  test("one invalid usual window is measured again", async () => {
    const { simulator, outcome } = await withUsualFaults(
      (call) => ({ kind: "invalid", on: "sample", call, because: "the generator lagged" }),
      1,
    );
    expect(sampled(simulator, USUAL).filter(({ sample }) => !sample.valid)).toHaveLength(1);
    expect(outcome.kept).toHaveLength(1);
  });

  test("too many leave it inconclusive, and the run goes on", async () => {
    const { simulator, outcome } = await withUsualFaults(
      (call) => ({ kind: "invalid", on: "sample", call, because: "the generator lagged" }),
      40,
    );
    expect(outcome).toMatchObject({ outcome: "completed", kept: [] });
    const { decision, constraints } = decisionOf(simulator);
    expect(decision.verdict).toBe("inconclusive");
    expect(decision.detail).toMatch(/could not be judged at the usual load: .*generator lagged/);
    expect(constraints).toEqual([]);
    expect(simulator.state().values).toEqual(atBaseline);
  });

  test("a constraint whose metric is missing there is not held", async () => {
    const { simulator, outcome } = await withUsualFaults(
      (call) => ({
        kind: "reports",
        on: "sample",
        call,
        metric: "api.latencyP99Ms",
        value: undefined,
      }),
      10,
    );
    expect(outcome.kept).toEqual([]);
    expect(decisionOf(simulator).decision).toMatchObject({ because: "constraint" });
  });
});

/** A service that ends under overload where its bound makes it. */
function dying(isDead: (bound: unknown) => boolean) {
  const simulator = simulate(1);
  const { run } = runOn(simulator, 1, { persona: both });
  const { bench } = run;
  const died = new PerfoptError("cannot-measure", "the service ended with signal 9", "look");
  return {
    simulator,
    run: {
      ...run,
      bench: {
        ...bench,
        sample: async (request: Parameters<typeof bench.sample>[0]) => {
          if (request.overload && isDead(simulator.arm(request.role).values["bound"])) throw died;
          return bench.sample(request);
        },
        observe: async (request: Parameters<typeof bench.observe>[0]) => {
          if (request.overload && isDead(simulator.arm("incumbent").values["bound"])) throw died;
          return bench.observe(request);
        },
      },
    },
  };
}

describe("a service that gives up under overload", () => {
  test("as a candidate, it is discarded as failed", async () => {
    const { simulator, run } = dying((bound) => bound === BOUND);
    expect(await optimize(run)).toMatchObject({ outcome: "completed", kept: [] });
    const decided = eventsOf(simulator, "trial-decided").at(-1);
    expect(decided?.decision).toMatchObject({ verdict: "discard", because: "failed" });
    expect(decided?.decision.detail).toContain("signal 9");
    expect(simulator.state().values).toEqual(atBaseline);
  });

  test("as the incumbent, the phase ends and says so", async () => {
    const { simulator, run } = dying(() => true);
    expect(await optimize(run)).toMatchObject({ outcome: "completed", kept: [] });
    const ends = eventsOf(simulator, "phase-finished");
    expect(ends.map(({ phase }) => phase)).toEqual(["usual", "backpressure"]);
    expect(ends[1]?.because).toMatch(/could not be measured under overload: .*signal 9/);
  });
});

describe("when something goes wrong", () => {
  test("whatever call fails or kills, the target ends at its baseline or at what was confirmed", async () => {
    const clean = simulate(1, { dialFactor: 0.6 });
    await optimize(runOn(clean, 1, { persona: both }).run);
    expect(clean.state().values).toEqual({ bound: BOUND, dial: 10 });
    for (let call = 1; call <= clean.calls.length; call += 1) {
      for (const kind of ["throws", "crashes"] as const) {
        const fault = { kind, on: "any", call, when: "after" } as const;
        const simulator = simulate(1, { dialFactor: 0.6, faults: [fault] });
        const error: unknown = await optimize(runOn(simulator, 1, { persona: both }).run).then(
          () => undefined,
          (each: unknown) => each,
        );
        simulator.revive();
        if (error === undefined) continue;
        expect(error instanceof SimulatedCrash).toBe(kind === "crashes");
        for (const { change } of pendingUndo(simulator.entries()).changes)
          await simulator.target.revert(change);
        expect(simulator.state().values, `${kind} at call ${call}`).toEqual(atBaseline);
      }
    }
  });

  test("an interrupt in the usual block undoes what was kept before", async () => {
    const controller = new AbortController();
    const simulator: Simulator = simulate(1, {
      dialFactor: 0.6,
      onCall: () => {
        if (sampled(simulator, USUAL).length === 3) controller.abort();
      },
    });
    const { run } = runOn(simulator, 1, { persona: both, signal: controller.signal });
    await expect(optimize(run)).rejects.toMatchObject({ code: "interrupted" });
    expect(eventsOf(simulator, "change-applied")).toHaveLength(1);
    expect(simulator.state().values).toEqual(atBaseline);
    expect(simulator.events.at(-1)).toMatchObject({ outcome: "interrupted" });
  });
});
