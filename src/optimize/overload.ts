/** One window at a multiple of what the baseline can do, and what became of its requests and jobs. */
import type { OverloadPlan, OverloadResult } from "../core/capacity.ts";
import { PerfoptError, throwIfAborted } from "../core/errors.ts";
import { answersOf, generatorDoubts, goodputOf, isGood, isRefusal } from "../core/goodput.ts";
import type { Sample } from "../core/sample.ts";
import type { Role } from "../core/trial.ts";
import { formatDuration } from "../core/units.ts";
import { windowLengthMs } from "../limit/windows.ts";
import { overloadWindow } from "./pairs.ts";
import { saturationOf } from "./rate.ts";
import type { Run, RunState } from "./run.ts";

/** A window that the generator could not send as asked is measured once more. */
const ATTEMPTS_MAX = 2;

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
  const role = of === "baseline" ? "incumbent" : "candidate";
  const baseline = await saturationOf(run, state);
  // The rate may be from the run's beginning, when the database was smaller: the peak is that of now.
  const peak = await peakOf(run, state, role);
  for (let attempt = 1; ; attempt += 1) {
    const light = await lightLoad(run, state, role, plan);
    run.say(
      `capacity: ${plan.factor} times what the baseline completes, for ${formatDuration(plan.windowMs)}`,
    );
    const sample = await run.bench.sample({
      role,
      seed: state.nextSeed++,
      ...overloadWindow(run, plan, baseline),
    });
    const result = overloadResult(sample, plan.factor * baseline, peak, {
      requests: requestsPerArrival(light, state),
      withinMs: plan.withinMs,
    });
    const isLast =
      result.doubts === undefined || attempt === ATTEMPTS_MAX || run.clock.now() > beginBy;
    if (!isLast) continue;
    await lightLoad(run, state, role, plan);
    return result;
  }
}

/**
 * With requests of its own: those of the baseline's are in the database already, and could not be created again. Not less than the
 * baseline's: a configuration that can do less must not look better for it.
 */
async function peakOf(run: Run, state: RunState, role: Role): Promise<number> {
  run.say("capacity: closed loop, finding the rate at which this configuration saturates");
  const peak = await run.bench.saturate(state.nextSeed++, role);
  state.peakRequestsPerSecond = Math.max(state.peakRequestsPerSecond ?? 0, peak);
  return state.peakRequestsPerSecond;
}

/** The run's own rate for a moment: warms fresh processes up, and lets a service get through what waits in it. */
async function lightLoad(
  run: Run,
  state: RunState,
  role: Role,
  plan: OverloadPlan,
): Promise<Sample> {
  throwIfAborted(run.signal);
  const sample = await run.bench.sample({
    role,
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
  {
    requests = 1,
    withinMs,
  }: { readonly requests?: number; readonly withinMs?: number | undefined } = {},
): OverloadResult {
  const all = load.requests + load.dropped;
  if (all === 0) {
    throw new PerfoptError(
      "cannot-measure",
      "no request was sent",
      "give the overload a longer window",
    );
  }
  const good = answersOf(load, isGood);
  const rejected = answersOf(load, isRefusal);
  const doubts = generatorDoubts(load);
  const depth = metrics["queue.depthMax"];
  const waitP95Ms = metrics["queue.waitP95Ms"];
  const deadLetters = metrics["queue.deadLetters"];
  return {
    requestsPerSecondOffered: offered * requests,
    goodputPerSecond: goodputOf(load),
    ...(withinMs === undefined || load.goodInTime === undefined
      ? {}
      : { withinMs, lateShare: Math.max(0, good - load.goodInTime) / all }),
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

function tooLate(): PerfoptError {
  return new PerfoptError(
    "cannot-measure",
    "no time was left for it",
    "give the run more time with --budget",
  );
}
