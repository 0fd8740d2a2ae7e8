import { describe, expect, test } from "vitest";
import type { Run } from "../../src/optimize.ts";
import { checkTogether } from "../../src/optimize/check.ts";
import { defaultLimits } from "../../src/optimize/run.ts";
import { planRun } from "../../src/plan.ts";
import { atBaseline, persona, simulate } from "./service.ts";

const turned = [{ kind: "set-knob", knob: "dial", from: 0, to: 10 }] as const;

function check(seed: number, { helps = true, leftMs = 600_000, pairMs = 0 } = {}) {
  const simulator = simulate(seed, { helps });
  const { bench, target, journal, clock } = simulator;
  const run: Run = {
    plan: planRun(persona, "simulator", { budgetMs: 600_000, rationaleOf: () => "tests" }),
    persona,
    tunerOf: () => undefined,
    bench,
    target,
    journal,
    clock,
    deadline: clock.now() + leftMs,
    seed,
    signal: new AbortController().signal,
    watched: ["api.latencyP95Ms"],
    limits: defaultLimits,
    say: () => {},
  };
  const checking = checkTogether(run, { changes: turned, requestsPerSecond: 33, pairMs });
  return { simulator, checking };
}

describe("the final check of a sequence", () => {
  test("measures everything kept against the state before it, at the rate it is told, and changes nothing", async () => {
    const { simulator, checking } = check(1);
    expect(await checking).toBe(true);
    const { events, requests } = simulator;
    const checked = events.at(-1);
    if (checked?.type !== "sequence-checked") throw new Error("it ends with its result");
    expect(checked).toMatchObject({ persona: "tester", requestsPerSecond: 33, pairs: 7 });
    const [effect] = checked.effects;
    expect(effect).toMatchObject({ metric: "api.latencyP95Ms", pairs: 7 });
    expect(effect!.high).toBeLessThan(1);
    const windows = events.filter((event) => event.type === "sampled");
    expect(windows).toHaveLength(14);
    expect(new Set(windows.map(({ block }) => block))).toEqual(new Set(["check-tester"]));
    expect(new Set(requests.map(({ requestsPerSecond }) => requestsPerSecond))).toEqual(
      new Set([33]),
    );
    expect(simulator.arm("incumbent").values).toEqual(atBaseline);
    expect(simulator.arm("candidate").values).toEqual({ dial: 10 });
    expect(simulator.calls.filter((call) => /^(apply|revert)/.test(call))).toEqual([]);
  });

  test("measures fewer pairs when the time is short, and none when it would say nothing", async () => {
    const short = check(2, { leftMs: 60_000 });
    expect(await short.checking).toBe(true);
    const last = short.simulator.events.at(-1);
    expect(last).toMatchObject({ type: "sequence-checked" });
    expect(last?.type === "sequence-checked" && last.pairs).toBeLessThan(7);
    const none = check(3, { leftMs: 20_000 });
    expect(await none.checking).toBe(false);
    expect(none.simulator.events).toEqual([]);
    // As long as in the persona's own run, whose bulk work made its windows longer than planned.
    const slow = check(4, { leftMs: 100_000, pairMs: 40_000 });
    expect(await slow.checking).toBe(false);
  });
});
