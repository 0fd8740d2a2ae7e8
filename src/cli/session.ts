/** One persona's run from start to report: stores, arms, loop, and everything taken down again whatever happens. */
import { mkdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { readTrace } from "../advise/cache/trace/read.ts";
import { proveStructures } from "../advise/structures/prove.ts";
import { DirtyTargetError, messageOf, redactSecrets } from "../core/errors.ts";
import type { CapacityResult } from "../core/capacity.ts";
import type { RunEvent, TargetFacts } from "../core/event.ts";
import type { Change } from "../core/knob.ts";
import type { MetricId } from "../core/metric.ts";
import type { Persona } from "../core/persona.ts";
import type { Plan } from "../core/plan.ts";
import type { TargetFile } from "../core/target-file.ts";
import type { Effect } from "../core/trial.ts";
import type { WorkloadDefinition } from "../core/workload.ts";
import { openJournal } from "../journal/journal.ts";
import { registerRun, type RunRecord } from "../journal/runs.ts";
import { closeLoad } from "../load/engine.ts";
import { optimize } from "../optimize.ts";
import { defaultLimits } from "../optimize/run.ts";
import { BENCH_DESIGN, openBench, type BenchOptions } from "../target/arms.ts";
import { openTarget } from "../target/live.ts";
import { postgresKnobs, sessionPlace } from "../target/postgres-settings.ts";
import type { Source } from "../target/source.ts";
import { withConnection } from "../target/sql.ts";
import { tunerOf } from "../tuners/index.ts";
import type { Context } from "./context.ts";
import { environmentFacts } from "./environment.ts";
import { lagAllowed, requestOf } from "./load.ts";
import { loadFunctions } from "./load-functions.ts";
import { loadParameters } from "./parameters.ts";
import { progressOf, type Progress } from "./progress.ts";
import { writeReport } from "./report.ts";
import { refuseWhenDirty } from "./runs.ts";
import { planText, type Job } from "./job.ts";
import { openStores } from "./solo.ts";

export interface RunResult {
  readonly run: string;
  readonly persona: string;
  readonly target: string;
  readonly report: string;
  readonly journal: string;
  readonly detail: string;
  readonly kept: readonly Change[];
  /** Of the confirmation: everything kept against the baseline. */
  readonly effects: readonly Effect[];
  /** Where the persona asks for it: once on the baseline, and once on everything kept; not paired. */
  readonly capacity?: { readonly [Of in "baseline" | "kept"]?: CapacityResult };
}

/** What taking the arms down and writing the report needs of the budget. */
const CLOSING_MS = 8_000;
/** What every report shows beside the objectives. */
const WATCHED: readonly MetricId[] = [
  "api.latencyP50Ms",
  "api.latencyP95Ms",
  "api.latencyP99Ms",
  "api.errorRate",
  "db.queryMeanMs",
  "db.statementsPerRequest",
  "db.buffersPerRequest",
  "db.indexHitRate",
  "db.bufferHitRate",
  "db.cpuMsPerRequest",
  "pool.useRatio",
  "pool.waitMs",
  "cache.hitRate",
  "cache.l1HitRate",
  "cache.l2HitRate",
  "redis.usedBytes",
  "redis.evictionsPerSecond",
  "redis.commandsPerRequest",
  "service.cpuMsPerRequest",
  "service.memoryBytes",
  "service.eventLoopDelayP99Ms",
  "service.eventLoopUtilization",
  // Of bulk work, and of the memory that it takes; what a persona's windows do not have is left out.
  "batch.recordsPerSecond",
  "batch.aggregateQueryMs",
  "batch.reportMs",
  "batch.reportBytesPerSecond",
  "service.memoryPeakBytes",
  "service.heapUsedBytes",
  "service.nonHeapBytes",
  "service.gcShare",
  "service.gcPerMinute",
  "service.gcMajorPerMinute",
  "service.gcPauseP99Ms",
];

/** Of a run in a sequence. */
export interface RunPlace {
  /** The sequence's id. */
  readonly sequence: string;
  /** Told before anything is measured. */
  readonly onBegun: (run: string) => void;
}

export async function runPersona(
  context: Context,
  job: Job,
  planOf: (job: Job, leftMs: number) => Plan,
  place?: RunPlace,
): Promise<RunResult> {
  const started = performance.now();
  const leftMs = () => job.budgetMs - (performance.now() - started) - CLOSING_MS;
  await refuseWhenDirty(context, job.target.name);
  const progress = progressOf(context);
  try {
    progress.print(planText(job, planOf(job, job.budgetMs)));
    const source = await openStores(context, job, progress);
    try {
      return await recorded(context, job, { source, progress, leftMs, planOf, place });
    } finally {
      await closeLoad();
      await source.close();
    }
  } finally {
    progress.stop();
  }
}

interface Session {
  readonly source: Source;
  readonly progress: Progress;
  /** Of the budget, for measuring. */
  readonly leftMs: () => number;
  readonly planOf: (job: Job, leftMs: number) => Plan;
  readonly place: RunPlace | undefined;
}

interface Recording {
  readonly runId: string;
  readonly journalPath: string;
  readonly events: readonly RunEvent[];
  readonly note: (event: RunEvent) => Promise<void>;
}

/** Measures with a journal, and writes the report whatever came of it: a run that failed or was stopped has a partial one. */
async function recorded(context: Context, job: Job, session: Session): Promise<RunResult> {
  const runId = runIdOf(job.persona);
  const folder = join(job.outputDirectory, runId);
  await mkdir(folder, { recursive: true });
  const journal = await openJournal(join(folder, "run.jsonl"));
  session.place?.onBegun(runId);
  const events: RunEvent[] = [];
  const recording: Recording = {
    runId,
    journalPath: journal.path,
    events,
    note: async (event) => {
      await journal.append(event);
      events.push(event);
      session.progress.show(event);
    },
  };
  let report: string | undefined;
  try {
    await measure(context, job, session, recording);
  } catch (error) {
    await noteFailure(recording, error);
    throw error;
  } finally {
    await journal.close();
    if (events.length > 0) report = await writeReport(journal.path, folder);
    if (report !== undefined && !hasCompleted(events))
      session.progress.print(`partial report: ${report}`);
  }
  return resultOf(context, job, recording, report ?? "");
}

/** The loop journals its own end; what fails before it began is journalled here. A dirty target has no end until it is rolled back. */
async function noteFailure({ events, note }: Recording, error: unknown): Promise<void> {
  const ended = events.some((event) => event.type === "run-finished");
  if (events.length === 0 || ended || error instanceof DirtyTargetError) return;
  await note({ type: "run-finished", outcome: "failed", detail: redactSecrets(messageOf(error)) });
}

function hasCompleted(events: readonly RunEvent[]): boolean {
  return events.some((event) => event.type === "run-finished" && event.outcome === "completed");
}

async function measure(
  context: Context,
  job: Job,
  session: Session,
  recording: Recording,
): Promise<void> {
  const { persona, target } = job;
  const { source, progress, leftMs } = session;
  const { note, runId } = recording;
  const live = await openTarget({
    targetFile: target,
    home: context.home,
    source,
    environment: context.env,
    signal: context.signal,
  });
  const plan = session.planOf(job, leftMs());
  await registerRun(context.home, recordOf(job, recording, session.place));
  await note(await runStarted(context, job, source, plan, live.baselineValues));
  progress.say("reading the workload's parameters");
  const workload = workloadOf(job);
  const data = await loadParameters(source.adminUrl, workload);
  progress.say("starting both arms");
  const bench = await openBench({
    targetFile: target,
    home: context.home,
    runId,
    folder: join(context.home, "arms", runId),
    source,
    baselineValues: live.baselineValues,
    environment: context.env,
    readTrace,
    writesInBulk: (workload.tasks ?? []).length > 0,
    proveStructures: (stand, plans, limitMs) =>
      proveStructures(stand, plans, limitMs, {
        seed: job.seed,
        now: () => performance.now(),
        signal: context.signal,
        onProgress: progress.say,
      }),
    note,
    signal: context.signal,
    ...loadOf(job, workload, data),
  });
  const clock = { now: () => performance.now() };
  try {
    await optimize({
      plan,
      persona,
      tunerOf,
      bench,
      target: live,
      journal: { append: note },
      clock,
      deadline: clock.now() + leftMs(),
      seed: job.seed,
      signal: context.signal,
      watched: watchedBy(persona),
      limits: defaultLimits,
      say: progress.say,
    });
  } finally {
    progress.say("taking the arms down");
    await bench.close();
  }
}

function recordOf(
  job: Job,
  { runId, journalPath }: Recording,
  place: RunPlace | undefined,
): RunRecord {
  return {
    ...(place ? { sequence: place.sequence } : {}),
    id: runId,
    startedAt: new Date().toISOString(),
    persona: job.persona.name,
    target: job.target.name,
    targetPath: job.target.path,
    scale: job.scale,
    seed: job.seed,
    journalPath,
  };
}

/** The load of one persona, as the bench calls for it. */
export function loadOf(
  { persona, target, busyMachine }: Job,
  workload: WorkloadDefinition,
  data: Awaited<ReturnType<typeof loadParameters>>,
): Pick<BenchOptions, "runLoad" | "saturate"> {
  const limits = [
    ...persona.objectives.map(({ metric, goal }) => ({ metric, limit: goal })),
    ...persona.constraints.filter((each) => each.kind === "limit"),
    ...(persona.capacity?.users?.slos ?? []),
  ];
  const { timeoutMs } = persona.workload;
  const plan = {
    workload,
    timeoutMs,
    lagMsMax: lagAllowed(limits),
    workers: undefined,
    busyMachine,
  };
  const { runLoad, saturate } = loadFunctions(requestOf(plan, target), data);
  return { runLoad, saturate };
}

export function workloadOf(job: Job): WorkloadDefinition {
  const found = job.target.workloads.find((each) => each.name === job.persona.workload.name);
  if (!found) throw new Error(`the workload ${job.persona.workload.name} was checked before`);
  return found;
}

async function runStarted(
  context: Context,
  job: Job,
  source: Source,
  plan: Plan,
  baselineValues: Readonly<Record<string, number | string | boolean>>,
): Promise<RunEvent> {
  const { persona, target } = job;
  return {
    type: "run-started",
    command: ["perfopt", ...context.args],
    persona,
    target: {
      name: target.name,
      title: target.title,
      file: relative(context.directory, target.path),
      scale: source.scale,
      rowsByTable: source.rowsByTable,
      databaseBytes: source.databaseBytes,
      design: BENCH_DESIGN,
      knobs: target.knobs,
      ...(await sessionsOf(target, source)),
    },
    environment: await environmentFacts(context, source),
    phases: plan.phases,
    seed: job.seed,
    quick: job.quick,
    baselineValues,
  };
}

async function sessionsOf(
  { knobs }: TargetFile,
  { serviceUrl }: Source,
): Promise<Pick<TargetFacts, "sessions">> {
  if (postgresKnobs(knobs).length === 0) return {};
  return { sessions: await withConnection(serviceUrl, sessionPlace) };
}

export function watchedBy(persona: Persona): readonly MetricId[] {
  return [
    ...new Set([
      ...persona.objectives.map((objective) => objective.metric),
      ...persona.strategies.map((strategy) => strategy.objective),
      ...WATCHED,
    ]),
  ];
}

/** `2026-11-22T20-15-03-speed-runner`: sorts by time, and is a folder name everywhere. */
function runIdOf(persona: Persona): string {
  return `${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}-${persona.name}`;
}

function resultOf(context: Context, job: Job, recording: Recording, report: string): RunResult {
  const { events } = recording;
  const finished = events.findLast((event) => event.type === "run-finished");
  if (!finished) throw new Error("a run that did not throw has an end in its journal");
  const confirmed = events.findLast((event) => event.type === "confirmed");
  return {
    run: recording.runId,
    persona: job.persona.name,
    target: job.target.name,
    report: relative(context.directory, report),
    journal: relative(context.directory, recording.journalPath),
    detail: finished.detail,
    kept: stillApplied(events),
    effects: confirmed?.effects ?? [],
    ...capacityOf(events),
  };
}

function capacityOf(events: readonly RunEvent[]): Pick<RunResult, "capacity"> {
  const measured = events.filter((event) => event.type === "capacity-measured");
  if (measured.length === 0) return {};
  return { capacity: Object.fromEntries(measured.map(({ of, result }) => [of, result])) };
}

function stillApplied(events: readonly RunEvent[]): readonly Change[] {
  const applied = new Map<string, Change>();
  for (const event of events) {
    if (event.type === "change-applying") applied.set(event.changeId, event.change);
    if (event.type === "change-reverted") applied.delete(event.changeId);
  }
  return [...applied.values()];
}
