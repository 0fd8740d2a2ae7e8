/** Says whether a window may be used at all: was the load what was asked for, and was the generator able to time it? */
import { LAG_SHARE_MAX } from "../core/goodput.ts";
import type { HostUse, ValidityCheck } from "../core/sample.ts";
import { formatRatio, significant } from "../core/units.ts";
import type { CompleteLoadRequest, WindowRecord } from "./request.ts";

/** Rounding and a few requests under way at the end stay below this; a generator or service that falls behind does not. */
const RATE_SHARE_MIN = 0.99;
/**
 * A later send is part of the response time, which counts from the due time: up to this it changes no conclusion, and beyond it
 * percentiles are fiction (139 ms at p99 was measured on a crowded machine; research/load-gate.md sections 2 and 3). What is
 * judged against a goal may allow more, see `LoadRequest.lagMsMax`.
 */
export const LAG_MS_MAX = 1;
const LAG_SHARE_OF_P50_MAX = 0.05;
/** Above this share of a core the event loop queues, and percentiles show the generator (measured: at 78 % the median lag is 3.6 ms). */
const CPU_SHARE_MAX = 0.7;
/** The issue's. A histogram's three digits are 0.1 %; a wrong unit or a value that is recorded twice is far more. */
const LITTLE_DIFFERENCE_MAX = 0.05;
/** research/load-gate.md section 3. */
const PRESSURE_SHARE_MAX = 0.2;
const STEAL_SHARE_MAX = 0.02;
/** Pressure alone may be the load's own, and others' work alone may find room: docs/decisions/0007-host-pressure.md. */
const FOREIGN_SHARE_MAX = 0.1;

interface Measured {
  readonly requestsPerSecondTarget: number;
  readonly requestsPerSecondReached: number;
  readonly latencyP50Ms: number;
  readonly latencyMeanMs: number;
  readonly lagP99Ms: number;
  readonly host: HostUse;
}

/** A value that is not a number fails its check. */
export function validityChecks(
  request: CompleteLoadRequest,
  record: WindowRecord,
  measured: Measured,
): readonly ValidityCheck[] {
  // That a service beyond its capacity is late, refuses and fails is what such a window measures.
  const failuresJudged = request.overload === undefined;
  return [
    // Users have no schedule that could be missed: each sends when it has its answer.
    ...(request.users || !failuresJudged ? [] : [rateReached(record, measured)]),
    generatorLag(request, measured),
    generatorCpu(record),
    ...(failuresJudged ? [noDrops(request, record), errors(request, record)] : []),
    allAnswered(record),
    littlesLaw(request, record, measured),
    ...hostPressure(measured.host),
    ...(request.stealJudged === false ? [] : hostSteal(measured.host)),
  ];
}

function rateReached(record: WindowRecord, measured: Measured): ValidityCheck {
  // The schedule has whole requests: against its number, a window too short for the exact rate is not at fault.
  const value = record.answeredInTime / record.scheduled;
  return {
    id: "rate-reached",
    ok: value >= RATE_SHARE_MIN,
    value,
    limit: RATE_SHARE_MIN,
    detail:
      `${significant(measured.requestsPerSecondReached)} of ${significant(measured.requestsPerSecondTarget)} requests/s were answered` +
      ` in time: ${formatRatio(value)}, at least ${formatRatio(RATE_SHARE_MIN)} needed`,
  };
}

function generatorLag(
  { lagMsMax, overload, windowMs }: CompleteLoadRequest,
  { lagP99Ms, latencyP50Ms }: Measured,
): ValidityCheck {
  const limit = Math.max(
    lagMsMax,
    LAG_SHARE_OF_P50_MAX * latencyP50Ms,
    // No percentile is read of an overload: what counts is that the load was the one asked for.
    overload ? LAG_SHARE_MAX * windowMs : 0,
  );
  return {
    id: "generator-lag",
    ok: lagP99Ms <= limit,
    value: lagP99Ms,
    limit,
    detail: `requests left up to ${significant(lagP99Ms)} ms late (p99), at most ${significant(limit)} ms allowed`,
  };
}

function generatorCpu({ cpu }: WindowRecord): ValidityCheck {
  const how =
    cpu.source === "thread"
      ? ""
      : " (event loop time: this system does not count a thread's CPU time)";
  return {
    id: "generator-cpu",
    ok: cpu.share <= CPU_SHARE_MAX,
    value: cpu.share,
    limit: CPU_SHARE_MAX,
    detail: `the load generator used ${formatRatio(cpu.share)} of a core${how}, at most ${formatRatio(CPU_SHARE_MAX)} allowed`,
  };
}

function noDrops(
  request: CompleteLoadRequest,
  { dropped, scheduled }: WindowRecord,
): ValidityCheck {
  return {
    id: "no-drops",
    ok: dropped === 0,
    value: dropped,
    limit: 0,
    detail:
      dropped === 0
        ? "no request was dropped"
        : `${dropped} of ${scheduled} requests were dropped because ${request.outstandingMax} were waiting for answers already`,
  };
}

function errors(request: CompleteLoadRequest, record: WindowRecord): ValidityCheck {
  const sent = record.scheduled - record.dropped;
  const value = record.errors / sent;
  const { timeouts, brokenOff, brokenOffBecause } = record;
  const why = brokenOffBecause === undefined ? "" : `: ${brokenOffBecause}`;
  return {
    id: "errors",
    ok: value <= request.errorRateMax,
    value,
    limit: request.errorRateMax,
    detail:
      `${record.errors} of ${sent} requests failed (${timeouts} timed out, ${brokenOff} broken off${why}): ${formatRatio(value)},` +
      ` at most ${formatRatio(request.errorRateMax)} allowed`,
  };
}

/** Every request is accounted for: none was forgotten when the window was drained. */
function allAnswered(record: WindowRecord): ValidityCheck {
  const { scheduled, dropped, answered, timeouts, brokenOff } = record;
  const value = scheduled - dropped - answered - timeouts - brokenOff;
  return {
    id: "all-answered",
    ok: value === 0,
    value,
    limit: 0,
    detail:
      value === 0
        ? "every request sent was answered, timed out or broken off"
        : `${value} of ${scheduled} requests are unaccounted for`,
  };
}

/**
 * The mean number of requests due and not ended is their rate times their mean response (Little, Operations Research 9, 1961). One
 * side counts heads by the clock, the other comes out of the histogram that all percentiles are read from: they share no code.
 * Both cover the window's own requests until the last of them has ended, and so hold whatever the load.
 */
function littlesLaw(
  { windowMs }: CompleteLoadRequest,
  { scheduled, dropped, outstandingMs }: WindowRecord,
  { latencyMeanMs }: Measured,
): ValidityCheck {
  const counted = outstandingMs / windowMs;
  const recorded = ((scheduled - dropped) * latencyMeanMs) / windowMs;
  const value = Math.abs(recorded / counted - 1);
  return {
    id: "littles-law",
    ok: value <= LITTLE_DIFFERENCE_MAX,
    value,
    limit: LITTLE_DIFFERENCE_MAX,
    detail:
      `${significant(counted)} requests were under way on average, and rate times mean response says ${significant(recorded)}:` +
      ` at most ${formatRatio(LITTLE_DIFFERENCE_MAX)} apart allowed`,
  };
}

/** A system that does not tell what others do is not judged; one that does not tell its pressure is taken to be under it. */
function hostPressure({ pressureShare, foreignShare }: HostUse): readonly ValidityCheck[] {
  if (foreignShare === undefined) return [];
  const pressed = pressureShare === undefined || pressureShare > PRESSURE_SHARE_MAX;
  const where =
    pressureShare === undefined
      ? ""
      : ` where programs wait for a CPU in more than ${formatRatio(PRESSURE_SHARE_MAX)} of the window (here ${formatRatio(pressureShare)})`;
  return [
    {
      id: "host-pressure",
      ok: foreignShare <= FOREIGN_SHARE_MAX || !pressed,
      value: foreignShare,
      limit: FOREIGN_SHARE_MAX,
      detail:
        `programs that are not perfopt's used ${formatRatio(foreignShare)} of the machine's CPU time,` +
        ` at most ${formatRatio(FOREIGN_SHARE_MAX)} allowed${where}`,
    },
  ];
}

function hostSteal({ stealShare }: HostUse): readonly ValidityCheck[] {
  if (stealShare === undefined) return [];
  return [
    {
      id: "host-steal",
      ok: stealShare <= STEAL_SHARE_MAX,
      value: stealShare,
      limit: STEAL_SHARE_MAX,
      detail: `the hypervisor gave ${formatRatio(stealShare)} of the CPU time to others, at most ${formatRatio(STEAL_SHARE_MAX)} allowed`,
    },
  ];
}
