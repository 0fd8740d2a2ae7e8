/** Capacity in the loop, on a simulated service whose truth is known: what is found, what it may cost, and what is left behind. */
import { describe, expect, test } from "vitest";
import { pendingUndo } from "../../src/journal/pending.ts";
import { overloadResult } from "../../src/optimize/overload.ts";
import { optimize } from "../../src/optimize.ts";
import { makeSample } from "../samples.ts";
import { crossingOf } from "../limit/service.ts";
import { SimulatedCrash, type Simulator } from "../simulator.ts";
import { atBaseline, eventsOf, limitMs, p95OfUsers, persona, runOn, simulate } from "./service.ts";

function usersOf(simulator: Simulator, of: "baseline" | "kept") {
  return eventsOf(simulator, "capacity-measured").find((event) => event.of === of)?.result.users;
}

describe("users within the SLO", () => {
  test("are found within the precision, before and after, over seeds", async () => {
    let right = 0;
    let wide = 0;
    const runs = 40;
    for (let seed = 1; seed <= runs; seed += 1) {
      const simulator = simulate(seed);
      await optimize(runOn(simulator, seed));
      for (const of of ["baseline", "kept"] as const) {
        const truth = crossingOf((users) => p95OfUsers(users, of === "kept"), limitMs);
        const users = usersOf(simulator, of);
        const { holds = 0, breaks = Infinity } = users ?? {};
        if (holds <= truth * 1.01 && breaks >= truth * 0.99) right += 1;
        if (breaks > holds * 1.2) wide += 1;
      }
    }
    expect(right / (2 * runs)).toBeGreaterThanOrEqual(0.95);
    expect(wide / (2 * runs)).toBeLessThanOrEqual(0.1);
  });

  test("the second search begins where the first ended", async () => {
    for (let seed = 1; seed <= 8; seed += 1) {
      const simulator = simulate(seed);
      await optimize(runOn(simulator, seed));
      const before = usersOf(simulator, "baseline");
      const after = usersOf(simulator, "kept");
      expect(after?.probes[0]?.load).toBe(before?.holds);
      expect(after?.holds).toBeGreaterThan((before?.breaks ?? Infinity) * 1.3);
    }
  });

  test("a metric that is never reported is said not to be measured, and the run goes on", async () => {
    const simulator = simulate(1, {
      truth: (_, { users }) => (users ? {} : { "api.latencyP95Ms": 100, "api.errorRate": 0 }),
    });
    const outcome = await optimize(runOn(simulator, 1));
    expect(outcome.outcome).toBe("completed");
    expect(usersOf(simulator, "baseline")).toBeUndefined();
    expect(eventsOf(simulator, "capacity-measured")[0]?.result.unmeasured?.[0]).toMatch(
      /how many users the baseline carries was not measured/,
    );
    expect(eventsOf(simulator, "warning").some(({ message }) => /users/.test(message))).toBe(true);
  });
});

describe("where it is measured", () => {
  test("at the end, after the confirmation: the baseline on one arm, what was kept on the other, each on fresh processes", async () => {
    const simulator = simulate(1);
    await optimize(runOn(simulator, 1));
    const order = simulator.events.map(({ type }) => type);
    const [baseline, kept] = order.flatMap((type, at) =>
      type === "capacity-measured" ? [at] : [],
    );
    expect(baseline).toBeGreaterThan(order.indexOf("confirmed"));
    expect(kept).toBeGreaterThan(baseline ?? Infinity);
    const calls = simulator.calls.filter((call) => !call.startsWith("append"));
    const restarts = calls.flatMap((call, at) => (call === "restartArms" ? [at] : []));
    const kinds = restarts.map((at) => calls[at - 1]);
    expect(kinds.slice(-2)).toEqual(["setArm incumbent []", "setArm candidate [knob dial=10]"]);
    expect(simulator.arm("candidate").values).toEqual({ dial: 10 });
  });

  test("once only when nothing was kept: both are the same", async () => {
    const simulator = simulate(2, { helps: false });
    await optimize(runOn(simulator, 1));
    expect(eventsOf(simulator, "capacity-measured").map(({ of }) => of)).toEqual(["baseline"]);
    expect(simulator.state().values).toEqual(atBaseline);
  });

  test("no two windows but those of a pair share a seed, and the closed loops have one each", async () => {
    const simulator = simulate(1);
    await optimize(runOn(simulator, 1));
    const seeds = simulator.calls.flatMap((call) => /^sample \w+ seed (\d+)/.exec(call)?.[1] ?? []);
    const often = seeds.filter((seed) => seeds.filter((each) => each === seed).length > 2);
    expect(often).toEqual([]);
    const loops = simulator.calls.filter((call) => call.startsWith("saturate"));
    // The run's rate, and the peak of either configuration.
    expect(loops).toHaveLength(3);
    expect(new Set(loops).size).toBe(3);
  });
});

describe("overload", () => {
  test("is the same rate before and after, and tells goodput, rejects and failures apart", async () => {
    const simulator = simulate(1);
    await optimize(runOn(simulator, 1));
    const [before, after] = eventsOf(simulator, "capacity-measured").map(
      ({ result }) => result.overload,
    );
    expect(before?.requestsPerSecondOffered).toBe(400);
    expect(after?.requestsPerSecondOffered).toBe(400);
    expect(before?.peakPerSecond).toBe(200);
    expect(after?.peakPerSecond).toBe(300);
    expect(before?.failedShare).toBeCloseTo(0.5, 2);
    expect(before?.rejectedShare).toBe(0);
    expect(after?.rejectedShare).toBeCloseTo(0.25, 2);
    expect(after?.failedShare).toBe(0);
    expect(after?.goodputPerSecond).toBeCloseTo(300, 0);
    expect(after?.queueDepthMax).toBe(1_200);
  });

  test("a service that answers everything too late has no more goodput than it answered in time", () => {
    const sample = makeSample({}, { requestsPerSecond: 400, windowMs: 5_000 });
    const load = { ...sample.load, requestsPerSecondReached: 190 };
    const result = overloadResult({ ...sample, load }, 400, 200);
    expect(result.goodputPerSecond).toBe(190);
  });

  test("where answers were counted one by one, goodput is those in time, and the late ones are told", () => {
    const sample = makeSample({}, { requestsPerSecond: 400, windowMs: 5_000 });
    const load = { ...sample.load, goodInTime: 900 };
    const result = overloadResult({ ...sample, load }, 400, 200, { withinMs: 500 });
    expect(result).toMatchObject({ goodputPerSecond: 180, withinMs: 500, failedShare: 0 });
    expect(result.lateShare).toBeCloseTo(0.55, 9);
    const uncounted = overloadResult(sample, 400, 200, { withinMs: 500 });
    expect(uncounted).not.toHaveProperty("withinMs");
    expect(uncounted).not.toHaveProperty("lateShare");
  });

  test("requests that were never sent count as failed", () => {
    const sample = makeSample({}, { requestsPerSecond: 300, windowMs: 5_000 });
    const load = { ...sample.load, dropped: 500, requestsPerSecondReached: 200 };
    expect(overloadResult({ ...sample, load }, 400, 200).failedShare).toBe(0.25);
  });

  test("that the generator could not send is measured once more, and said", async () => {
    const simulator = simulate(1, { generatorShare: 0.95 });
    await optimize(runOn(simulator, 1));
    const before = eventsOf(simulator, "capacity-measured")[0]?.result.overload;
    expect(before?.doubts?.[0]).toContain("95");
    const overloads = simulator.requests.filter(
      ({ requestsPerSecond }) => requestsPerSecond === 400,
    );
    // Two attempts each, before and after.
    expect(overloads).toHaveLength(4);
  });

  test("a service that dies of it is no failure of the run", async () => {
    const simulator = simulate(1, { dies: true });
    const outcome = await optimize(runOn(simulator, 1));
    expect(outcome.kept).toHaveLength(1);
    const results = eventsOf(simulator, "capacity-measured").map(({ result }) => result);
    expect(results.map(({ overload }) => overload)).toEqual([undefined, undefined]);
    expect(results[0]?.users?.holds).toBeGreaterThan(0);
    expect(results[0]?.unmeasured?.[0]).toMatch(/under overload was not measured: .*ended/);
  });
});

function noted(budgetMs: number) {
  return runOn(simulate(1), 1, { budgetMs }).plan.capacity;
}

describe("what it may cost", () => {
  test("is set aside: the run ends within its budget, and every phase has its turn", async () => {
    for (const minutes of [6, 9, 14, 30]) {
      const simulator = simulate(3);
      const budgetMs = minutes * 60_000;
      await optimize(runOn(simulator, 3, { budgetMs }));
      expect(simulator.clock.now()).toBeLessThan(budgetMs * 1.02);
      expect(eventsOf(simulator, "trial-decided")).toHaveLength(1);
    }
  });

  test("a machine on which everything takes three times as long shortens the search, not the phases", async () => {
    const simulator = simulate(3);
    const run = runOn(simulator, 3);
    const now = () => 3 * simulator.clock.now();
    await optimize({ ...run, clock: { now } });
    expect(now()).toBeLessThan(run.deadline * 1.05);
    expect(eventsOf(simulator, "trial-decided")).toHaveLength(1);
    expect(usersOf(simulator, "baseline")?.holds).toBeGreaterThan(0);
  });

  test("too small a budget shortens it, then leaves it out, and says so", () => {
    expect(noted(60 * 60_000)?.notes).toEqual([]);
    const shorter = noted(9 * 60_000);
    expect(shorter?.measured.users?.windowsMax).toBeLessThan(24);
    expect(shorter?.notes[0]).toMatch(/at most \d+ windows instead of 24/);
    const none = noted(60_000);
    expect(none?.measured).toEqual({});
    expect(none?.notes).toHaveLength(2);
    expect(none?.baselineMs).toBe(0);
  });

  test("what was left out for the budget is a warning in the journal", async () => {
    const simulator = simulate(1);
    await optimize(runOn(simulator, 1, { budgetMs: 150_000 }));
    expect(eventsOf(simulator, "capacity-measured")).toEqual([]);
    const warnings = eventsOf(simulator, "warning").map(({ message }) => message);
    expect(warnings.filter((each) => each.startsWith("capacity:"))).toHaveLength(2);
  });

  test("a plan without a capacity block is as it was", () => {
    const { capacity: _, ...without } = persona;
    expect(runOn(simulate(1), 1, { persona: without }).plan.capacity).toBeUndefined();
  });
});

describe("when something goes wrong", () => {
  test("an interrupt in the middle of it undoes everything", async () => {
    for (const stopAt of ["confirmed", "noise-measured"]) {
      const controller = new AbortController();
      let windows = 0;
      const simulator = simulate(1, {
        onCall: (label, _, events) => {
          if (!label.startsWith("sample") || !events.includes(stopAt)) return;
          windows += 1;
          if (windows === 4) controller.abort();
        },
      });
      await expect(
        optimize(runOn(simulator, 1, { signal: controller.signal })),
      ).rejects.toMatchObject({ code: "interrupted" });
      expect(simulator.state().values).toEqual(atBaseline);
      expect(pendingUndo(simulator.entries()).changes).toEqual([]);
    }
  });

  test("whatever call fails or kills, the target ends at its baseline or at what was confirmed", async () => {
    const clean = simulate(1);
    await optimize(runOn(clean, 1));
    for (let call = 1; call <= clean.calls.length; call += 5) {
      const failing = simulate(1, { faults: [{ kind: "throws", on: "any", call, when: "after" }] });
      const failed: unknown = await optimize(runOn(failing, 1)).catch((error: unknown) => error);
      if (failed instanceof Error) expect(failing.state().values).toEqual(atBaseline);
      const killed = simulate(1, { faults: [{ kind: "crashes", on: "any", call, when: "after" }] });
      await expect(optimize(runOn(killed, 1))).rejects.toThrow(SimulatedCrash);
      killed.revive();
      for (const { change } of pendingUndo(killed.entries()).changes)
        await killed.target.revert(change);
      expect(killed.state().values).toEqual(atBaseline);
    }
  });
});
