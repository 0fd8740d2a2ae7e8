/** A simulated service for capacity: one dial that helps, users whose p95 has a known limit, and overload that sheds or fails. */
import type { RunEvent } from "../../src/core/event.ts";
import type { Knob } from "../../src/core/knob.ts";
import type { Persona } from "../../src/core/persona.ts";
import { PerfoptError } from "../../src/core/errors.ts";
import type { WindowRequest } from "../../src/core/ports.ts";
import type { LoadResult, MetricValues, ValidityCheck } from "../../src/core/sample.ts";
import { parseSlo, type Slo } from "../../src/core/slo.ts";
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

export const limitMs = 200;

const CAPACITY = { before: 200, after: 300 };
const SERVICE_MS = 20;
const THINK_MS = 1_000;
const WINDOW_MS = 5_000;

const dial: Knob = {
  id: "dial",
  title: "dial",
  domain: { kind: "int", min: 0, max: 100 },
  default: 0,
  scope: "restart",
  set: { kind: "env", variable: "DIAL" },
};

export const atBaseline = { dial: 0 };

export const persona: Persona = {
  name: "tester",
  title: "Tester",
  description: "wants many users",
  priority: "users",
  workload: {
    name: "any",
    arrivals: "poisson",
    rate: { kind: "share-of-saturation", share: 0.4 },
    warmupMs: 500,
    windowMs: 3_000,
    timeoutMs: 5_000,
  },
  objectives: [{ metric: "api.latencyP95Ms", goal: 50, weight: 1 }],
  capacityObjectives: [{ metric: "api.usersSustained", goal: 250, weight: 1 }],
  capacity: {
    users: {
      think: { kind: "exponential", meanMs: THINK_MS },
      slos: [slo(`p95<${limitMs}ms`), slo("errors<1%")],
      windowMs: 3_000,
      windowsMax: 24,
    },
    overload: { factor: 2, windowMs: WINDOW_MS },
  },
  strategies: [
    {
      name: "first",
      title: "First",
      tuner: "turn-dial",
      objective: "api.latencyP95Ms",
      settings: {},
    },
  ],
  constraints: [],
  minEffect: { ratio: 0.03, difference: 0.01 },
  budget: { totalMs: 30 * 60_000, pairsMax: 30, candidatesMax: 3 },
};

function slo(text: string): Slo {
  const parsed = parseSlo(text);
  if (typeof parsed === "string") throw new Error(parsed);
  return parsed;
}

const tuner: AnyTuner = erase<null>({
  id: "turn-dial",
  title: "turn the dial",
  rationale: "tests",
  roles: [],
  observe: () => Promise.resolve(null),
  next: ({ history }) =>
    trialsOf(history).length > 0
      ? done("tried")
      : propose("turn-dial", history, {
          hypothesis: "the dial at 10 lowers p95",
          changes: [{ kind: "set-knob", knob: "dial", from: 0, to: 10 }],
          evidence: [],
        }),
});

/** Latency as of a queue that is served by a capacity: nine tenths of it are the limit. */
export function p95OfUsers(users: number, turned: boolean): number {
  const share = (users * 1_000) / THINK_MS / (turned ? CAPACITY.after : CAPACITY.before);
  return SERVICE_MS / (1 - Math.min(0.999, share));
}

interface ServiceOptions extends Pick<SimulatorOptions, "faults" | "truth"> {
  readonly helps?: boolean;
  /** CPU share of the generator in overload. */
  readonly generatorShare?: number;
  /** The service ends at the first window of overload. */
  readonly dies?: boolean;
  /** With the types of the events so far. */
  readonly onCall?: (label: string, count: number, events: readonly string[]) => void;
}

type Request = Omit<WindowRequest, "role">;

interface SimulatedService extends Simulator {
  /** Of every window, in order. */
  readonly requests: readonly Request[];
}

export function simulate(seed: number, options: Partial<ServiceOptions> = {}): SimulatedService {
  const { helps = true, generatorShare = 0.2, dies = false, onCall } = options;
  const requests: Request[] = [];
  const turned = (state: WorldState) => helps && state.values["dial"] === 10;
  const capacityOf = (state: WorldState) => (turned(state) ? CAPACITY.after : CAPACITY.before);
  const isOverload = ({ users, requestsPerSecond }: Request) =>
    !users && requestsPerSecond > CAPACITY.after;
  const truth = (state: WorldState, request: Request): MetricValues => {
    if (isOverload(request)) {
      if (dies) throw new PerfoptError("cannot-measure", "the service ended with signal 9", "look");
      return {
        "api.latencyP95Ms": 3_000,
        "queue.depthMax": 1_200,
        "queue.waitP95Ms": 900,
        "queue.deadLetters": 0,
      };
    }
    const p95 = request.users
      ? p95OfUsers(request.users.count, turned(state))
      : turned(state)
        ? 60
        : 100;
    return { "api.latencyP95Ms": p95, "api.errorRate": 0 };
  };
  const simulator: Simulator = createSimulator({
    knobs: [dial],
    truth: (state, request) => {
      requests.push(request);
      return (options.truth ?? truth)(state, request);
    },
    load: (state, request) =>
      isOverload(request)
        ? overloaded(request, capacityOf(state), turned(state), generatorShare)
        : usual(request),
    saturationRequestsPerSecond: capacityOf,
    noise: {
      cv: 0.05,
      processSd: 0.01,
      exact: ["queue.depthMax", "queue.waitP95Ms", "queue.deadLetters", "api.errorRate"],
    },
    seed,
    ...(options.faults ? { faults: options.faults } : {}),
    ...(onCall
      ? {
          onCall: (label, count) =>
            onCall(
              label,
              count,
              simulator.events.map(({ type }) => type),
            ),
        }
      : {}),
  });
  return { ...simulator, requests };
}

/** Each user sends once in a think time. */
function usual({ users, requestsPerSecond, windowMs }: Request): Partial<LoadResult> {
  const perSecond = users ? (users.count * 1_000) / THINK_MS : requestsPerSecond;
  const requests = Math.round((perSecond * windowMs) / 1_000);
  return { requests, statuses: { "200": requests }, requestsPerSecondReached: perSecond };
}

/** With the dial turned the service sheds what is too much; without, it lets it time out. */
function overloaded(
  { requestsPerSecond, windowMs }: Request,
  capacity: number,
  sheds: boolean,
  cpuShare: number,
): Partial<LoadResult> {
  const requests = (requestsPerSecond * windowMs) / 1_000;
  const good = Math.min(requests, (capacity * windowMs) / 1_000);
  const check: ValidityCheck = {
    id: "generator-cpu",
    ok: cpuShare <= 0.7,
    value: cpuShare,
    limit: 0.7,
    detail: `the load generator used ${cpuShare * 100} % of a core`,
  };
  return {
    requests,
    statuses: { "200": good, [sheds ? "429" : "timeout"]: requests - good },
    requestsPerSecondReached: sheds ? requestsPerSecond : capacity,
    generator: { lagP99Ms: 0.1, cpuShare },
    checks: [check],
  };
}

export function runOn(
  simulator: Simulator,
  seed: number,
  options: {
    readonly budgetMs?: number;
    readonly persona?: Persona;
    readonly signal?: AbortSignal;
  } = {},
): Run {
  const { budgetMs = persona.budget.totalMs, persona: who = persona } = options;
  return {
    plan: planRun(who, "simulator", { budgetMs, rationaleOf: () => "tests" }),
    persona: who,
    tunerOf: () => tuner,
    bench: simulator.bench,
    target: simulator.target,
    journal: simulator.journal,
    clock: simulator.clock,
    deadline: budgetMs,
    seed,
    signal: options.signal ?? new AbortController().signal,
    watched: ["api.latencyP95Ms", "api.errorRate"],
    limits: defaultLimits,
    say: () => {},
  };
}

export function eventsOf<T extends RunEvent["type"]>(
  simulator: Simulator,
  type: T,
): readonly Extract<RunEvent, { type: T }>[] {
  return simulator.events.filter(
    (event): event is Extract<RunEvent, { type: T }> => event.type === type,
  );
}
