/**
 * A load result and the counters around it, as one sample (pure).
 *
 * The load engine runs its warm-up and its window in one call, so the counters cover both, and so does what they are
 * divided by: the window's requests, scaled to warm-up plus window. Latencies, errors and the rate come from the load
 * engine alone and cover the window only. Rates per second use the counters' own clock.
 */
import { isMetricId, type MetricId } from "../core/metric.ts";
import type { LoadResult, MetricValues, Sample } from "../core/sample.ts";
import type { Counters } from "./counters.ts";
import type { SeriesValues } from "./prometheus.ts";

export interface Measured {
  readonly load: LoadResult;
  readonly warmupMs: number;
  readonly before: Counters;
  readonly after: Counters;
  /** The service's gauges during the window. */
  readonly polls: readonly SeriesValues[];
  /** The limit of the service's pool when it shows none itself. */
  readonly poolMax: number | undefined;
}

type Values = Partial<Record<MetricId, number | undefined>>;

export function sampleFrom(measured: Measured): Sample {
  const { load } = measured;
  const metrics = finiteOnly({
    ...apiMetrics(load),
    ...databaseMetrics(measured),
    ...poolMetrics(measured),
    ...cacheMetrics(measured),
    ...redisMetrics(measured),
    ...serviceMetrics(measured),
  });
  const failed = load.checks.filter((check) => !check.ok);
  return {
    load,
    metrics,
    valid: failed.length === 0,
    invalidBecause: failed.map((check) => check.detail),
  };
}

function apiMetrics(load: LoadResult): Values {
  return {
    "api.latencyP50Ms": load.latency.p50Ms,
    "api.latencyP95Ms": load.latency.p95Ms,
    "api.latencyP99Ms": load.latency.p99Ms,
    "api.latencyP999Ms": load.latency.p999Ms,
    "api.latencyMeanMs": load.latency.meanMs,
    "api.requestsPerSecond": load.requestsPerSecondReached,
    "api.errorRate": share(load.errors, load.requests),
  };
}

function databaseMetrics(measured: Measured): Values {
  const { before, after } = measured;
  const requests = requestsCovered(measured);
  const statements = statementTotals(before, after);
  const hit = grown(before.blocks.hit, after.blocks.hit);
  const index = grown(before.scans.index, after.scans.index);
  return {
    "db.queryMeanMs": share(statements?.totalMs, statements?.calls),
    "db.statementsPerRequest": share(statements?.calls, requests),
    "db.buffersPerRequest": share(statements?.buffers, requests),
    "db.indexHitRate": share(
      index,
      plus(index, grown(before.scans.sequential, after.scans.sequential)),
    ),
    "db.bufferHitRate": share(hit, plus(hit, grown(before.blocks.read, after.blocks.read))),
    "db.cpuMsPerRequest": share(backendCpuMs(before, after), requests),
  };
}

/**
 * Requests that the counters saw: those of the window, scaled by the warm-up, which runs at the same rate. For Poisson
 * arrivals the warm-up's own number varies by its square root; both arms of a pair have the same arrivals, so it cancels.
 */
function requestsCovered({ load, warmupMs }: Measured): number {
  return load.requests * ((load.windowMs + warmupMs) / load.windowMs);
}

function statementTotals(before: Counters, after: Counters) {
  const window = statementsInWindow(before, after);
  if (!window) return undefined;
  const sum = (field: "calls" | "totalMs" | "buffers") =>
    window.reduce((total, statement) => total + statement[field], 0);
  return { calls: sum("calls"), totalMs: sum("totalMs"), buffers: sum("buffers") };
}

/** What each statement did between two readings, the slowest in total first; undefined without pg_stat_statements. */
export function statementsInWindow(before: Counters, after: Counters) {
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

/**
 * CPU time of the server's sessions: those still there by difference, and of the ended ones what their parent has reaped,
 * less what they had used before. Parallel workers are only seen that way. Only one arm is under load, so all of it is that arm's.
 */
function backendCpuMs(before: Counters, after: Counters): number | undefined {
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

function poolMetrics({ before, after, polls, poolMax }: Measured): Values {
  const waited = seriesGrown("poolWaitSecondsSum", before, after);
  return {
    "pool.useRatio": mean(polls.map((poll) => poolUse(poll, poolMax))),
    "pool.waitMs": times(share(waited, seriesGrown("poolWaitCount", before, after)), 1000),
  };
}

function poolUse(poll: SeriesValues, poolMax: number | undefined): number | undefined {
  const { poolTotal, poolIdle } = poll;
  if (poolTotal === undefined || poolIdle === undefined) return undefined;
  return share(poolTotal - poolIdle, poll.poolMax ?? poolMax);
}

function cacheMetrics({ before, after }: Measured): Values {
  const of = (key: keyof SeriesValues) => seriesGrown(key, before, after);
  const [l1, l2, l3] = [of("cacheHitsL1"), of("cacheHitsL2"), of("cacheHitsL3")];
  const tiers = [l1, l2, l3].filter((hits) => hits !== undefined);
  const hits = tiers.length === 0 ? undefined : tiers.reduce((sum, each) => sum + each, 0);
  return {
    "cache.hitRate": share(hits, of("cacheLookups")),
    "cache.l1HitRate": share(l1, plus(l1, of("cacheMissesL1"))),
    "cache.l2HitRate": share(l2, plus(l2, of("cacheMissesL2"))),
    "cache.l3HitRate": share(l3, plus(l3, of("cacheMissesL3"))),
  };
}

function redisMetrics(measured: Measured): Values {
  const { before, after } = measured;
  if (!before.redis || !after.redis) return {};
  const seconds = (after.atMs - before.atMs) / 1000;
  // The second reading counts perfopt's own INFO of the first.
  const commands = grown(before.redis.commands + 1, after.redis.commands);
  return {
    "redis.evictionsPerSecond": share(grown(before.redis.evicted, after.redis.evicted), seconds),
    "redis.usedBytes": after.redis.datasetBytes,
    "redis.memoryEfficiency": share(after.redis.datasetBytes, after.redis.maxmemoryBytes),
    "redis.commandsPerRequest": share(commands, requestsCovered(measured)),
  };
}

function serviceMetrics(measured: Measured): Values {
  const { before, after, polls } = measured;
  const cpuMs =
    before.service && after.service ? grown(before.service.cpuMs, after.service.cpuMs) : undefined;
  return {
    "service.cpuMsPerRequest": share(cpuMs, requestsCovered(measured)),
    "service.memoryBytes": after.service?.residentBytes,
    "service.eventLoopDelayP99Ms": times(
      mean(polls.map((poll) => poll.eventLoopDelayP99Seconds)),
      1000,
    ),
    "service.eventLoopUtilization": mean(polls.map((poll) => poll.eventLoopUtilization)),
  };
}

function seriesGrown(
  key: keyof SeriesValues,
  before: Counters,
  after: Counters,
): number | undefined {
  const [then, now] = [before.series[key], after.series[key]];
  return then === undefined || now === undefined ? undefined : grown(then, now);
}

/** A counter that went back was reset in between, and its difference means nothing. */
function grown(then: number, now: number): number | undefined {
  return now >= then ? now - then : undefined;
}

function share(part: number | undefined, whole: number | undefined): number | undefined {
  if (part === undefined || whole === undefined || whole <= 0) return undefined;
  return part / whole;
}

function plus(left: number | undefined, right: number | undefined): number | undefined {
  return left === undefined || right === undefined ? undefined : left + right;
}

function times(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor;
}

/** Of the polls that had a value; undefined when none had. */
function mean(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0
    ? undefined
    : known.reduce((sum, value) => sum + value, 0) / known.length;
}

/** What could not be measured is left out: absence is never mistaken for a good value. */
function finiteOnly(values: Values): MetricValues {
  const metrics: Partial<Record<MetricId, number>> = {};
  for (const [id, value] of Object.entries(values)) {
    if (isMetricId(id) && value !== undefined && Number.isFinite(value)) metrics[id] = value;
  }
  return metrics;
}
