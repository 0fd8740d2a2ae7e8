/** A target whose truth is known, behind the loop's own ports: seeded noise and drift, faults at any call, crashes that can be survived. */
import type { Entry, RunEvent } from "../src/core/event.ts";
import {
  changeKey,
  domainError,
  type Change,
  type Knob,
  type KnobValue,
} from "../src/core/knob.ts";
import { isMetricId, type MetricId } from "../src/core/metric.ts";
import type { TargetView } from "../src/core/observation.ts";
import type { Bench, Clock, Journal, Target, WindowRequest } from "../src/core/ports.ts";
import type { LoadResult, MetricValues, Sample, TaskResult } from "../src/core/sample.ts";
import type { Role } from "../src/core/trial.ts";
import { createNoise, type NoiseSettings } from "./noise.ts";
import { makeSample, type SampleOptions } from "./samples.ts";
import { simulateTasks, type SimulatedTask } from "./simulated-tasks.ts";
import { batchMetrics } from "../src/target/sample-batch.ts";

/** What a target or an arm is set to. */
export interface WorldState {
  readonly values: Readonly<Record<string, KnobValue>>;
  /** Names of the indexes that exist beside the primary keys. */
  readonly indexes: readonly string[];
  /** Names of extended statistics; absent: none. */
  readonly statistics?: readonly string[];
}

type Port =
  | "setArm"
  | "restartArms"
  | "sample"
  | "saturate"
  | "observe"
  | "apply"
  | "revert"
  | "append";

/** What goes wrong at the `call`th call (from 1) of a port, or of all ports together. */
export type Fault = { readonly on: Port | "any"; readonly call: number } & (
  | {
      /** `throws`: this call fails and later ones work. `crashes`: perfopt itself is gone until `revive`. */
      readonly kind: "throws" | "crashes";
      /** Whether the call's effect had happened. */
      readonly when: "before" | "after";
    }
  | { readonly kind: "invalid"; readonly because: string }
  | { readonly kind: "reports"; readonly metric: MetricId; readonly value: number | undefined }
);

export interface SimulatorOptions {
  readonly knobs: readonly Knob[];
  /** The baseline's values where they are not the knobs' defaults. */
  readonly values?: Readonly<Record<string, KnobValue>>;
  /** What a noiseless window would report in a state, of the load that was asked for: the known truth. */
  readonly truth: (state: WorldState, request: Omit<WindowRequest, "role">) => MetricValues;
  /** What the load engine would count of it beside the metrics: statuses, checks; absent: what follows from the metrics. */
  readonly load?: (
    state: WorldState,
    request: Omit<WindowRequest, "role">,
    metrics: MetricValues,
  ) => Partial<LoadResult>;
  /** The workload's bulk work in a state; its metrics are those of the tasks that a window does. Absent: there is none. */
  readonly tasks?: (state: WorldState) => readonly SimulatedTask[];
  readonly noise: NoiseSettings;
  readonly seed: number;
  readonly saturationRequestsPerSecond?: number | ((state: WorldState) => number);
  /** More of what tuners may look at: statements, Redis, a database that answers. */
  readonly view?: (state: WorldState) => Partial<TargetView>;
  readonly faults?: readonly Fault[];
  /** Told of every call before it happens, for example to abort the run at one. */
  readonly onCall?: (label: string, count: number) => void;
}

export interface Simulator {
  readonly bench: Bench;
  readonly target: Target;
  readonly journal: Journal;
  readonly clock: Clock;
  /** Every call in order, for example `apply knob l1-ttl=5000`. */
  readonly calls: readonly string[];
  readonly events: readonly RunEvent[];
  /** The journal as it would be read back, cut after `length` events. */
  readonly entries: (length?: number) => readonly Entry[];
  /** The real target now. */
  readonly state: () => WorldState;
  readonly arm: (role: Role) => WorldState;
  /** A new perfopt after a crash: calls work again; target and journal are as they were left. */
  readonly revive: () => void;
}

/** The process under test was killed: nothing it calls works any more, and nothing it catches helps. */
export class SimulatedCrash extends Error {
  constructor(label: string) {
    super(`perfopt was killed at: ${label}`);
    this.name = "SimulatedCrash";
  }
}

/** Virtual milliseconds that calls take beside their windows. */
const COST_MS = {
  setArm: 1_000,
  restartArms: 2_000,
  sample: 500,
  saturate: 5_000,
  observe: 500,
  apply: 500,
  revert: 500,
  append: 1,
} as const satisfies Record<Port, number>;

export function createSimulator(options: SimulatorOptions): Simulator {
  const baseline = baselineOf(options);
  const noise = createNoise(options.noise, options.seed);
  const caller = createCaller(options);
  const events: RunEvent[] = [];
  let real = baseline;
  const arms = { incumbent: startArm(baseline), candidate: startArm(baseline) };

  function startArm(state: WorldState) {
    return { state, offset: noise.startProcess() };
  }
  function measure(role: Role, request: Omit<WindowRequest, "role">): Sample {
    const { state, offset } = arms[role];
    const tasks = simulateTasks(options.tasks?.(state) ?? [], request);
    caller.pass(request.warmupMs + request.windowMs + (tasks?.overtimeMs ?? 0));
    const done = tasks && { tasks: tasks.results, overtimeMs: tasks.overtimeMs };
    const truth = { ...options.truth(state, request), ...bulkMetrics(done?.tasks) };
    const sample = caller.sampleOf(noise.window(truth, offset), request);
    const counted = options.load?.(state, request, sample.metrics) ?? {};
    return { ...sample, load: { ...sample.load, ...done, ...counted } };
  }

  return {
    bench: {
      setArm: (role, changes) =>
        caller.call("setArm", `setArm ${role} [${changes.map(changeKey).join(", ")}]`, () => {
          arms[role] = startArm(
            changes.reduce((state, each) => applied(options, state, each), baseline),
          );
        }),
      restartArms: () =>
        caller.call("restartArms", "restartArms", () => {
          arms.incumbent = startArm(arms.incumbent.state);
          arms.candidate = startArm(arms.candidate.state);
        }),
      sample: (request) =>
        caller.call("sample", `sample ${request.role} seed ${request.seed}`, () =>
          measure(request.role, request),
        ),
      saturate: (seed, role = "incumbent") =>
        caller.call("saturate", `saturate seed ${seed}`, () => {
          const { saturationRequestsPerSecond: saturation = 1_000 } = options;
          return typeof saturation === "number" ? saturation : saturation(arms[role].state);
        }),
      observe: (request) =>
        caller.call("observe", `observe seed ${request.seed}`, () => {
          const { state } = arms.incumbent;
          const sample = measure("incumbent", request);
          return { ...emptyView(options.knobs, state, sample), ...options.view?.(state) };
        }),
    },
    target: {
      baselineValues: baseline.values,
      apply: (change) =>
        caller.call("apply", `apply ${changeKey(change)}`, () => {
          real = applied(options, real, change);
          return `${changeKey(change)} is in place`;
        }),
      revert: (change) =>
        caller.call("revert", `revert ${changeKey(change)}`, () => {
          real = reverted(real, change);
          return `${changeKey(change)} is undone`;
        }),
    },
    journal: {
      append: (event) =>
        caller.call("append", `append ${event.type}`, () => {
          events.push(structuredClone(event));
        }),
    },
    clock: caller.clock,
    calls: caller.calls,
    events,
    entries: (length = events.length) =>
      events
        .slice(0, length)
        .map((event, seq) => ({ seq, at: new Date(seq).toISOString(), event })),
    state: () => real,
    arm: (role) => arms[role].state,
    revive: () => {
      caller.revive();
    },
  };
}

/** Those that tasks have. */
function bulkMetrics(tasks: readonly TaskResult[] = []): MetricValues {
  const metrics: Partial<Record<MetricId, number>> = {};
  for (const [id, value] of Object.entries(batchMetrics({ tasks }))) {
    if (isMetricId(id) && value !== undefined) metrics[id] = value;
  }
  return metrics;
}

function baselineOf({ knobs, values }: SimulatorOptions): WorldState {
  const defaults = Object.fromEntries(knobs.map((knob) => [knob.id, knob.default]));
  return { values: { ...defaults, ...values }, indexes: [] };
}

/** Counts calls, keeps the virtual time, and makes the faults happen. */
function createCaller({ faults = [], onCall }: SimulatorOptions) {
  const calls: string[] = [];
  const counts = new Map<Port, number>();
  let now = 0;
  let crashed: string | undefined;
  let current: readonly Fault[] = [];

  async function call<T>(port: Port, label: string, act: () => T): Promise<T> {
    if (crashed !== undefined) throw new SimulatedCrash(crashed);
    calls.push(label);
    const count = (counts.get(port) ?? 0) + 1;
    counts.set(port, count);
    onCall?.(label, calls.length);
    current = faults.filter(
      (fault) => fault.call === (fault.on === "any" ? calls.length : fault.on === port ? count : 0),
    );
    await Promise.resolve();
    fail("before", label);
    now += COST_MS[port];
    const result = act();
    fail("after", label);
    return result;
  }
  function fail(when: "before" | "after", label: string): void {
    for (const fault of current) {
      if (fault.kind !== "throws" && fault.kind !== "crashes") continue;
      if (fault.when !== when) continue;
      if (fault.kind === "throws") throw new Error(`simulated fault at: ${label}`);
      crashed = label;
      throw new SimulatedCrash(label);
    }
  }
  /** The window's sample as this call's faults leave it. */
  function sampleOf(measured: MetricValues, window: SampleOptions): Sample {
    const metrics = { ...measured };
    let invalidBecause: string | undefined;
    for (const fault of current) {
      if (fault.kind === "invalid") invalidBecause = fault.because;
      if (fault.kind !== "reports") continue;
      if (fault.value === undefined) delete metrics[fault.metric];
      else metrics[fault.metric] = fault.value;
    }
    return makeSample(metrics, {
      ...window,
      ...(invalidBecause !== undefined && { invalidBecause }),
    });
  }
  return {
    call,
    sampleOf,
    calls,
    clock: { now: () => now },
    pass: (ms: number) => {
      now += ms;
    },
    revive: () => {
      crashed = undefined;
    },
  };
}

function applied({ knobs }: SimulatorOptions, state: WorldState, change: Change): WorldState {
  if (change.kind === "create-index") {
    const others = state.indexes.filter((name) => name !== change.index.name);
    return { ...state, indexes: [...others, change.index.name] };
  }
  if (change.kind === "create-statistics") {
    const others = without(state.statistics, change.statistics.name);
    return { ...state, statistics: [...others, change.statistics.name] };
  }
  const knob = knobs.find((each) => each.id === change.knob);
  if (!knob) throw new Error(`the simulator has no knob ${change.knob}`);
  const wrong = domainError(knob.domain, change.to);
  if (wrong !== undefined) throw new Error(`knob ${knob.id}: ${wrong}`);
  return { ...state, values: { ...state.values, [change.knob]: change.to } };
}

function reverted(state: WorldState, change: Change): WorldState {
  if (change.kind === "create-index") {
    return { ...state, indexes: state.indexes.filter((name) => name !== change.index.name) };
  }
  if (change.kind === "create-statistics") {
    const { statistics, ...others } = state;
    const left = without(statistics, change.statistics.name);
    return left.length === 0 ? others : { ...others, statistics: left };
  }
  return { ...state, values: { ...state.values, [change.knob]: change.from } };
}

function without(names: readonly string[] = [], name: string): readonly string[] {
  return names.filter((each) => each !== name);
}

function emptyView(knobs: readonly Knob[], state: WorldState, sample: Sample): TargetView {
  return {
    knobs,
    values: state.values,
    sample,
    statements: [],
    redis: undefined,
    database: {
      query: () => Promise.resolve([]),
      together: (use) => use(() => Promise.resolve([])),
      withPlanner: () => Promise.reject(new Error("the simulator has no planner's server")),
    },
    machine: { cores: 2, memoryBytes: 4 * 1024 ** 3 },
  };
}
