/**
 * What a window did, from the counters around it (pure).
 *
 * The load engine runs its warm-up and its window in one call, so the counters cover both, and so does what they are
 * divided by: the window's requests, scaled to warm-up plus window. Rates per second use the counters' own clock.
 */
import type { LoadResult, StatementStats } from "../core/sample.ts";
import { meanRate, startingRate, type RateSegment } from "../core/scenario.ts";
import type { Counters } from "./counters.ts";
import type { SeriesValues } from "./prometheus.ts";

export interface Measured {
  readonly load: LoadResult;
  readonly warmupMs: number;
  /** Of the window's rate, where it changes. */
  readonly segments?: readonly RateSegment[];
  readonly before: Counters;
  readonly after: Counters;
  /** The service's gauges during the window. */
  readonly polls: readonly SeriesValues[];
  /** Bytes of the service's processes during the window; absent or empty where they are not known. */
  readonly residentPolls?: readonly number[];
  /** The limit of the service's pool when it shows none itself. */
  readonly poolMax: number | undefined;
  /** Present when the stores' part is asked for in detail: what is known beforehand not to be readable. */
  readonly unmeasured?: readonly string[];
}

/** A service that answers uses more than this: less is somebody else's time, such as that of a program that only started it. */
const CPU_MS_PER_REQUEST_LEAST = 0.001;

/**
 * Requests that the counters saw: those of the window, scaled by the warm-up, which runs at the rate of the window's start, and by what
 * went on after its end for the sake of a task, at the rate of its end. For users that is a guess, the same for both arms of a pair: they
 * send as much as the service lets them. Tasks are no requests, so that what they cost is part of what a request costs.
 */
export function requestsCovered({ load, warmupMs, segments }: Measured): number {
  const { requests, windowMs, overtimeMs = 0 } = load;
  const mean = segments ? meanRate(segments) : 1;
  const before = segments ? startingRate(segments) / mean : 1;
  const after = segments ? (segments.at(-1)?.to ?? 0) / mean : 1;
  return requests * (1 + (warmupMs * before + overtimeMs * after) / windowMs);
}

/** What each statement did between two readings, the slowest in total first; undefined without pg_stat_statements. */
export function statementsInWindow(
  before: Counters,
  after: Counters,
): readonly StatementStats[] | undefined {
  const earlier = before.statements;
  if (!earlier || !after.statements) return undefined;
  return [...after.statements.values()]
    .map((now) => {
      const then = earlier.get(now.queryId);
      // An entry that was evicted and came back has started again from nothing.
      if (!then || now.calls < then.calls) return now;
      return {
        ...now,
        calls: now.calls - then.calls,
        totalMs: now.totalMs - then.totalMs,
        rows: now.rows - then.rows,
        buffers: now.buffers - then.buffers,
      };
    })
    .filter((statement) => statement.calls > 0)
    .toSorted((left, right) => right.totalMs - left.totalMs);
}

/** Calls by command; undefined unless both readings were made in detail. */
export function commandsInWindow(
  before: Counters,
  after: Counters,
): Readonly<Record<string, number>> | undefined {
  const then = before.redis?.calls;
  const now = after.redis?.calls;
  return then && now && commandsBetween(then, now);
}

/** Less perfopt's own one INFO: a reading does not count itself, but the one before. Only what was called. */
export function commandsBetween(
  then: ReadonlyMap<string, number>,
  now: ReadonlyMap<string, number>,
  ownInfos = 1,
): Readonly<Record<string, number>> {
  const grew = [...now].map(([name, calls]): [string, number] => {
    const own = name === "info" ? ownInfos : 0;
    return [name, calls - (then.get(name) ?? 0) - own];
  });
  return Object.fromEntries(
    grew.filter(([, calls]) => calls > 0).toSorted(([left], [right]) => (left < right ? -1 : 1)),
  );
}

/** Sent and received by Redis, less perfopt's own: this reading's question, and the answer to the one before. */
export function redisBytes(before: Counters, after: Counters): number | undefined {
  if (!before.redis || !after.redis) return undefined;
  return grown(
    before.redis.netBytes + before.redis.own.answerBytes + after.redis.own.questionBytes,
    after.redis.netBytes,
  );
}

/** CPU time of the service's processes, or why it is not known. */
export function serviceCpu(
  measured: Measured,
): { readonly cpuMs: number } | { readonly why: string } {
  const { service: then } = measured.before;
  const { service: now } = measured.after;
  if (!then || !now) {
    return { why: measured.after.serviceMissing ?? "its processes cannot be read from /proc" };
  }
  const cpuMs = grown(then.cpuMs, now.cpuMs);
  if (cpuMs === undefined) return { why: "its processes were replaced meanwhile" };
  const requests = requestsCovered(measured);
  if (requests > 0 && cpuMs < requests * CPU_MS_PER_REQUEST_LEAST) {
    return {
      why: "the process that perfopt started used next to no CPU time for these requests, so another one answers them",
    };
  }
  return { cpuMs };
}

/**
 * CPU time of the server's sessions: those still there by difference, and of the ended ones what their parent has reaped,
 * less what they had used before. Parallel workers are only seen that way. Only one arm is under load, so all of it is that arm's.
 */
export function backendCpuMs(before: Counters, after: Counters): number | undefined {
  if (!before.backends || !after.backends) return undefined;
  let cpuMs = 0;
  for (const [pid, now] of after.backends.cpuMsByPid) {
    cpuMs += Math.max(0, now - (before.backends.cpuMsByPid.get(pid) ?? 0));
  }
  let endedBefore = 0;
  for (const [pid, then] of before.backends.cpuMsByPid) {
    if (!after.backends.cpuMsByPid.has(pid)) endedBefore += then;
  }
  const reaped = after.backends.reapedMs - before.backends.reapedMs;
  return cpuMs + Math.max(0, reaped - endedBefore);
}

/** A counter that went back was reset in between, and its difference means nothing. */
export function grown(then: number | undefined, now: number | undefined): number | undefined {
  return then !== undefined && now !== undefined && now >= then ? now - then : undefined;
}
