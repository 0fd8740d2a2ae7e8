/** One gate or self-test from start to result: both sides built, the stores, the arms, and everything taken down again. */
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import type { GateResult, GateWindow, SelfTestResult } from "../core/gate.ts";
import type { MetricId } from "../core/metric.ts";
import type { Sample } from "../core/sample.ts";
import type { TargetFile } from "../core/target-file.ts";
import type { Role } from "../core/trial.ts";
import { gate, type GateFindings } from "../gate/gate.ts";
import type { GateLimits, GateRun } from "../gate/run.ts";
import { selfTest, type SelfTestFindings } from "../gate/self-test.ts";
import { closeLoad } from "../load/engine.ts";
import { mergeHistograms } from "../load/merge.ts";
import { openGateArms, type OpenGateArms } from "../target/gate-arms.ts";
import { presentValues } from "../target/live.ts";
import { openUrlArms } from "../target/url-arms.ts";
import type { Context } from "./context.ts";
import { environmentFacts } from "./environment.ts";
import type { GateOptions } from "./gate.ts";
import { ruleOf, type RuleAndWords } from "./gate-rule.ts";
import { readyOne, readySides, type ReadySide } from "./gate-sides.ts";
import { scaleOf, seedOf } from "./job.ts";
import { durationOf, loadPlanOf, requestOf, type LoadPlan } from "./load.ts";
import { loadFunctions } from "./load-functions.ts";
import { whileJournalled, type Measuring } from "./measuring.ts";
import { readNoiseProfile, writeNoiseProfile, type ProfileKey } from "./noise-profile.ts";
import { loadParameters } from "./parameters.ts";
import { progressOf, type Progress } from "./progress.ts";
import { databaseOf, openStores } from "./solo.ts";
import { bareTarget, targetFileOf } from "./url-target.ts";

/** Short windows, many pairs (research/load-gate.md section 6): what disturbs a shared machine lasts for seconds, and a pair is over before it. */
const USUAL = { windowMs: 2_000, warmupMs: 500 } as const;
const BUDGET_MS = 20 * 60_000;
const REPLAY = { requestsPerEndpoint: 20, warmupPerEndpoint: 5 } as const;
/** Two pairs a start: a restart with its warm-up takes about as long as a pair (docs/decisions/0008-gate-test.md). */
const LIMITS: GateLimits = { restartEveryPairs: 2, unusablePairsMax: 4, replays: 3 };

/** Reported, not gated, unless asked for. */
const WATCHED: readonly MetricId[] = [
  "api.latencyMeanMs",
  "api.latencyP99Ms",
  "api.errorRate",
  "api.responseBytesPerRequest",
  "db.queryMeanMs",
  "db.statementsPerRequest",
  "db.buffersPerRequest",
  "db.rowsPerRequest",
  "redis.commandsPerRequest",
  "redis.bytesPerRequest",
  "cache.hitRate",
  "service.memoryBytes",
  "service.eventLoopDelayP99Ms",
];

/** What is known before anything is started. */
interface Job extends RuleAndWords {
  readonly options: GateOptions;
  readonly target: TargetFile;
  readonly plan: LoadPlan;
  readonly scale: string | undefined;
  readonly seed: number;
  readonly budgetMs: number;
  readonly profileKey: ProfileKey;
}

export async function runGate(context: Context, options: GateOptions): Promise<GateResult> {
  return timed(context, options, "gate", async (job, progress, clocked) => {
    const { base, head } = await readySides(context, options, job.target, progress);
    try {
      const histograms: Record<Role, string[]> = { incumbent: [], candidate: [] };
      const onWindow = (window: GateWindow, sample: Sample) => {
        if (window.valid) histograms[window.role].push(sample.load.histograms.response);
        else progress.print(`an invalid window: ${window.invalidBecause.join("; ")}`);
      };
      const found = await withArms(
        context,
        job,
        { incumbent: base, candidate: head },
        progress,
        async (opened) => {
          const findings = await gate(runOf(context, job, opened.arms, progress, onWindow));
          return { findings, opened };
        },
      );
      return gateResult(job, { base, head }, found, histograms, clocked());
    } finally {
      await base.close();
      await head.close();
    }
  });
}

export async function runSelfTest(
  context: Context,
  options: GateOptions,
  pairs: number,
): Promise<SelfTestResult> {
  return timed(
    context,
    { ...options, force: true },
    "self-test",
    async (job, progress, clocked) => {
      const one = await readyOne(context, options, job.target, progress);
      try {
        const found = await withArms(
          context,
          job,
          { incumbent: one, candidate: one },
          progress,
          async (opened) => {
            const findings = await selfTest(
              runOf(context, job, opened.arms, progress, () => {}),
              pairs,
            );
            return { findings, opened };
          },
        );
        const result = selfTestResult(job, one, found, clocked());
        await writeNoiseProfile(context.home, job.profileKey, result);
        return result;
      } finally {
        await one.close();
      }
    },
  );
}

interface Clocked {
  readonly startedAt: string;
  readonly tookMs: number;
}

async function timed<T>(
  context: Context,
  options: GateOptions,
  kind: "gate" | "self-test",
  use: (job: Job, progress: Progress, clocked: () => Clocked) => Promise<T>,
): Promise<T> {
  const startedAt = new Date().toISOString();
  const started = performance.now();
  const job = await jobOf(context, options, kind);
  const progress = progressOf(context);
  for (const warning of job.warnings) progress.print(warning);
  try {
    return await use(job, progress, () => ({
      startedAt,
      tookMs: Math.round(performance.now() - started),
    }));
  } finally {
    await closeLoad();
    progress.stop();
  }
}

async function jobOf(
  context: Context,
  options: GateOptions,
  kind: "gate" | "self-test",
): Promise<Job> {
  const target = await gateTarget(context, options);
  const plan = await loadPlanOf(context, options, target, USUAL);
  const scale = options.base?.startsWith("http") ? undefined : scaleOf(options, target);
  const profileKey: ProfileKey = {
    target: target.name,
    workload: plan.workload.name,
    scale,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    windowMs: plan.windowMs,
    pairsMax: Number(options.pairs),
  };
  const profile = kind === "gate" ? await readNoiseProfile(context.home, profileKey) : undefined;
  return {
    ...ruleOf(options, profile),
    options,
    target,
    plan,
    scale,
    seed: seedOf(options),
    budgetMs: durationOf("--budget", options.budget) ?? BUDGET_MS,
    profileKey,
  };
}

/** Two bare URLs need no target file: their path is the request. */
async function gateTarget(context: Context, options: GateOptions): Promise<TargetFile> {
  const { base, target } = options;
  const bare = target === undefined && base !== undefined && /^https?:/i.test(base);
  return bare ? bareTarget(base, {}) : targetFileOf(context, target);
}

interface Opened {
  readonly arms: OpenGateArms;
  readonly environment: GateResult["environment"];
  readonly scale: string | undefined;
}

type Sides = Readonly<Record<Role, ReadySide>>;

function withArms<T>(
  context: Context,
  job: Job,
  sides: Sides,
  progress: Progress,
  use: (opened: Opened) => Promise<T>,
): Promise<T> {
  const { url: baseUrl } = sides.incumbent;
  const { url: headUrl } = sides.candidate;
  if (baseUrl !== undefined && headUrl !== undefined) {
    return withUrls(context, job, { incumbent: baseUrl, candidate: headUrl }, use);
  }
  const { target, scale, seed } = job;
  return whileJournalled(context, { kind: "gate", target, scale, seed }, (measuring) =>
    withStarted(context, job, sides, measuring, progress, use),
  );
}

async function withStarted<T>(
  context: Context,
  job: Job,
  sides: Sides,
  { runId, note }: Measuring,
  progress: Progress,
  use: (opened: Opened) => Promise<T>,
): Promise<T> {
  const { plan, target } = job;
  // The base's own seed: a version that changes the schema brings the data up to date when it starts.
  const source = await openStores(context, { ...job, target: sides.incumbent.target }, progress);
  try {
    progress.say("reading the workload's parameters");
    const data = await loadParameters(source.adminUrl, plan.workload);
    progress.say("starting both sides");
    const around = { serviceUrl: source.serviceUrl, environment: context.env };
    const targets = { incumbent: sides.incumbent.target, candidate: sides.candidate.target };
    const arms = await openGateArms({
      targets,
      values: {
        incumbent: await presentValues(targets.incumbent, context.home, around),
        candidate: await presentValues(targets.candidate, context.home, around),
      },
      runId,
      folder: join(context.home, "arms", runId),
      source,
      environment: context.env,
      note,
      signal: context.signal,
      ...loadFunctions(requestOf(plan, target), data),
    });
    try {
      return await use({
        arms,
        environment: await environmentFacts(context, source),
        scale: source.scale,
      });
    } finally {
      progress.say("taking both sides down");
      await arms.close();
    }
  } finally {
    await source.close();
  }
}

async function withUrls<T>(
  context: Context,
  job: Job,
  urls: Readonly<Record<Role, string>>,
  use: (opened: Opened) => Promise<T>,
): Promise<T> {
  const { target, plan } = job;
  const data = await loadParameters(await databaseOf(context, target), plan.workload);
  const bare = target.postgres.kind === "none";
  const sideOf = (url: string) => ({
    baseUrl: bare ? new URL(url).origin : url,
    targetFile: target,
  });
  const arms = await openUrlArms({
    sides: { incumbent: sideOf(urls.incumbent), candidate: sideOf(urls.candidate) },
    signal: context.signal,
    ...loadFunctions({ ...requestOf(plan, target), foreignWorkKnown: false }, data),
  });
  try {
    return await use({
      arms,
      environment: await environmentFacts(context, undefined),
      scale: undefined,
    });
  } finally {
    await arms.close();
  }
}

function runOf(
  context: Context,
  job: Job,
  arms: OpenGateArms,
  progress: Progress,
  onWindow: GateRun["onWindow"],
): GateRun {
  const clock = { now: () => performance.now() };
  return {
    arms,
    rule: job.rule,
    watched: WATCHED,
    slos: job.plan.slos,
    sharedSlos: job.plan.personaSlos,
    load: job.plan,
    replay: job.options.counters ? REPLAY : undefined,
    keepGoing: job.options.keepGoing ?? false,
    seed: job.seed,
    limits: LIMITS,
    clock,
    deadline: clock.now() + job.budgetMs,
    signal: context.signal,
    say: progress.say,
    onWindow,
  };
}

interface Found<T> {
  readonly findings: T;
  readonly opened: Opened;
}

function gateResult(
  job: Job,
  { base, head }: { readonly base: ReadySide; readonly head: ReadySide },
  { findings, opened }: Found<GateFindings>,
  histograms: Readonly<Record<Role, readonly string[]>>,
  clocked: Clocked,
): GateResult {
  const { incumbent, candidate } = histograms;
  const both = incumbent.length > 0 && candidate.length > 0;
  return {
    schema: "perfopt-gate/v1",
    ...clocked,
    ...commonOf(job, opened),
    base: base.side,
    head: head.side,
    design: opened.arms.design,
    ...findings,
    warnings: [...job.warnings, ...base.warnings, ...head.warnings, ...findings.warnings],
    ...(both
      ? { histograms: { base: mergeHistograms(incumbent), head: mergeHistograms(candidate) } }
      : {}),
  };
}

function selfTestResult(
  job: Job,
  one: ReadySide,
  { findings, opened }: Found<SelfTestFindings>,
  clocked: Clocked,
): SelfTestResult {
  return {
    schema: "perfopt-self-test/v1",
    ...clocked,
    ...commonOf(job, opened),
    side: one.side,
    ...findings,
  };
}

function commonOf(job: Job, { environment, scale }: Opened) {
  return {
    target: job.target.name,
    workload: job.plan.workload.name,
    ...(scale === undefined ? {} : { scale }),
    environment,
    seed: job.seed,
    warmupMs: job.plan.warmupMs,
    windowMs: job.plan.windowMs,
    pairsMax: job.rule.pairsMax,
  };
}
