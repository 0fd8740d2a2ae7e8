/** One bench from start to result: stores and service, or a URL; then windows, or the search for the limit. */
import { PerfoptError, redactSecrets } from "../core/errors.ts";
import type { WindowRequest } from "../core/ports.ts";
import type { BenchLoad, BenchResult } from "../core/result.ts";
import type { Sample } from "../core/sample.ts";
import type { TargetFile } from "../core/target-file.ts";
import { thinkInWords } from "../core/think.ts";
import { significant } from "../core/units.ts";
import type { ThinkTime } from "../core/workload.ts";
import { closeLoad } from "../load/engine.ts";
import type { BenchOptions } from "./bench.ts";
import { findLimitOf } from "./bench-limit.ts";
import { resultOfWindows, type Measured } from "./bench-result.ts";
import type { Context } from "./context.ts";
import { seedOf } from "./job.ts";
import { countOf, loadPlanOf, rateInWords, type LoadPlan } from "./load.ts";
import { progressOf, type Progress } from "./progress.ts";
import {
  needsRate,
  parseScenario,
  parseThink,
  scenarioInWords,
  segmentsFor,
  type ScenarioPlan,
} from "./scenario.ts";
import { withSolo, type OpenSolo } from "./solo.ts";
import { benchTarget } from "./url-target.ts";

const WINDOWS = 5;
const WINDOW_MS = 5_000;
const WARMUP_MS = 1_000;
/** A window whose rate changes has to be long enough to show it. */
const SCENARIO_WINDOW_MS = 30_000;
const SOAK_WINDOW_MS = 10 * 60_000;
const TIMELINE_POINTS = 30;
const TIMELINE_MS_LEAST = 1_000;
const USERS_MOST = 50_000;

/** Everything of one bench that is known before anything is started. */
export interface BenchJob {
  readonly options: BenchOptions;
  readonly target: TargetFile;
  readonly plan: LoadPlan;
  readonly scenario: ScenarioPlan;
  readonly users: { readonly count: number; readonly think: ThinkTime } | undefined;
  readonly think: ThinkTime;
  readonly windows: number;
  readonly seed: number;
}

export async function runBench(context: Context, options: BenchOptions): Promise<BenchResult> {
  const job = await benchJob(context, options);
  const startedAt = new Date().toISOString();
  const started = performance.now();
  const progress = progressOf(context);
  try {
    return await withSolo(context, job, progress, async (solo) => {
      const measured = await measure(context, job, solo, progress);
      return {
        schema: "perfopt-result/v1",
        startedAt,
        tookMs: Math.round(performance.now() - started),
        target: job.target.name,
        workload: job.plan.workload.name,
        ...(solo.scale === undefined ? {} : { scale: solo.scale }),
        side: solo.side,
        environment: solo.environment,
        seed: job.seed,
        ...measured,
        warnings: [...solo.warnings, ...measured.warnings],
      };
    });
  } finally {
    await closeLoad();
    progress.stop();
  }
}

/** Throws bad-input for what cannot be measured as it is asked for. */
export async function benchJob(context: Context, options: BenchOptions): Promise<BenchJob> {
  const target = await benchTarget(context, options);
  const scenario = parseScenario(options.scenario ?? "flat");
  const flat = scenario.kind === "flat" || scenario.kind === "soak";
  const windowMs =
    scenario.kind === "soak" ? SOAK_WINDOW_MS : flat ? WINDOW_MS : SCENARIO_WINDOW_MS;
  const think = parseThink(options.think ?? "0");
  return {
    options,
    target,
    // A persona's short window is for pairs: a scenario needs its own length.
    plan: await loadPlanOf(
      context,
      scenario.kind === "flat" || options.window
        ? options
        : { ...options, window: `${windowMs}ms` },
      target,
      { windowMs, warmupMs: WARMUP_MS },
    ),
    scenario,
    think,
    users:
      options.users === undefined
        ? undefined
        : { count: countOf("--users", options.users, 1, USERS_MOST), think },
    windows:
      options.windows === undefined
        ? scenario.kind === "flat"
          ? WINDOWS
          : 1
        : countOf("--windows", options.windows, 1, 1_000),
    seed: seedOf(options),
  };
}

type Found = Pick<
  BenchResult,
  "load" | "metrics" | "endpoints" | "histograms" | "windows" | "slos" | "limit" | "warnings"
>;

async function measure(
  context: Context,
  job: BenchJob,
  solo: OpenSolo,
  progress: Progress,
): Promise<Found> {
  const { findLimit } = job.options;
  if (findLimit !== undefined) {
    return findLimitOf(
      context,
      job,
      solo,
      progress,
      findLimit === "users" ? "users" : "requests/s",
    );
  }
  const load = await benchLoad(job, solo, progress);
  const tasks = job.options.tasks === false ? {} : ({ tasks: "all" } as const);
  const measured: Measured[] = [];
  for (let index = 0; index < job.windows; index += 1) {
    progress.say(`window ${index + 1} of ${job.windows}: ${load.words}`);
    const seed = job.seed + index;
    const sample = await solo.sample({ ...load.window, ...tasks, seed });
    measured.push({ seed, sample });
    if (!sample.valid)
      progress.print(`window ${index + 1} is invalid: ${sample.invalidBecause.join("; ")}`);
  }
  const slos = [...job.plan.slos, ...job.plan.personaSlos];
  return {
    load: load.facts,
    ...resultOfWindows(measured, slos),
    warnings: warningsOf(
      measured.map(({ sample }) => sample),
      load.facts,
    ),
  };
}

interface Load {
  readonly window: Omit<WindowRequest, "role" | "seed">;
  readonly facts: BenchLoad;
  readonly words: string;
}

/** The load of every window, its rate found out where it is a share of saturation. */
export async function benchLoad(job: BenchJob, solo: OpenSolo, progress: Progress): Promise<Load> {
  const { plan, scenario, users } = job;
  const { arrivals, warmupMs, windowMs } = plan;
  const common = { arrivals, warmupMs, windowMs, ...timelineOf(job) };
  if (users) {
    const words = `${users.count} users, ${thinkInWords(users.think)}`;
    return {
      words,
      window: { ...common, requestsPerSecond: users.count, users },
      facts: {
        kind: "users",
        arrivals,
        amount: users.count,
        how: `a closed loop, ${thinkInWords(users.think)}: its tail is not comparable with an open one's`,
        scenario: "flat",
        warmupMs,
        windowMs,
      },
    };
  }
  const base = needsRate(scenario) ? await rateOf(job, solo, progress) : 0;
  const changing = segmentsFor(scenario, base, windowMs);
  const requestsPerSecond = changing?.requestsPerSecond ?? base;
  return {
    words: `${scenarioInWords(scenario, plan.rate)}, ${significant(requestsPerSecond)} ${unitOf(plan)}/s on average`,
    window: {
      ...common,
      requestsPerSecond,
      ...(changing ? { segments: changing.segments } : {}),
    },
    facts: {
      kind: "open",
      arrivals,
      amount: requestsPerSecond,
      how: needsRate(scenario) ? rateInWords(plan.rate) : "as the scenario says",
      scenario: job.options.scenario ?? "flat",
      warmupMs,
      windowMs,
    },
  };
}

function unitOf(plan: LoadPlan): string {
  return plan.workload.sessions?.length ? "sessions" : "requests";
}

async function rateOf(job: BenchJob, solo: OpenSolo, progress: Progress): Promise<number> {
  const { rate } = job.plan;
  if (rate.kind === "fixed") return rate.requestsPerSecond;
  progress.say("closed loop: finding the rate at which the service saturates");
  const saturation = await solo.saturate(job.seed);
  const chosen = Math.floor(saturation * rate.share);
  if (chosen >= 1) return chosen;
  throw new PerfoptError(
    "cannot-measure",
    `the service completes ${significant(saturation)} ${unitOf(job.plan)}/s at saturation, too few to take a share of`,
    "give a rate, for example --rate 1",
  );
}

/** A flat window is one number; a window whose rate changes, and a soak, are told piece by piece. */
function timelineOf({ scenario, plan }: BenchJob): { readonly timelineMs?: number } {
  if (scenario.kind === "flat") return {};
  return { timelineMs: Math.max(TIMELINE_MS_LEAST, Math.ceil(plan.windowMs / TIMELINE_POINTS)) };
}

function warningsOf(samples: readonly Sample[], load: BenchLoad): readonly string[] {
  const invalid = samples.filter((sample) => !sample.valid).length;
  const unmeasured = new Set(samples.flatMap((sample) => sample.server?.unmeasured ?? []));
  return [
    ...(invalid > 0
      ? [`${invalid} of ${samples.length} windows are invalid and count nowhere`]
      : []),
    ...(load.kind === "users"
      ? [
          "users wait for answers before they send again: a slow service gets less load, and its tail looks better than an open one's",
        ]
      : []),
    ...[...unmeasured].map((what) => redactSecrets(`not measured: ${what}`)),
  ];
}
