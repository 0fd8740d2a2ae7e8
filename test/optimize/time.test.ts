/** A run's time: phases that ended for want of it go on in what the others left, and no window's length makes a run pass its deadline. */
import { describe, expect, test } from "vitest";
import type { Past } from "../../src/core/observation.ts";
import type { Persona } from "../../src/core/persona.ts";
import type { WindowRequest } from "../../src/core/ports.ts";
import { optimize, type Run } from "../../src/optimize.ts";
import { costsOf, planRun, NOISE_PAIRS } from "../../src/plan.ts";
import type { AnyTuner } from "../../src/tuners/tuner.ts";
import * as fc from "../properties.ts";
import { BOUND, persona, runOn, setting, simulate, underOverload, usual } from "./overloaded.ts";
import { eventsOf } from "./service.ts";

const second = { ...usual, name: "second", title: "Second", tuner: "set-bound" };
const third = { ...second, name: "third", title: "Third", tuner: "idle" };
const idle: AnyTuner = { ...setting("bound", []), id: "idle" };
/** A first phase of three may take seven twelfths of the time: the others are quicker. */
const three: Persona = {
  ...persona,
  strategies: [usual, second, third],
  budget: { ...persona.budget, candidatesMax: 40 },
};

/** Of both phases, in order: all that a tuner was asked. */
function watched(tuner: AnyTuner) {
  const asked: (readonly Past[])[] = [];
  const watching: AnyTuner = {
    ...tuner,
    next: (ask) => {
      asked.push([...ask.history]);
      return tuner.next(ask);
    },
  };
  return { asked, tuner: watching };
}

function probesOf(history: readonly Past[] = []): number {
  return history.filter(({ kind }) => kind === "probe").length;
}

const many = Array.from({ length: 16 }, (_, index) => 20 + index);
const quickly: AnyTuner = setting("bound", []);

/** The first phase has much to try, the second what it is given. */
async function gone(other: AnyTuner, options: { minutes: number; dialFactor?: number }) {
  const simulator = simulate(3, { dialFactor: options.dialFactor ?? 1 });
  const first = watched(setting("dial", [...many, 10]));
  const budgetMs = options.minutes * 60_000;
  const { run } = runOn(simulator, 3, {
    persona: three,
    tuners: [first.tuner, other, idle],
    budgetMs,
  });
  await optimize(run);
  return { simulator, asked: first.asked, budgetMs };
}

describe("a phase that ended for want of time", () => {
  test("goes on in what the others left, with the candidates that it has not tried", async () => {
    const { simulator, budgetMs } = await gone(quickly, { minutes: 6 });
    const starts = eventsOf(simulator, "phase-started");
    expect(starts.map(({ phase, again }) => [phase, again])).toEqual([
      ["usual", undefined],
      ["second", undefined],
      ["third", undefined],
      ["usual", true],
    ]);
    const trials = eventsOf(simulator, "trial-started");
    const ids = trials.map(({ candidate }) => candidate.id);
    expect(new Set(ids).size).toBe(ids.length);
    const lastStart = simulator.events.findLastIndex(({ type }) => type === "phase-started");
    expect(simulator.events.slice(lastStart).some(({ type }) => type === "trial-decided")).toBe(
      true,
    );
    expect(simulator.clock.now()).toBeLessThanOrEqual(budgetMs);
  });

  test("remembers what it probed when nothing was kept since", async () => {
    const { simulator, asked } = await gone(quickly, { minutes: 6 });
    expect(eventsOf(simulator, "probed")).toHaveLength(1);
    expect(asked.at(-1)?.filter(({ kind }) => kind === "probe")).toHaveLength(1);
  });

  test("forgets what it probed, and no trial, when something was kept since", async () => {
    const simulator = simulate(3);
    const first = watched(setting("dial", many));
    // The bound is worth keeping here: the same objective, of another knob.
    const helps: Persona = {
      ...three,
      strategies: [usual, { ...underOverload, name: "second", title: "Second" }, third],
    };
    const { run } = runOn(simulator, 3, {
      persona: helps,
      tuners: [first.tuner, setting("bound", [BOUND], 0), idle],
      budgetMs: 16 * 60_000,
    });
    await optimize(run);
    expect(simulator.state().values).toMatchObject({ bound: BOUND });
    const starts = eventsOf(simulator, "phase-started");
    expect(starts.map(({ again }) => again)).toEqual([undefined, undefined, undefined, true]);
    const restarted = first.asked.findIndex(
      (history, index) => index > 0 && probesOf(history) < probesOf(first.asked[index - 1]),
    );
    const before = first.asked[restarted - 1] ?? [];
    expect(restarted).toBeGreaterThan(0);
    expect(first.asked[restarted]).toEqual(before.filter(({ kind }) => kind === "trial"));
    const ids = eventsOf(simulator, "trial-started").map(({ candidate }) => candidate.id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("stays ended when no trial fits", async () => {
    const busy = setting("bound", many);
    const { simulator, budgetMs } = await gone(busy, { minutes: 6 });
    const again = eventsOf(simulator, "phase-started").filter((each) => each.again);
    for (const { phase } of again)
      expect(
        eventsOf(simulator, "trial-started").filter((each) => each.phase === phase),
      ).not.toEqual([]);
    expect(simulator.clock.now()).toBeLessThanOrEqual(budgetMs);
    const { simulator: poor } = await gone(busy, { minutes: 4 });
    expect(eventsOf(poor, "phase-started").filter((each) => each.again)).toEqual([]);
  });

  test("that was done does not go on", async () => {
    const { simulator } = await gone(quickly, { minutes: 300 });
    expect(eventsOf(simulator, "phase-started")).toHaveLength(3);
  });
});

/** As if windows took so many times as long: by the clock alone. */
function slower(run: Run, usualFactor: number, overloadFactor: number) {
  let extraMs = 0;
  let longestMs = 0;
  const { clock, bench } = run;
  const timed =
    <Q extends Omit<WindowRequest, "role">, R>(measure: (request: Q) => Promise<R>) =>
    async (request: Q): Promise<R> => {
      const from = clock.now();
      const result = await measure(request);
      const tookMs = clock.now() - from;
      const factor = request.overload ? overloadFactor : usualFactor;
      extraMs += (factor - 1) * tookMs;
      longestMs = Math.max(longestMs, factor * tookMs);
      return result;
    };
  const slow: Run = {
    ...run,
    clock: { now: () => clock.now() + extraMs },
    bench: {
      ...bench,
      sample: timed((each: WindowRequest) => bench.sample(each)),
      observe: timed((each: Omit<WindowRequest, "role">) => bench.observe(each)),
    },
  };
  return { slow, longestMs: () => longestMs };
}

test("no run passes its deadline by more than a window, however long its windows take", async () => {
  const strategies = [usual, { ...underOverload, name: "under" }, { ...second, name: "third" }];
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        seed: fc.integer({ min: 1, max: 1_000 }),
        usualFactor: fc.double({ min: 0.5, max: 5, noNaN: true }),
        overloadFactor: fc.double({ min: 0.5, max: 30, noNaN: true }),
        minutes: fc.double({ min: 1, max: 40, noNaN: true }),
        order: fc.shuffledSubarray(strategies, { minLength: 1 }),
        dialFactor: fc.constantFrom(0.6, 0.97, 1),
        p99Factor: fc.constantFrom(1, 1.5),
      }),
      async ({ seed, usualFactor, overloadFactor, minutes, order, ...service }) => {
        const who = { ...three, strategies: order };
        const simulator = simulate(seed, service);
        const { pairMs, confirmMs } = costsOf(who);
        // What is measured whatever the time: the noise, and what was kept.
        const leastMs = usualFactor * (NOISE_PAIRS * pairMs + confirmMs);
        const budgetMs = leastMs + minutes * 60_000;
        const { run } = runOn(simulator, seed, {
          persona: who,
          tuners: [setting("dial", [...many, 10]), setting("bound", [BOUND, ...many])],
          budgetMs,
        });
        const { slow, longestMs } = slower(run, usualFactor, overloadFactor);
        await optimize(slow);
        expect(slow.clock.now() - budgetMs).toBeLessThanOrEqual(longestMs());
      },
    ),
    // Shrinking would take minutes: each try is a whole run.
    { numRuns: 120, endOnFailure: true },
  );
});

function planned(who: Persona) {
  return planRun(who, "simulator", { budgetMs: 60 * 60_000, rationaleOf: () => "tests" }).estimate;
}

describe("the plan", () => {
  test("knows that windows under overload take longer, and that constraints are judged after them", () => {
    const usually = planned({ ...persona, strategies: [usual] });
    const overloaded = planned(persona);
    const free = planned({ ...persona, constraints: [] });
    expect(overloaded.leastMs).toBeGreaterThan(usually.leastMs);
    expect(free.mostMs).toBeGreaterThan(usually.mostMs);
    expect(overloaded.mostMs).toBeGreaterThan(free.mostMs);
  });
});
