/** One window at a multiple of what the baseline can do, and what became of its requests and jobs. */
import type { OverloadPlan, OverloadResult } from "../core/capacity.ts";
import { PerfoptError, throwIfAborted } from "../core/errors.ts";
import type { LoadResult, Sample } from "../core/sample.ts";
import { formatDuration } from "../core/units.ts";
import { windowLengthMs } from "../limit/windows.ts";
import { saturationOf } from "./rate.ts";
import type { Run, RunState } from "./run.ts";

/** A window that the generator could not send as asked is measured once more. */
const ATTEMPTS_MAX = 2;
/** Of the window: requests that leave later than this are no longer the load that was asked for. */
const LAG_SHARE_MAX = 0.02;

/**
 * The rate is the same before and after: a multiple of the baseline's saturation. The peak is of the configuration that is measured.
 * Such a window is invalid by design (errors, rate not reached), so its checks are not asked but for what the generator did.
 * `beginBy`, by the clock: later there is no time for it. Throws cannot-measure.
 */
export async function measureOverload(
  run: Run,
  state: RunState,
  of: "baseline" | "kept",
  plan: OverloadPlan,
  beginBy: number,
): Promise<OverloadResult> {
  if (run.clock.now() > beginBy) throw tooLate();
  const baseline =
    of === "baseline" ? await saturationOf(run, state) : state.saturationRequestsPerSecond;
  if (baseline === undefined) throw new Error("the baseline's saturation rate is measured first");
  const peak = of === "baseline" ? baseline : await peakOf(run, state);
  for (let attempt = 1; ; attempt += 1) {
    const light = await lightLoad(run, state, plan);
    run.say(
      `capacity: ${plan.factor} times what the baseline completes, for ${formatDuration(plan.windowMs)}`,
    );
    const sample = await run.bench.sample({
      role: "incumbent",
      seed: state.nextSeed++,
      requestsPerSecond: plan.factor * baseline,
      arrivals: run.persona.workload.arrivals,
      warmupMs: run.persona.workload.warmupMs,
      windowMs: plan.windowMs,
    });
    const result = overloadResult(
      sample,
      plan.factor * baseline,
      peak,
      requestsPerArrival(light, state),
    );
    const isLast =
      result.doubts === undefined || attempt === ATTEMPTS_MAX || run.clock.now() > beginBy;
    if (!isLast) continue;
    await lightLoad(run, state, plan);
    return result;
  }
}

/** With requests of its own: those of the baseline's are in the database already, and could not be created again. */
async function peakOf(run: Run, state: RunState): Promise<number> {
  run.say("closed loop: finding the rate at which the kept configuration saturates");
  return run.bench.saturate(state.nextSeed++);
}

/** The run's own rate for a moment: warms fresh processes up, and lets a service get through what waits in it. */
async function lightLoad(run: Run, state: RunState, plan: OverloadPlan): Promise<Sample> {
  throwIfAborted(run.signal);
  const sample = await run.bench.sample({
    role: "incumbent",
    seed: state.nextSeed++,
    requestsPerSecond: state.requestsPerSecond,
    arrivals: run.persona.workload.arrivals,
    warmupMs: run.persona.workload.warmupMs,
    windowMs: windowLengthMs("settle", plan.windowMs, []),
  });
  throwIfAborted(run.signal);
  return sample;
}

/** 1, but for sessions: rates and saturation count these, and what comes back are the answers of their steps. */
function requestsPerArrival({ load }: Sample, { requestsPerSecond }: RunState): number {
  return load.requestsPerSecondTarget / requestsPerSecond;
}

/** Throws cannot-measure when not one request was sent. */
export function overloadResult(
  { load, metrics }: Sample,
  offered: number,
  peak: number,
  requests = 1,
): OverloadResult {
  const all = load.requests + load.dropped;
  if (all === 0) {
    throw new PerfoptError(
      "cannot-measure",
      "no request was sent",
      "give the overload a longer window",
    );
  }
  const good = countOf(load, (status) => status >= 200 && status < 400);
  const rejected = countOf(load, (status) => status === 429 || status === 503);
  const doubts = doubtsOf(load);
  const depth = metrics["queue.depthMax"];
  const waitP95Ms = metrics["queue.waitP95Ms"];
  const deadLetters = metrics["queue.deadLetters"];
  return {
    requestsPerSecondOffered: offered * requests,
    goodputPerSecond: goodputOf(load, good),
    peakPerSecond: peak * requests,
    rejectedShare: rejected / all,
    failedShare: Math.max(0, all - good - rejected) / all,
    ...(depth === undefined ? {} : { queueDepthMax: depth }),
    ...(waitP95Ms === undefined ? {} : { queueWaitP95Ms: waitP95Ms }),
    ...(deadLetters === undefined ? {} : { deadLetters }),
    latencyP95Ms: metrics["api.latencyP95Ms"] ?? load.latency.p95Ms,
    ...(doubts.length > 0 ? { doubts } : {}),
  };
}

/**
 * Of the answers that came in time, those that were good: a service that lets everything wait answers all of it in the end, and is not
 * faster for that. Which of the answers were late is not known one by one, so that all the others count as having been in time, as
 * rejects are: a low estimate.
 */
function goodputOf(load: LoadResult, good: number): number {
  const others = countOf(load, () => true) - good;
  const seconds = load.windowMs / 1_000;
  return Math.min(good / seconds, Math.max(0, load.requestsPerSecondReached - others / seconds));
}

function countOf({ statuses }: LoadResult, counts: (status: number) => boolean): number {
  return Object.entries(statuses).reduce(
    (sum, [status, count]) => (/^\d+$/.test(status) && counts(Number(status)) ? sum + count : sum),
    0,
  );
}

function doubtsOf({ checks, windowMs }: LoadResult): readonly string[] {
  return checks
    .filter(
      ({ id, ok, value }) =>
        !ok &&
        (id === "generator-cpu" || (id === "generator-lag" && value > LAG_SHARE_MAX * windowMs)),
    )
    .map(({ detail }) => detail);
}

function tooLate(): PerfoptError {
  return new PerfoptError(
    "cannot-measure",
    "no time was left for it",
    "give the run more time with --budget",
  );
}
