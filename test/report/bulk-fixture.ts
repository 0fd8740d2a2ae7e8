/** Runs of bulk work: a Data Analyst's journal with tasks, batch metrics, two knobs searched together, and kept changes of the new kinds. */
import type { Entry, RunEvent } from "../../src/core/event.ts";
import type { Change, Knob } from "../../src/core/knob.ts";
import type { Persona } from "../../src/core/persona.ts";
import type { Sample, TaskResult } from "../../src/core/sample.ts";
import { candidateOf, effect, journal, setKnob, slow, type State } from "./journal-fixture.ts";
import { runStarted } from "./persona-fixture.ts";

const MB = 1024 ** 2;

const knobs: readonly Knob[] = [
  {
    id: "batch-size",
    title: "Batch size",
    role: "batch-size",
    domain: { kind: "int", min: 1, max: 50_000 },
    default: 100,
    scope: "restart",
    set: { kind: "env", variable: "BATCH_SIZE" },
  },
  {
    id: "batch-parallel",
    title: "Batches at a time",
    role: "batch-parallel",
    domain: { kind: "int", min: 1, max: 16 },
    default: 1,
    scope: "restart",
    set: { kind: "env", variable: "BATCH_PARALLEL" },
  },
  {
    id: "semi-space",
    title: "Semi-space",
    role: "semi-space",
    domain: { kind: "bytes", min: 0, max: 256 * MB },
    default: 0,
    scope: "restart",
    set: { kind: "node-option", flag: "--max-semi-space-size", unit: "mb" },
  },
  {
    id: "work-mem",
    title: "Memory of a sort",
    role: "pg-work-mem",
    domain: { kind: "bytes", min: 64 * 1024, max: 1024 * MB },
    default: 4 * MB,
    scope: "restart",
    set: { kind: "postgres", parameter: "work_mem" },
  },
  {
    id: "jit",
    title: "JIT",
    role: "pg-jit",
    domain: { kind: "bool" },
    default: true,
    scope: "restart",
    set: { kind: "postgres", parameter: "jit" },
  },
];

const analyst: Persona = {
  name: "data-analyst",
  title: "Data Analyst",
  description: "Few people, large answers",
  priority: "large-volume analysis",
  workload: {
    name: "analytical",
    arrivals: "poisson",
    rate: { kind: "share-of-saturation", share: 0.25 },
    warmupMs: 1_000,
    windowMs: 8_000,
    timeoutMs: 30_000,
  },
  objectives: [
    { metric: "batch.recordsPerSecond", goal: 10_000, stretch: 10_000, weight: 3 },
    { metric: "batch.aggregateQueryMs", goal: 2_000, stretch: 2_000, weight: 2 },
    { metric: "batch.reportMs", goal: 5_000, stretch: 5_000, weight: 2 },
    { metric: "service.memoryPeakBytes", goal: 416 * MB, weight: 1 },
    { metric: "service.gcPerMinute", goal: 15, weight: 1 },
  ],
  strategies: [
    {
      name: "batch-size",
      title: "Batch size and parallel batches",
      tuner: "batch",
      objective: "batch.recordsPerSecond",
      tasks: ["import-metrics"],
      settings: { "batch-size": 500 },
    },
  ],
  constraints: [{ kind: "no-regression", metric: "api.latencyP95Ms", tolerance: 0.25 }],
  minEffect: { ratio: 0.03, difference: 0.01 },
  budget: { totalMs: 1_200_000, pairsMax: 10, candidatesMax: 4 },
};

interface BulkState extends State {
  readonly recordsPerSecond: number;
  readonly queryTaskMs: number;
  readonly reportMs: number;
  readonly gcPerMinute: number;
}

const before: BulkState = {
  ...slow,
  recordsPerSecond: 8_500,
  queryTaskMs: 2_500,
  reportMs: 6_200,
  gcPerMinute: 30,
  memoryMb: 480,
};
const tuned: BulkState = {
  ...before,
  recordsPerSecond: 12_500,
  queryTaskMs: 1_400,
  reportMs: 4_600,
  gcPerMinute: 15,
};

const statistics: Change = {
  kind: "create-statistics",
  statistics: {
    schema: "public",
    table: "runs",
    name: "perfopt_runs_status_stage_stats",
    kinds: ["dependencies"],
    columns: ["status", "stage"],
  },
};
/** The first is what the overall report's tests undo again. */
const changes: readonly Change[] = [
  setKnob("batch-size", 100, 500),
  setKnob("batch-parallel", 1, 2),
  setKnob("semi-space", 0, 64 * MB),
  setKnob("work-mem", 4 * MB, 32 * MB),
  setKnob("jit", true, false),
  statistics,
];

/** `extra`: kept too, before the others. */
export function bulkRun(extra: readonly Change[] = []): readonly Entry[] {
  const run = journal();
  const state = { now: before };
  const add = run.add;
  add(startOf());
  add({
    type: "rate-set",
    saturationRequestsPerSecond: 300,
    requestsPerSecond: 75,
    how: "25 % of the saturation rate that a closed loop found on the baseline",
  });
  const phase = "batch-size";
  add({ type: "phase-started", phase, strategy: phase });
  run.observe(phase, state.now, { batchSize: 100 });
  for (const [size, parallel] of [
    [500, 1],
    [500, 2],
    [2_000, 1],
    [2_000, 2],
    [20_000, 2],
  ] as const)
    run.probe(
      phase,
      before,
      [setKnob("batch-size", 100, size), setKnob("batch-parallel", 1, parallel)],
      "coordinate search",
    );
  run.trial(
    phase,
    candidateOf("batch-500", "batch", "Larger batches cost fewer round trips", [
      ...extra,
      ...changes,
    ]),
    { pairs: 5, incumbent: before, candidate: tuned },
    (effects) => ({
      verdict: "keep",
      effect: { ...effect(effects, "api.latencyP95Ms"), metric: "batch.recordsPerSecond" },
      detail: "the whole interval is better",
    }),
  );
  for (const [index, change] of [...extra, ...changes].entries())
    run.apply(`change-${index + 1}`, change);
  add({ type: "phase-finished", phase, because: "every neighbour was tried" });
  const effects = run.pairs("confirm", 7, before, tuned);
  add({ type: "confirmed", effects, pairs: 7, detail: "everything kept, against the baseline" });
  add({ type: "run-finished", outcome: "completed", detail: "every phase ended" });
  return run.entries.map(withBulk);
}

function startOf(): RunEvent {
  const base = runStarted();
  if (base.type !== "run-started") throw new Error("it begins a run");
  return {
    ...base,
    command: ["perfopt", "run", "--persona", "data-analyst"],
    persona: analyst,
    target: { ...base.target, knobs: [...(base.target.knobs ?? []), ...knobs] },
    phases: [
      {
        name: "batch-size",
        title: "Batch size and parallel batches",
        tuner: "batch",
        rationale: "fewer round trips",
        budgetMs: 300_000,
      },
    ],
    baselineValues: {
      ...base.baselineValues,
      "batch-size": 100,
      "batch-parallel": 1,
      "semi-space": 0,
      "work-mem": 4 * MB,
      jit: true,
    },
  };
}

/** The journal fixture's windows with what bulk work adds, by the arm and the settings that they had. */
function withBulk(entry: Entry): Entry {
  const { event, seq } = entry;
  if (event.type === "confirmed")
    return {
      ...entry,
      event: { ...event, effects: [...event.effects, ...bulkEffects(event.pairs)] },
    };
  if (event.type === "sampled") {
    const state = event.role === "incumbent" ? before : tuned;
    return { ...entry, event: { ...event, sample: bulky(event.sample, state, event.pair) } };
  }
  if (event.type === "observed")
    return { ...entry, event: { ...event, sample: bulky(event.sample, before, seq) } };
  if (event.type !== "probed") return entry;
  const is500 = event.changes.some(
    (change) => change.kind === "set-knob" && change.knob === "batch-size" && change.to === 500,
  );
  const state = { ...before, recordsPerSecond: is500 ? 12_000 : 9_500 };
  return { ...entry, event: { ...event, sample: bulky(event.sample, state, seq) } };
}

function bulky(sample: Sample, state: BulkState, step: number): Sample {
  return {
    ...sample,
    load: { ...sample.load, tasks: tasksOf(state) },
    metrics: {
      ...sample.metrics,
      "batch.recordsPerSecond": state.recordsPerSecond + step,
      "batch.aggregateQueryMs": state.queryTaskMs + step,
      "batch.reportMs": state.reportMs + step,
      "service.memoryPeakBytes": state.memoryMb * MB,
      "service.gcPerMinute": state.gcPerMinute,
    },
  };
}

function tasksOf(state: BulkState): readonly TaskResult[] {
  return [
    {
      name: "import-metrics",
      kind: "ingest",
      durationsMs: [5e6 / state.recordsPerSecond, 5.2e6 / state.recordsPerSecond],
      records: 10_000,
      responseBytes: 240,
      failed: 0,
    },
    {
      name: "registry-report",
      kind: "report",
      durationsMs: [state.reportMs],
      records: 0,
      responseBytes: 6 * MB,
      failed: 1,
      failure: "503 <busy>",
    },
  ];
}

function bulkEffects(pairs: number) {
  const one = (
    metric:
      | "batch.recordsPerSecond"
      | "batch.aggregateQueryMs"
      | "batch.reportMs"
      | "service.gcPerMinute",
    from: number,
    to: number,
  ) => ({
    metric,
    compare: "ratio" as const,
    estimate: to / from,
    low: (to / from) * 0.97,
    high: (to / from) * 1.03,
    confidence: 0.95,
    pairs,
    permutationP: 0.016,
    incumbentMedian: from + (metric.startsWith("batch.") ? 3 : 0),
    candidateMedian: to + (metric.startsWith("batch.") ? 3 : 0),
  });
  return [
    one("batch.recordsPerSecond", before.recordsPerSecond, tuned.recordsPerSecond),
    one("batch.aggregateQueryMs", before.queryTaskMs, tuned.queryTaskMs),
    one("batch.reportMs", before.reportMs, tuned.reportMs),
    one("service.gcPerMinute", before.gcPerMinute, tuned.gcPerMinute),
  ];
}
