/** `bench --find-limit`: probes of one service at the loads that the search asks for, as a bench result. */
import type { BenchLoad, BenchResult, LimitResult } from "../core/result.ts";
import type { Sample } from "../core/sample.ts";
import type { Slo } from "../core/slo.ts";
import { thinkInWords } from "../core/think.ts";
import { findLimit, type LimitRequest } from "../limit/find.ts";
import { PRECISION, windowLengthMs } from "../limit/windows.ts";
import type { BenchJob } from "./bench-session.ts";
import { resultOfWindows, type Measured } from "./bench-result.ts";
import type { Context } from "./context.ts";
import { countOf, durationOf } from "./load.ts";
import type { Progress } from "./progress.ts";
import type { OpenSolo } from "./solo.ts";

const LOAD_MOST = 1_000_000;
/** Of what a closed loop gets through: holds in most services, and spares the steps up to it. */
const START_SHARE = 0.25;
const BUDGET_MS = 15 * 60_000;

type Found = Pick<
  BenchResult,
  "load" | "metrics" | "endpoints" | "histograms" | "windows" | "slos" | "limit" | "warnings"
>;

/** The result's metrics are those of the windows at the load that holds, and its SLOs are judged there. */
export async function findLimitOf(
  context: Context,
  job: BenchJob,
  solo: OpenSolo,
  progress: Progress,
  unit: LimitResult["unit"],
): Promise<Found> {
  const { plan, options } = job;
  const slos = [
    ...plan.slos,
    ...plan.personaSlos.filter(({ metric }) => metric !== "api.requestsPerSecond"),
  ];
  const measured: (Measured & { readonly load: number })[] = [];
  const clock = { now: () => performance.now() };
  const limit = await findLimit({
    unit,
    slos,
    ...(options.limitMax === undefined
      ? {}
      : { most: countOf("--limit-max", options.limitMax, 1, LOAD_MOST) }),
    ...(unit === "users" ? {} : { from: await startOf(job, solo, progress) }),
    precision: PRECISION,
    clock,
    deadline: clock.now() + (durationOf("--budget", options.budget) ?? BUDGET_MS),
    signal: context.signal,
    say: progress.say,
    measure: async (request) => {
      const seed = job.seed + request.attempt;
      const sample = await measure(job, solo, unit, request, seed, slos);
      if (request.window !== "settle") measured.push({ seed, sample, load: request.load });
      return sample;
    },
  });
  const { holds } = limit;
  const { windows: _, ...atLimit } = resultOfWindows(
    measured.filter(({ load }) => load === holds),
    slos,
  );
  return {
    load: factsOf(job, unit, holds ?? limit.estimate),
    ...atLimit,
    windows: resultOfWindows(measured, []).windows,
    // Whether they hold is what was searched for: without a load that does, there is nothing to hold them against.
    slos: holds === undefined ? [] : atLimit.slos,
    limit,
    warnings: holds === undefined ? [`no load was shown to hold: ${limit.detail}`] : [],
  };
}

async function measure(
  job: BenchJob,
  solo: OpenSolo,
  unit: LimitResult["unit"],
  { load, window }: LimitRequest,
  seed: number,
  slos: readonly Slo[],
): Promise<Sample> {
  const { arrivals, warmupMs } = job.plan;
  const windowMs = windowLengthMs(window, job.plan.windowMs, slos);
  const common = { seed, arrivals, warmupMs, windowMs, requestsPerSecond: load };
  return solo.sample(
    unit === "users" ? { ...common, users: { count: Math.round(load), think: job.think } } : common,
  );
}

/** As asked for, or a share of saturation that most services hold. */
async function startOf(job: BenchJob, solo: OpenSolo, progress: Progress): Promise<number> {
  const { rate } = job.plan;
  if (rate.kind === "fixed") return rate.requestsPerSecond;
  progress.say("closed loop: finding where to start");
  return Math.max(1, Math.round(START_SHARE * (await solo.saturate(job.seed))));
}

function factsOf(job: BenchJob, unit: LimitResult["unit"], amount: number): BenchLoad {
  const { arrivals, warmupMs, windowMs } = job.plan;
  const what =
    unit === "users"
      ? `the most users that hold the SLOs, ${thinkInWords(job.think)}`
      : "the highest rate that holds the SLOs";
  return {
    kind: unit === "users" ? "users" : "open",
    arrivals,
    amount,
    how: what,
    scenario: "flat",
    warmupMs,
    windowMs,
  };
}
