/** A simulated service for phases under overload: a bound that gives more good answers there, and may cost something at the usual load. */
import type { Change, Knob } from "../../src/core/knob.ts";
import type { Persona, Strategy } from "../../src/core/persona.ts";
import type { WindowRequest } from "../../src/core/ports.ts";
import type { Run } from "../../src/optimize.ts";
import { defaultLimits } from "../../src/optimize/run.ts";
import { planRun } from "../../src/plan.ts";
import { done, erase, propose, trialsOf, type AnyTuner } from "../../src/tuners/tuner.ts";
import {
  createSimulator,
  type Simulator,
  type SimulatorOptions,
  type WorldState,
} from "../simulator.ts";

const SATURATION = 500;
export const WITHIN_MS = 500;
export const OVERLOAD_WINDOW_MS = 4_000;
/** The bound that helps. */
export const BOUND = 16;

const bound: Knob = {
  id: "bound",
  title: "requests in flight",
  domain: { kind: "int", min: 0, max: 1_000 },
  default: 0,
  scope: "restart",
  set: { kind: "env", variable: "BOUND" },
};
const dial: Knob = { ...bound, id: "dial", title: "dial" };

export const underOverload: Strategy = {
  name: "backpressure",
  title: "Backpressure",
  tuner: "set-bound",
  objective: "api.goodRatio",
  overload: { factor: 2, windowMs: OVERLOAD_WINDOW_MS, withinMs: WITHIN_MS },
  settings: {},
};

export const usual: Strategy = {
  name: "usual",
  title: "Usual",
  tuner: "set-dial",
  objective: "api.latencyP95Ms",
  settings: {},
};

export const persona: Persona = {
  name: "tester",
  title: "Tester",
  description: "wants answers",
  priority: "answers",
  workload: {
    name: "any",
    arrivals: "poisson",
    rate: { kind: "fixed", requestsPerSecond: 200 },
    warmupMs: 500,
    windowMs: 3_000,
    timeoutMs: 5_000,
  },
  objectives: [{ metric: "api.latencyP95Ms", goal: 50, weight: 1 }],
  strategies: [underOverload],
  constraints: [{ kind: "no-regression", metric: "api.latencyP99Ms", tolerance: 0.1 }],
  minEffect: { ratio: 0.03, difference: 0.01 },
  budget: { totalMs: 30 * 60_000, pairsMax: 14, candidatesMax: 3 },
};

/** Probes so often, then proposes each value in turn. */
export function setting(knob: string, values: readonly number[], probes = 1): AnyTuner {
  const change = (from: unknown, to: number): Change => ({
    kind: "set-knob",
    knob,
    from: Number(from),
    to,
  });
  return erase<unknown>({
    id: `set-${knob}`,
    title: `set ${knob}`,
    rationale: "tests",
    roles: [],
    observe: ({ values: now }) => Promise.resolve(now[knob]),
    next: ({ observation, history }) => {
      const probed = history.filter(({ kind }) => kind === "probe").length;
      const to = values[trialsOf(history).length];
      if (to === undefined) return done("all were tried");
      if (probed < probes)
        return { kind: "probe", changes: [change(observation, to)], why: "to see what it does" };
      return propose(`set-${knob}`, history, {
        hypothesis: `${knob} at ${to} gives more good answers in time`,
        changes: [change(observation, to)],
        evidence: [],
      });
    },
  });
}

export interface Service extends Partial<SimulatorOptions> {
  /** What the bound does to p99 at the usual load. */
  readonly p99Factor?: number;
  /** What the dial at 10 does to p95 at the usual load. */
  readonly dialFactor?: number;
  /** Good answers in time under overload, of all requests, with the bound. */
  readonly goodRatio?: number;
}

export type Window = Omit<WindowRequest, "role">;

export function simulate(seed: number, options: Service = {}): Simulator {
  const { p99Factor = 1, dialFactor = 1, goodRatio = 0.45, ...rest } = options;
  const truth = ({ values }: WorldState, request: Window) => {
    const isBound = values["bound"] === BOUND;
    if (request.overload) {
      const good = isBound ? goodRatio : 0.1;
      return {
        "api.goodRatio": good,
        "api.goodputPerSecond": good * request.requestsPerSecond,
        "api.rejectRatio": isBound ? 0.5 : 0,
        // Far beyond the constraint, by design.
        "api.latencyP99Ms": isBound ? 4_900 : 3_000,
        "api.latencyP95Ms": isBound ? 4_000 : 2_500,
        "api.errorRate": 1 - good,
      };
    }
    return {
      "api.latencyP95Ms": 100 * (values["dial"] === 10 ? dialFactor : 1),
      "api.latencyP99Ms": 150 * (isBound ? p99Factor : 1),
      "api.rejectRatio": 0,
      "api.errorRate": 0,
    };
  };
  return createSimulator({
    knobs: [bound, dial],
    truth,
    noise: { cv: 0.03, processSd: 0.01, exact: ["api.rejectRatio", "api.errorRate"] },
    saturationRequestsPerSecond: SATURATION,
    seed,
    ...rest,
  });
}

export interface RunOptions {
  readonly persona?: Persona;
  readonly tuners?: readonly AnyTuner[];
  readonly budgetMs?: number;
  readonly signal?: AbortSignal;
}

/** The run, and every window that it asked for, observations too. */
export function runOn(simulator: Simulator, seed: number, options: RunOptions = {}) {
  const who = options.persona ?? persona;
  const tuners = options.tuners ?? [setting("bound", [BOUND]), setting("dial", [10])];
  const { budgetMs = who.budget.totalMs } = options;
  const windows: Window[] = [];
  const { bench } = simulator;
  const run: Run = {
    plan: planRun(who, "simulator", { budgetMs, rationaleOf: () => "tests" }),
    persona: who,
    tunerOf: (id) => tuners.find((tuner) => tuner.id === id),
    bench: {
      ...bench,
      sample: (request) => {
        windows.push(request);
        return bench.sample(request);
      },
      observe: (request) => {
        windows.push(request);
        return bench.observe(request);
      },
    },
    target: simulator.target,
    journal: simulator.journal,
    clock: simulator.clock,
    deadline: budgetMs,
    seed,
    signal: options.signal ?? new AbortController().signal,
    watched: [
      "api.latencyP95Ms",
      "api.latencyP99Ms",
      "api.errorRate",
      "api.goodRatio",
      "api.rejectRatio",
    ],
    limits: defaultLimits,
    say: () => {},
  };
  return { run, windows };
}
