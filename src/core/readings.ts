/** What `perfopt doctor` reads of a service and its machine in one window: numbers by id, each with its resource and unit. */
import type { Unit } from "./metric-shape.ts";

/** In the order of the doctor's table. */
export const resources = [
  "load",
  "generator",
  "machine",
  "process",
  "event loop",
  "garbage collection",
  "libuv threads",
  "connection pool",
  "database",
  "Redis",
  "job queue",
  "other services",
] as const;

export type Resource = (typeof resources)[number];

interface ReadingShape {
  readonly id: string;
  readonly resource: Resource;
  readonly title: string;
  readonly unit: Unit;
  /** Where it comes from, one phrase. */
  readonly source: string;
}

function reading<const Id extends string>(
  id: Id,
  resource: Resource,
  title: string,
  unit: Unit,
  source: string,
) {
  return { id, resource, title, unit, source };
}

const LOAD = "the load engine";
const PROC = "/proc of the service's process";
const PAGE = "the service's metrics page";
const ACTIVITY = "pg_stat_activity, sampled";

const list = [
  reading("load.requestsPerSecond", "load", "requests/s answered", "per-second", LOAD),
  reading("load.completedShare", "load", "requests answered in time", "ratio", LOAD),
  reading("load.errorRate", "load", "error rate", "ratio", LOAD),
  reading("load.refusedShare", "load", "requests turned away (429 or 503)", "ratio", LOAD),
  reading("load.latencyMeanMs", "load", "response, mean", "ms", LOAD),
  reading("load.latencyP50Ms", "load", "response p50", "ms", LOAD),
  reading("load.latencyP90Ms", "load", "response p90", "ms", LOAD),
  reading("load.latencyP95Ms", "load", "response p95", "ms", LOAD),
  reading("load.inFlight", "load", "requests under way", "count", "rate times mean response"),
  reading(
    "generator.lagOverLimit",
    "generator",
    "lateness, in multiples of what is allowed",
    "count",
    LOAD,
  ),
  reading("generator.cpuShare", "generator", "CPU of the generator", "ratio", LOAD),
  reading("generator.littleDifference", "generator", "difference from Little's law", "ratio", LOAD),
  reading(
    "machine.cpuPressure",
    "machine",
    "CPU pressure (PSI some)",
    "ratio",
    "/proc/pressure/cpu",
  ),
  reading("machine.ioPressure", "machine", "I/O pressure (PSI some)", "ratio", "/proc/pressure/io"),
  reading("machine.stealShare", "machine", "CPU stolen by the hypervisor", "ratio", "/proc/stat"),
  reading("machine.foreignShare", "machine", "CPU used by other programs", "ratio", "/proc/*/stat"),
  reading("process.cpuCores", "process", "CPU of all threads, cores", "count", PROC),
  reading("process.mainThreadCores", "process", "CPU of the main thread, cores", "count", PROC),
  reading(
    "process.mainThreadWanting",
    "process",
    "main thread running or waiting for a CPU",
    "ratio",
    PROC,
  ),
  reading(
    "process.busiestHelperCores",
    "libuv threads",
    "CPU of the busiest other thread, cores",
    "count",
    PROC,
  ),
  reading(
    "process.otherHelpersCores",
    "libuv threads",
    "CPU of all the others, cores",
    "count",
    PROC,
  ),
  reading("process.switchesPerSecond", "process", "context switches/s", "per-second", PROC),
  reading("loop.delayP99Ms", "event loop", "delay p99", "ms", PAGE),
  reading("loop.utilization", "event loop", "utilisation", "ratio", PAGE),
  reading(
    "loop.longestTickMs",
    "event loop",
    "longest stretch without a pause",
    "ms",
    `${PROC}, looked at every 20 ms`,
  ),
  reading("gc.share", "garbage collection", "share of the time", "ratio", PAGE),
  reading("gc.perSecond", "garbage collection", "collections/s", "per-second", PAGE),
  reading("gc.pauseP99Ms", "garbage collection", "pause p99", "ms", PAGE),
  reading("gc.youngPerSecond", "garbage collection", "scavenges/s", "per-second", PAGE),
  reading(
    "gc.majorPerSecond",
    "garbage collection",
    "collections of the whole heap/s",
    "per-second",
    PAGE,
  ),
  reading("libuv.probeP95Ms", "libuv threads", "file probe p95", "ms", PAGE),
  reading("pool.waitingShare", "connection pool", "looks at which somebody waited", "ratio", PAGE),
  reading("pool.waitMeanMs", "connection pool", "wait, mean", "ms", PAGE),
  reading("pool.max", "connection pool", "connections, most", "count", PAGE),
  reading("db.activeMean", "database", "sessions at work, mean", "count", ACTIVITY),
  reading("db.sessions", "database", "sessions", "count", ACTIVITY),
  reading("db.busyShare", "database", "sessions at work: on CPU, latch or I/O", "ratio", ACTIVITY),
  reading("db.lockShare", "database", "sessions at work: waiting for a lock", "ratio", ACTIVITY),
  reading(
    "db.idleInTransactionMean",
    "database",
    "sessions idle in a transaction",
    "count",
    ACTIVITY,
  ),
  reading("redis.evictionsPerSecond", "Redis", "evictions/s", "per-second", "Redis INFO"),
  reading("redis.hitRate", "Redis", "hit rate", "ratio", "Redis INFO: keyspace hits and misses"),
  reading("redis.slowPerSecond", "Redis", "slow commands/s", "per-second", "Redis SLOWLOG"),
  reading("redis.pingP95Ms", "Redis", "PING p95", "ms", "perfopt's own PING"),
  reading("redis.ownLagP95Ms", "Redis", "perfopt's own lateness p95", "ms", "perfopt's timers"),
  reading("queue.offeredPerSecond", "job queue", "jobs offered/s", "per-second", PAGE),
  reading("queue.completedPerSecond", "job queue", "jobs ended/s", "per-second", PAGE),
  reading(
    "queue.excessShare",
    "job queue",
    "jobs offered that nobody took up, beyond chance",
    "ratio",
    PAGE,
  ),
  reading("queue.rejectedShare", "job queue", "jobs refused", "ratio", PAGE),
  reading("queue.depthGrowth", "job queue", "growth of jobs waiting", "count", PAGE),
  reading(
    "queue.growthShare",
    "job queue",
    "growth of the line, share of the jobs accepted",
    "ratio",
    PAGE,
  ),
  reading("queue.waitGrowthMs", "job queue", "job wait, second half over first", "ms", PAGE),
  reading("queue.waitMeanMs", "job queue", "job wait, mean", "ms", PAGE),
  reading("queue.serviceMeanMs", "job queue", "job service time, mean", "ms", PAGE),
  reading("queue.activeMean", "job queue", "jobs under way", "count", PAGE),
  reading("upstream.meanMs", "other services", "call, mean", "ms", PAGE),
  reading("upstream.callsPerRequest", "other services", "calls, a request", "count", PAGE),
  reading("upstream.jobsMsPerRequest", "other services", "time in jobs, a request", "ms", PAGE),
  reading("upstream.msPerRequest", "other services", "time in calls, a request", "ms", PAGE),
] as const satisfies readonly ReadingShape[];

export type ReadingId = (typeof list)[number]["id"];

export interface ReadingInfo extends ReadingShape {
  readonly id: ReadingId;
}

export const readings: readonly ReadingInfo[] = list;

/** What one window told. What could not be read is absent. */
export type Readings = Readonly<Partial<Record<ReadingId, number>>>;

const byId = new Map<ReadingId, ReadingInfo>(list.map((each) => [each.id, each]));

export function readingOf(id: ReadingId): ReadingInfo {
  const found = byId.get(id);
  if (!found) throw new Error(`no reading ${id}`);
  return found;
}
