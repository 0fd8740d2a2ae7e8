/** Watches a service, its stores and its machine for one window, from outside and by its metrics page, while something else sends load. */
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { Redis } from "ioredis";
import type { Client } from "pg";
import type { TableScans } from "../core/diagnosis.ts";
import { messageOf, redactSecrets } from "../core/errors.ts";
import type { Readings } from "../core/readings.ts";
import {
  activityMeans,
  readActivity,
  readTableScans,
  scansBetween,
  type Activity,
} from "./doctor-database.ts";
import { pageReadings } from "./doctor-page.ts";
import { ping, readRedis, redisBetween } from "./doctor-redis.ts";
import { openTickWatch, readThreads, threadsBetween } from "./doctor-threads.ts";
import { scrapeAll, type MetricsPage, type PageValues } from "./prometheus.ts";

/** Short, since a blocked loop is only seen while it is blocked. */
const TICK_MS = 20;
const LOOK_MS = 100;
const PAGE_MS = 250;

export interface WatchSources {
  readonly page: MetricsPage | undefined;
  readonly database: Client | undefined;
  readonly redis: Redis | undefined;
  /** Of the process that listens; undefined where it runs elsewhere. */
  readonly pid: number | undefined;
}

export interface WatchOptions {
  /** Until the window begins: its warm-up. */
  readonly startMs: number;
  readonly lengthMs: number;
  readonly signal: AbortSignal;
}

/** Everything but what the load itself knows. */
export interface Watched {
  readonly elapsedMs: number;
  /** Given the requests answered in the window, which some readings are told by. */
  readonly readings: (requests: number | undefined) => Readings;
  readonly scans: readonly TableScans[] | undefined;
  /** What could not be read, and why. */
  readonly unmeasured: readonly string[];
}

/** Undefined when it was stopped before the window began. */
export async function watchWindow(
  sources: WatchSources,
  { startMs, lengthMs, signal }: WatchOptions,
): Promise<Watched | undefined> {
  if (!(await waited(startMs, signal))) return undefined;
  const problems = new Set<string>();
  const before = await readAll(sources, problems);
  const polls = openPolls(sources);
  const ticks = sources.pid === undefined ? undefined : openTickWatch(sources.pid);
  const end = performance.now() + lengthMs;
  const looking = Promise.all([
    every(PAGE_MS, end, signal, polls.page),
    every(LOOK_MS, end, signal, polls.activity),
    every(LOOK_MS, end, signal, polls.ping),
    every(TICK_MS, end, signal, async () => ticks?.look(), polls.late),
  ]);
  // A service in trouble may keep a look waiting for seconds: the window ends all the same.
  await waited(lengthMs, signal);
  const after = await readAll(sources, problems);
  await looking;
  const elapsedMs = after.atMs - before.atMs;
  return {
    elapsedMs,
    readings: (requests) =>
      known({
        ...machineReadings(before, after, elapsedMs),
        ...threadReadings(before, after, elapsedMs),
        "loop.longestTickMs": ticks?.longestMs(),
        ...(before.page && after.page
          ? pageReadings({
              before: before.page,
              after: after.page,
              polls: polls.pages,
              elapsedMs,
              requests,
            })
          : {}),
        ...databaseReadings(polls.activities),
        ...redisReadings(before, after, elapsedMs),
        "redis.pingP95Ms": p95(polls.pings),
        "redis.ownLagP95Ms": p95(polls.lags),
      }),
    scans: before.scans && after.scans && scansBetween(before.scans, after.scans),
    unmeasured: [...problems],
  };
}

type Counts = Awaited<ReturnType<typeof readAll>>;
type Values = { readonly [Id in keyof Readings]: number | undefined };

/** At the window's edges. */
async function readAll(sources: WatchSources, problems: Set<string>) {
  const { page, database, redis, pid } = sources;
  const tried = <T>(what: string, reading: Promise<T> | undefined) =>
    (reading ?? Promise.resolve(undefined)).catch((error: unknown) => {
      problems.add(redactSecrets(`${what}: ${messageOf(error)}`));
      return undefined;
    });
  const atMs = performance.now();
  const [values, scans, stored, threads, cpu, io] = await Promise.all([
    tried("metrics page", page && scrapeAll(page)),
    tried("table scans", database && readTableScans(database)),
    tried("Redis", redis && readRedis(redis)),
    tried("threads", pid === undefined ? undefined : readThreads(pid)),
    stalledMs("cpu"),
    stalledMs("io"),
  ]);
  return { atMs, page: values, scans, redis: stored, threads, cpu, io };
}

/** What is only seen while it is looked at. One look that fails is left out. */
function openPolls({ page, database, redis }: WatchSources) {
  const pages: PageValues[] = [];
  const activities: Activity[] = [];
  const pings: number[] = [];
  const lags: number[] = [];
  return {
    pages,
    activities,
    pings,
    lags,
    page: () => kept(page && scrapeAll(page), pages),
    activity: () => kept(database && readActivity(database), activities),
    ping: () => kept(redis && ping(redis), pings),
    late: (ms: number) => void lags.push(ms),
  };
}

async function kept<T>(look: Promise<T> | undefined, into: T[]): Promise<void> {
  const value = await look?.catch(() => undefined);
  if (value !== undefined) into.push(value);
}

/** Looks one after another, never two at once, until the end; `late` is told how much later than asked each was made. */
async function every(
  pauseMs: number,
  end: number,
  signal: AbortSignal,
  look: () => Promise<void> | undefined,
  late: (ms: number) => void = () => {},
): Promise<void> {
  while (performance.now() < end) {
    const asked = performance.now();
    if (!(await waited(Math.min(pauseMs, Math.max(0, end - asked)), signal))) return;
    late(Math.max(0, performance.now() - asked - pauseMs));
    await look();
  }
}

async function waited(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await delay(ms, undefined, { signal });
    return true;
  } catch {
    return false;
  }
}

/** Pressure stall information: microseconds since boot in which some task waited (kernel.org, accounting/psi). */
async function stalledMs(kind: "cpu" | "io"): Promise<number | undefined> {
  const text = await readFile(`/proc/pressure/${kind}`, "utf8").catch(() => "");
  const total = /^some .*total=(\d+)/m.exec(text)?.[1];
  return total === undefined ? undefined : Number(total) / 1_000;
}

function machineReadings(before: Counts, after: Counts, elapsedMs: number): Values {
  const share = (kind: "cpu" | "io") => {
    const [then, now] = [before[kind], after[kind]];
    if (then === undefined || now === undefined) return undefined;
    // The two clocks are not read at the same moment.
    return Math.min(1, (now - then) / elapsedMs);
  };
  return { "machine.cpuPressure": share("cpu"), "machine.ioPressure": share("io") };
}

function threadReadings(before: Counts, after: Counts, elapsedMs: number): Values {
  const use =
    before.threads && after.threads && threadsBetween(before.threads, after.threads, elapsedMs);
  if (!use) return {};
  return {
    "process.cpuCores": use.cpuCores,
    "process.mainThreadCores": use.mainThreadCores,
    "process.mainThreadWanting": use.mainThreadWanting,
    "process.busiestHelperCores": use.busiestHelperCores,
    "process.otherHelpersCores": use.otherHelpersCores,
    "process.switchesPerSecond": use.switchesPerSecond,
  };
}

function databaseReadings(looks: readonly Activity[]): Values {
  const means = activityMeans(looks);
  if (!means) return {};
  return {
    "db.activeMean": means.activeMean,
    "db.sessions": means.sessions,
    "db.busyShare": means.busyShare,
    "db.lockShare": means.lockShare,
    "db.idleInTransactionMean": means.idleInTransactionMean,
  };
}

function redisReadings(before: Counts, after: Counts, elapsedMs: number): Values {
  const use = before.redis && after.redis && redisBetween(before.redis, after.redis, elapsedMs);
  if (!use) return {};
  return {
    "redis.evictionsPerSecond": use.evictionsPerSecond,
    "redis.hitRate": use.hitRate,
    "redis.slowPerSecond": use.slowPerSecond,
  };
}

function p95(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(0.95 * sorted.length))];
}

/** What was not measured is absent, never zero. */
function known(values: Values): Readings {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined && Number.isFinite(value)),
  );
}
