/** What MONITOR does to the server it listens to: answers' times, buffers and evictions, and when to stop because of them. */
import { setTimeout as delay } from "node:timers/promises";
import type { Redis } from "ioredis";
import { messageOf } from "../core/errors.ts";
import { isForbidden } from "./redis-access.ts";
import { askInfo } from "./redis-server.ts";

const PING_EVERY_MS = 100;
/** The time over which the present is judged: ten answers. */
const LAST_MS = 1_000;
/** Below this the server's own housekeeping is most of its CPU time. */
const COMMANDS_LEAST = 1_000;

/** When MONITOR is stopped. */
export interface MonitorLimits {
  /** Of the last second's median answer, over that before MONITOR; both must be exceeded, so that 0.1 ms beside 0.3 ms is nothing. */
  readonly medianRatio: number;
  /** What a request with a few commands would notice. */
  readonly medianMs: number;
  /** Of the last second's slowest answer, over the slowest before MONITOR. */
  readonly slowestRatio: number;
  /** Above what perfopt's own garbage collection adds while it reads the lines, on whose thread answers are timed. */
  readonly slowestMs: number;
  /** Looks in a row that have to find answers late: one late second is any machine's, and stays in sight for four looks. */
  readonly lateLooks: number;
  /** That the server may hold for this client. It reads within milliseconds: what piles up does not go away by itself. */
  readonly outputBytes: number;
  /** A client's own share of memory from which evictions that begin now are its doing; an idle one takes some 40 kB. */
  readonly evictingBytes: number;
  /** Of the rate gate, over which the rate may grow meanwhile. */
  readonly rateRatio: number;
}

export const MONITOR_LIMITS: MonitorLimits = {
  medianRatio: 3,
  medianMs: 2,
  slowestRatio: 5,
  slowestMs: 50,
  lateLooks: 5,
  outputBytes: 16 * 1024 ** 2,
  evictingBytes: 256 * 1024,
  rateRatio: 1.5,
};

export type StopReason = "latency" | "output-buffer" | "evictions" | "rate";

export interface Stop {
  readonly because: StopReason;
  readonly detail: string;
}

/** By the process's monotonic clock. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** How long the server took to answer. */
export interface Answers {
  readonly medianMs: number;
  readonly slowestMs: number;
}

export interface Pinger {
  /** Of the last second; undefined without any. */
  readonly last: () => Answers | undefined;
  /** Of those that came in any of these times. */
  readonly within: (spans: readonly Span[]) => Answers | undefined;
  /** Why it can ask no more. */
  readonly failed: () => string | undefined;
  readonly stop: () => Promise<void>;
}

/** Asks for an answer every 100 ms, on a connection that nothing else waits for. */
export function startPinging(client: Redis): Pinger {
  const times: { readonly atMs: number; readonly tookMs: number }[] = [];
  const stopping = new AbortController();
  let askedAt: number | undefined;
  let failure: string | undefined;
  const asking = (async () => {
    while (!stopping.signal.aborted) {
      askedAt = performance.now();
      try {
        await client.ping();
      } catch (error) {
        failure = messageOf(error);
        return;
      }
      const now = performance.now();
      times.push({ atMs: now, tookMs: now - askedAt });
      const restMs = Math.max(0, PING_EVERY_MS - (now - askedAt));
      askedAt = undefined;
      await delay(restMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  })();
  const within = (spans: readonly Span[]) =>
    times
      .filter(({ atMs }) => spans.some(({ fromMs, toMs }) => atMs >= fromMs && atMs <= toMs))
      .map(({ tookMs }) => tookMs);
  return {
    within: (spans) => answersOf(within(spans)),
    last: () => {
      const now = performance.now();
      const recent = within([{ fromMs: now - LAST_MS, toMs: now }]);
      // A server that is stuck shows by the question that it has not answered.
      if (askedAt !== undefined) {
        const waitingMs = now - askedAt;
        if (waitingMs > PING_EVERY_MS) recent.push(waitingMs);
      }
      return answersOf(recent);
    },
    failed: () => failure,
    stop: () => {
      stopping.abort();
      return asking;
    },
  };
}

function answersOf(tookMs: readonly number[]): Answers | undefined {
  const sorted = tookMs.toSorted((left, right) => left - right);
  const medianMs = sorted[Math.floor((sorted.length - 1) / 2)];
  const slowestMs = sorted.at(-1);
  return medianMs === undefined || slowestMs === undefined ? undefined : { medianMs, slowestMs };
}

/** The server at one moment. */
export interface ServerReading {
  readonly atMs: number;
  readonly commands: number;
  readonly cpuSeconds: number;
  readonly evicted: number;
  /** As the server averages it over the last second or two. */
  readonly opsPerSecond: number;
  /** Of ordinary clients together: output, queries, and what keeping them takes. */
  readonly clientsBytes: number;
  /** Of the capturing client; undefined where CLIENT LIST may not be read or it is not connected. */
  readonly clientBytes: number | undefined;
}

export async function readServer(
  client: Redis,
  clientId: number | undefined,
): Promise<ServerReading> {
  const { values } = await askInfo(client);
  const number = (name: string) => Number(values.get(name) ?? 0);
  return {
    atMs: performance.now(),
    commands: number("total_commands_processed"),
    cpuSeconds: number("used_cpu_user") + number("used_cpu_sys"),
    evicted: number("evicted_keys"),
    opsPerSecond: number("instantaneous_ops_per_sec"),
    clientsBytes: number("mem_clients_normal"),
    clientBytes: clientId === undefined ? undefined : await bytesOfClient(client, clientId),
  };
}

/** As the server sees it, and MONITOR shows it; undefined where that may not be asked. */
export async function addressOf(client: Redis): Promise<string | undefined> {
  try {
    const line = await lineOfClient(client, await client.client("ID"));
    return line && /\baddr=(\S+)/.exec(line)?.[1];
  } catch (error) {
    if (isForbidden(error)) return undefined;
    throw error;
  }
}

/** `tot-mem`: what waits to be read, and all else that the client takes. */
async function bytesOfClient(client: Redis, id: number): Promise<number | undefined> {
  const line = await lineOfClient(client, id);
  const bytes = line && /\btot-mem=(\d+)/.exec(line)?.[1];
  return bytes === undefined ? undefined : Number(bytes);
}

async function lineOfClient(client: Redis, id: number): Promise<string | undefined> {
  try {
    return String(await client.client("LIST", "ID", id));
  } catch (error) {
    // Before Redis 6.2 the list has no filter, and thousands of clients are too long a list for four times a second.
    if (isForbidden(error) || /^ERR syntax/i.test(messageOf(error))) return undefined;
    throw error;
  }
}

/** What a stretch of time cost the server. */
export interface MonitorCost {
  readonly opsPerSecond: number;
  /** Undefined with too few commands to tell. */
  readonly cpuMicrosecondsPerCommand?: number;
  readonly answerMedianMs?: number;
  readonly answerSlowestMs?: number;
}

export interface Stretch {
  readonly from: ServerReading;
  readonly to: ServerReading;
}

/** Of several stretches together. */
export function costOf(stretches: readonly Stretch[], answers: Answers | undefined): MonitorCost {
  const sum = (of: (stretch: Stretch) => number) =>
    stretches.reduce((total, stretch) => total + of(stretch), 0);
  const seconds = sum(({ from, to }) => (to.atMs - from.atMs) / 1000);
  const commands = sum(({ from, to }) => to.commands - from.commands);
  const cpuSeconds = sum(({ from, to }) => to.cpuSeconds - from.cpuSeconds);
  return {
    opsPerSecond: seconds > 0 ? commands / seconds : 0,
    ...(commands >= COMMANDS_LEAST
      ? { cpuMicrosecondsPerCommand: (cpuSeconds / commands) * 1e6 }
      : {}),
    ...(answers ? { answerMedianMs: answers.medianMs, answerSlowestMs: answers.slowestMs } : {}),
  };
}

/** The server before MONITOR. */
export interface Baseline {
  readonly from: ServerReading;
  readonly to: ServerReading;
  readonly answers: Answers;
  /** That the server runs, by its own average and by counting: the larger. */
  readonly opsPerSecond: number;
}

export interface Present {
  /** About a second long. */
  readonly stretch: Stretch;
  readonly answers: Answers | undefined;
}

/** What speaks against MONITOR now (pure); that answers are late only counts when it lasts. */
export function whyStop(
  before: Baseline,
  now: Present,
  opsPerSecondMax: number,
  limits: MonitorLimits,
): Stop | undefined {
  return (
    slowed(before.answers, now.answers, limits) ??
    buffered(before, now.stretch.to, limits) ??
    evicting(before, now.stretch, limits) ??
    outgrown(now.stretch, opsPerSecondMax * limits.rateRatio)
  );
}

function slowed(
  before: Answers,
  now: Answers | undefined,
  limits: MonitorLimits,
): Stop | undefined {
  if (!now) return undefined;
  const median = before.medianMs * limits.medianRatio;
  const slowest = before.slowestMs * limits.slowestRatio;
  if (now.medianMs > Math.max(median, before.medianMs + limits.medianMs))
    return lateness("median", before.medianMs, now.medianMs);
  if (now.slowestMs > Math.max(slowest, before.slowestMs + limits.slowestMs))
    return lateness("slowest", before.slowestMs, now.slowestMs);
  return undefined;
}

function lateness(what: string, fromMs: number, toMs: number): Stop {
  return {
    because: "latency",
    detail: `the server's ${what} answer to PING took ${toMs.toFixed(1)} ms in the last second, ${fromMs.toFixed(1)} ms before MONITOR`,
  };
}

/** Without the right to see the one client, the growth of all stands for it. */
function heldFor({ to }: Baseline, now: ServerReading): number {
  return now.clientBytes ?? Math.max(0, now.clientsBytes - to.clientsBytes);
}

function buffered(before: Baseline, now: ServerReading, limits: MonitorLimits): Stop | undefined {
  const bytes = heldFor(before, now);
  if (bytes <= limits.outputBytes) return undefined;
  return {
    because: "output-buffer",
    detail: `the server held ${(bytes / 1024 ** 2).toFixed(1)} MB of lines that were not read yet`,
  };
}

/** A cache that was evicting before, or is just full now, does so without MONITOR too. */
function evicting(
  before: Baseline,
  { from, to }: Stretch,
  limits: MonitorLimits,
): Stop | undefined {
  const evicted = to.evicted - from.evicted;
  const alreadyEvicting = before.to.evicted > before.from.evicted;
  if (evicted <= 0 || alreadyEvicting) return undefined;
  const bytes = heldFor(before, to);
  if (bytes <= limits.evictingBytes) return undefined;
  return {
    because: "evictions",
    detail: `the server evicted ${evicted} keys, which it did not before MONITOR, while it held ${Math.round(bytes / 1024)} kB for it`,
  };
}

function outgrown({ from, to }: Stretch, opsPerSecondMax: number): Stop | undefined {
  const seconds = (to.atMs - from.atMs) / 1000;
  const opsPerSecond = seconds > 0 ? (to.commands - from.commands) / seconds : 0;
  if (opsPerSecond <= opsPerSecondMax) return undefined;
  return {
    because: "rate",
    detail: `the server's load grew to ${Math.round(opsPerSecond)} commands/s`,
  };
}
