/** A load result and the counters around it, as one sample (pure). Latencies, errors and the rate are the load engine's own. */
import { answersOf, goodAnswersOf, isRefusal } from "../core/goodput.ts";
import { isMetricId, type MetricId } from "../core/metric.ts";
import type { LoadResult, MetricValues, Sample } from "../core/sample.ts";
import type { Counters } from "./counters.ts";
import {
  backendCpuMs,
  grown,
  redisBytes,
  requestsCovered,
  serviceCpu,
  statementsInWindow,
  type Measured,
} from "./differences.ts";
import type { SeriesValues } from "./prometheus.ts";
import { batchMetrics, memoryMetrics } from "./sample-batch.ts";
import { balanceMetrics, jobMetrics, threadMetrics } from "./sample-jobs.ts";
import { serverSide } from "./server-side.ts";
import { mean, plus, share, times } from "./shares.ts";

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
    ...jobMetrics(measured),
    ...threadMetrics(measured),
    ...balanceMetrics(measured),
    ...batchMetrics(load),
    ...memoryMetrics(measured),
  });
  const failed = load.checks.filter((check) => !check.ok);
  return {
    load,
    ...(measured.unmeasured ? { server: serverSide(measured, measured.unmeasured) } : {}),
    metrics,
    valid: failed.length === 0,
    invalidBecause: failed.map((check) => check.detail),
  };
}

function apiMetrics(load: LoadResult): Values {
  const due = load.requests + load.dropped;
  return {
    "api.latencyP50Ms": load.latency.p50Ms,
    "api.latencyP95Ms": load.latency.p95Ms,
    "api.latencyP99Ms": load.latency.p99Ms,
    "api.latencyP999Ms": load.latency.p999Ms,
    "api.latencyMeanMs": load.latency.meanMs,
    "api.requestsPerSecond": load.requestsPerSecondReached,
    "api.goodputPerSecond": share(goodAnswersOf(load), load.windowMs / 1000),
    "api.goodRatio": share(load.goodInTime, due),
    "api.rejectRatio": share(answersOf(load, isRefusal), due),
    "api.errorRate": share(load.errors, load.requests),
    "api.responseBytesPerRequest": meanResponseBytes(load),
  };
}

function meanResponseBytes({ endpoints }: LoadResult): number | undefined {
  const bytes = endpoints.reduce((sum, each) => sum + each.responseBytesMean * each.requests, 0);
  return share(
    bytes,
    endpoints.reduce((sum, each) => sum + each.requests, 0),
  );
}

function databaseMetrics(measured: Measured): Values {
  const { before, after } = measured;
  const requests = requestsCovered(measured);
  const statements = statementTotals(before, after);
  const hit = grown(before.blocks?.hit, after.blocks?.hit);
  const index = grown(before.scans?.index, after.scans?.index);
  return {
    "db.queryMeanMs": share(statements?.totalMs, statements?.calls),
    "db.statementsPerRequest": share(statements?.calls, requests),
    "db.buffersPerRequest": share(statements?.buffers, requests),
    "db.rowsPerRequest": share(statements?.rows, requests),
    "db.indexHitRate": share(
      index,
      plus(index, grown(before.scans?.sequential, after.scans?.sequential)),
    ),
    "db.bufferHitRate": share(hit, plus(hit, grown(before.blocks?.read, after.blocks?.read))),
    "db.cpuMsPerRequest": share(backendCpuMs(before, after), requests),
  };
}

function statementTotals(before: Counters, after: Counters) {
  const window = statementsInWindow(before, after);
  if (!window) return undefined;
  const sum = (field: "calls" | "totalMs" | "rows" | "buffers") =>
    window.reduce((total, statement) => total + statement[field], 0);
  return {
    calls: sum("calls"),
    totalMs: sum("totalMs"),
    rows: sum("rows"),
    buffers: sum("buffers"),
  };
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
    "redis.bytesPerRequest": share(redisBytes(before, after), requestsCovered(measured)),
  };
}

function serviceMetrics(measured: Measured): Values {
  const { after, polls } = measured;
  const cpu = serviceCpu(measured);
  const known = "cpuMs" in cpu;
  return {
    "service.cpuMsPerRequest": known ? share(cpu.cpuMs, requestsCovered(measured)) : undefined,
    // Of processes that do not do the work, the memory says nothing either.
    "service.memoryBytes": known ? after.service?.residentBytes : undefined,
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
  return grown(before.series[key], after.series[key]);
}

/** What could not be measured is left out: absence is never mistaken for a good value. */
function finiteOnly(values: Values): MetricValues {
  const metrics: Partial<Record<MetricId, number>> = {};
  for (const [id, value] of Object.entries(values)) {
    if (isMetricId(id) && value !== undefined && Number.isFinite(value)) metrics[id] = value;
  }
  return metrics;
}
