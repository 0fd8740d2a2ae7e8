/** One phase of the loop on a simulated service whose truth is known, as `run` would do it. */
import type { Change } from "../../src/core/knob.ts";
import type { RunEvent } from "../../src/core/event.ts";
import type { MetricId } from "../../src/core/metric.ts";
import type { Persona, Strategy } from "../../src/core/persona.ts";
import { optimize } from "../../src/optimize.ts";
import { defaultLimits } from "../../src/optimize/run.ts";
import { planRun } from "../../src/plan.ts";
import type { AnyTuner } from "../../src/tuners/tuner.ts";
import { createSimulator, type SimulatorOptions } from "../simulator.ts";
import { knobs } from "./views.ts";

export type World = Pick<SimulatorOptions, "truth"> &
  Partial<Pick<SimulatorOptions, "values" | "view" | "load" | "noise">>;

export interface Phase {
  readonly tuner: AnyTuner;
  readonly objective: MetricId;
  readonly settings?: Strategy["settings"];
  readonly constraints?: Persona["constraints"];
  /** Of the saturation rate, what the windows of the run are sent at; absent: 80 %. */
  readonly share?: number;
  /** The phase's windows; absent: the run's own load. */
  readonly overload?: Strategy["overload"];
}

export interface PhaseOutcome {
  readonly kept: readonly Change[];
  readonly trials: readonly Extract<RunEvent, { type: "trial-decided" }>[];
  readonly probes: readonly Extract<RunEvent, { type: "probed" }>[];
  /** Why the phase ended. */
  readonly because: string;
}

/** Windows of 5 % noise on a machine that drifts. */
const noise = {
  cv: 0.05,
  drift: { correlation: 0.8, sd: 0.04 },
  processSd: 0.01,
  differenceSd: 0.01,
};

export const SATURATION = 1_000;
/** What the windows of a run are sent at: see `personaOf`. */
export const USUAL = 800;

export async function runPhase(world: World, phase: Phase, seed: number): Promise<PhaseOutcome> {
  const persona = personaOf(phase);
  const simulator = createSimulator({
    knobs,
    noise,
    seed,
    saturationRequestsPerSecond: SATURATION,
    ...world,
  });
  const plan = planRun(persona, "simulator", {
    budgetMs: persona.budget.totalMs,
    rationaleOf: () => "tests",
  });
  const outcome = await optimize({
    plan,
    persona,
    tunerOf: () => phase.tuner,
    bench: simulator.bench,
    target: simulator.target,
    journal: simulator.journal,
    clock: simulator.clock,
    deadline: persona.budget.totalMs,
    seed,
    signal: new AbortController().signal,
    watched: [phase.objective],
    limits: defaultLimits,
    say: () => undefined,
  });
  const events = simulator.events;
  return {
    kept: outcome.kept,
    trials: events.filter((event) => event.type === "trial-decided"),
    probes: events.filter((event) => event.type === "probed"),
    because: events.find((event) => event.type === "phase-finished")?.because ?? "",
  };
}

function personaOf(phase: Phase): Persona {
  const { tuner, objective, settings = {}, constraints = [], share = USUAL / SATURATION } = phase;
  const strategy = { name: "only", title: "Only", tuner: tuner.id, objective, settings };
  // The noise of an objective that only overload shows cannot be known: the run asks for one that its own windows show.
  const goal = phase.overload ? "api.latencyP95Ms" : objective;
  return {
    name: "tester",
    title: "Tester",
    description: "runs one phase",
    priority: "tests",
    workload: {
      name: "any",
      arrivals: "poisson",
      rate: { kind: "share-of-saturation", share },
      warmupMs: 1_000,
      windowMs: 5_000,
      timeoutMs: 10_000,
    },
    objectives: [{ metric: goal, goal: 1, weight: 1 }],
    strategies: [{ ...strategy, ...(phase.overload ? { overload: phase.overload } : {}) }],
    constraints,
    minEffect: { ratio: 0.03, difference: 0.01 },
    budget: { totalMs: 60 * 60_000, pairsMax: 14, candidatesMax: 4 },
  };
}

/** The values that kept changes lead to, by knob. */
export function keptValues({ kept }: PhaseOutcome) {
  return Object.fromEntries(
    kept.flatMap((change) => (change.kind === "set-knob" ? [[change.knob, change.to]] : [])),
  );
}

/** Share of these seeds' trials that ended in a keep, and how many there were. */
export async function keptShare(world: World, phase: Phase, seeds: number) {
  const outcomes: PhaseOutcome[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) outcomes.push(await runPhase(world, phase, seed));
  const trials = outcomes.flatMap((each) => each.trials);
  const kept = trials.filter(({ decision }) => decision.verdict === "keep").length;
  return { share: trials.length === 0 ? 0 : kept / trials.length, trials: trials.length };
}
