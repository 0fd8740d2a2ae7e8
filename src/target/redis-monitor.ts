/** Capture from a running Redis by MONITOR: only where its load allows it, and only until it hurts. */
import { setTimeout as delay } from "node:timers/promises";
import type { Redis } from "ioredis";
import { messageOf, PerfoptError, redactSecrets, throwIfAborted } from "../core/errors.ts";
import { formatRatio, significant } from "../core/units.ts";
import { withReader } from "./redis-access.ts";
import { openMonitor, type MonitorConnection } from "./redis-monitor-lines.ts";
import {
  addressOf,
  costOf,
  MONITOR_LIMITS,
  readServer,
  startPinging,
  whyStop,
  type Baseline,
  type MonitorCost,
  type MonitorLimits,
  type Pinger,
  type ServerReading,
  type Span,
  type StopReason,
  type Stretch,
} from "./redis-monitor-watch.ts";

/**
 * MONITOR takes 1 to 5 microseconds of the server's one thread for a command (measured with Redis 7.0; less where commands come in
 * long pipelines to a busy server, more where each is written by itself): 2 to 10 % of the thread at this rate.
 */
const OPS_PER_SECOND_MAX = 20_000;
/** Below this, a capture is gaps: no key's second use would be seen. */
const DUTY_SHARE_LEAST = 0.1;
const WINDOW_MS = 10_000;
const BASELINE_MS = 2_000;
const CHECK_MS = 250;
/** So many readings make the second by which the present is judged. */
const READINGS_KEPT = 5;
const PROGRESS_MS = 1_000;

export interface CaptureOptions {
  /** From the first line to the last, pauses included. */
  readonly durationMs: number;
  /** Of the time, that MONITOR is on. Default: all of it, and above `opsPerSecondMax` as much as costs the same. */
  readonly dutyShare?: number;
  /** Of one stretch of listening, where there are pauses. They cut the times between uses of a key: few long ones are better. */
  readonly windowMs?: number;
  readonly rowsMax: number;
  readonly opsPerSecondMax?: number;
  readonly baselineMs?: number;
  readonly limits?: Partial<MonitorLimits>;
  readonly signal: AbortSignal;
  readonly onProgress?: (line: string) => void;
  /** A line as MONITOR prints it, values and all: to be read at once and not to be kept. Milliseconds from the first window's start. */
  readonly onLine: (line: string, atMs: number) => void;
}

export interface Capture {
  /** Handed on: of all clients but perfopt's own. */
  readonly lines: number;
  readonly bytes: number;
  /** Left out: of values above 8 MB. */
  readonly linesTooLong: number;
  /** When MONITOR was on, in milliseconds from the first window's start. */
  readonly windows: readonly Span[];
  /** As it was meant to be: 1 is without pauses. */
  readonly dutyShare: number;
  readonly stoppedBecause: "duration" | "rows" | "disconnected" | StopReason;
  /** One sentence on that. */
  readonly detail: string;
  readonly before: MonitorCost;
  readonly during: MonitorCost;
  /** That the server held for this client at most; undefined where that may not be read. */
  readonly heldBytesMax?: number;
}

/**
 * Throws cannot-measure, with what to do instead, when the server is too busy, refuses or goes away; a capture that has begun and
 * has to end early is a result. Needs CAPTURE_RULES of redis-access.ts.
 */
export function captureMonitor(url: string, options: CaptureOptions): Promise<Capture> {
  return withReader(url, options.signal, async (control) => {
    const pinger = startPinging(control);
    try {
      options.onProgress?.("watching the server before MONITOR");
      const before = await measureBaseline(control, pinger, options);
      const dutyShare = allowedShare(url, before.opsPerSecond, options);
      const own = await addressOf(control);
      return await capture({ url, options, control, pinger, before, dutyShare, own });
    } finally {
      control.disconnect();
      await pinger.stop();
    }
  });
}

async function measureBaseline(
  control: Redis,
  pinger: Pinger,
  { baselineMs = BASELINE_MS, signal }: CaptureOptions,
): Promise<Baseline> {
  const from = await readServer(control, undefined);
  await delay(baselineMs, undefined, { signal });
  const failure = pinger.failed();
  if (failure !== undefined) throw new Error(failure);
  const to = await readServer(control, undefined);
  const counted = (to.commands - from.commands) / ((to.atMs - from.atMs) / 1000);
  const answers = pinger.within([{ fromMs: 0, toMs: to.atMs }]);
  if (!answers) {
    throw new PerfoptError(
      "cannot-measure",
      "the server did not answer a single PING in time, so MONITOR would not do it good",
      "see what keeps the server busy (SLOWLOG GET), and try again",
    );
  }
  return {
    from,
    to,
    answers,
    opsPerSecond: Math.max(counted, from.opsPerSecond, to.opsPerSecond),
  };
}

/** The rate gate. */
function allowedShare(
  url: string,
  opsPerSecond: number,
  { opsPerSecondMax = OPS_PER_SECOND_MAX, dutyShare }: CaptureOptions,
): number {
  const most = Math.min(1, opsPerSecondMax / opsPerSecond);
  if (most >= DUTY_SHARE_LEAST && (dutyShare ?? most) <= most) return dutyShare ?? most;
  const busy = `Redis at ${redactSecrets(url)} runs ${significant(opsPerSecond)} commands/s, and MONITOR costs it 1 to 5 microseconds for each`;
  const instead = "trace the service itself (perfopt/tracer), or capture on a quieter replica";
  throw most >= DUTY_SHARE_LEAST
    ? new PerfoptError(
        "cannot-measure",
        `${busy}: more than ${significant(opsPerSecondMax)} commands/s are not listened to without pauses`,
        `listen ${formatRatio(most)} of the time at most, or ${instead}`,
      )
    : new PerfoptError(
        "cannot-measure",
        `${busy}: that is too much, and listening for less than ${formatRatio(DUTY_SHARE_LEAST)} of the time shows no reuse of keys`,
        instead,
      );
}

interface Running {
  readonly url: string;
  readonly options: CaptureOptions;
  readonly control: Redis;
  readonly pinger: Pinger;
  readonly before: Baseline;
  readonly dutyShare: number;
  /** Of the connection that watches, whose commands are nobody's accesses. */
  readonly own: string | undefined;
}

interface Tally {
  /** By the process's monotonic clock; undefined before the first window. */
  startedAt: number | undefined;
  lines: number;
  bytes: number;
  linesTooLong: number;
  heldBytesMax: number | undefined;
  readonly windows: Span[];
  readonly stretches: Stretch[];
}

type End = Pick<Capture, "stoppedBecause" | "detail">;

async function capture(running: Running): Promise<Capture> {
  const { options, before, dutyShare, pinger } = running;
  const windowMs = dutyShare < 1 ? (options.windowMs ?? WINDOW_MS) : options.durationMs;
  const pauseMs = windowMs * (1 / dutyShare - 1);
  const tally: Tally = {
    startedAt: undefined,
    lines: 0,
    bytes: 0,
    linesTooLong: 0,
    heldBytesMax: undefined,
    windows: [],
    stretches: [],
  };
  let end: End | undefined;
  while (end === undefined) {
    end = await captureWindow(running, tally, windowMs);
    const leftMs = options.durationMs - (performance.now() - (tally.startedAt ?? 0)) - pauseMs;
    if (end === undefined && leftMs < CHECK_MS) {
      end = { stoppedBecause: "duration", detail: "the time that it was given was over" };
    } else if (end === undefined && pauseMs > 0) {
      options.onProgress?.("MONITOR pauses");
      await delay(pauseMs, undefined, { signal: options.signal });
    }
  }
  const { startedAt = 0, lines, bytes, linesTooLong, heldBytesMax, windows, stretches } = tally;
  return {
    ...end,
    lines,
    bytes,
    linesTooLong,
    windows: windows.map(({ fromMs, toMs }) => ({
      fromMs: fromMs - startedAt,
      toMs: toMs - startedAt,
    })),
    dutyShare,
    before: costOf([before], before.answers),
    during: costOf(stretches, pinger.within(windows)),
    ...(heldBytesMax === undefined ? {} : { heldBytesMax }),
  };
}

/** One stretch of listening; undefined when it ended because its time was over. */
async function captureWindow(
  running: Running,
  tally: Tally,
  windowMs: number,
): Promise<End | undefined> {
  const { url, options, own } = running;
  const enough = new AbortController();
  let fromMs: number | undefined;
  const monitor = await openMonitor(url, {
    signal: options.signal,
    onLine: (line) => {
      if (tally.lines >= options.rowsMax || isFrom(line, own)) return;
      tally.lines += 1;
      const now = performance.now();
      // The first lines may come with the answer to MONITOR.
      fromMs ??= now;
      options.onLine(line, now - (tally.startedAt ??= now));
      if (tally.lines >= options.rowsMax) enough.abort();
    },
  });
  fromMs ??= performance.now();
  tally.startedAt ??= fromMs;
  const leftMs = options.durationMs - (fromMs - tally.startedAt);
  try {
    return await watch(running, tally, monitor, {
      untilMs: fromMs + Math.min(windowMs, leftMs),
      enough: enough.signal,
    });
  } finally {
    monitor.close();
    tally.windows.push({ fromMs, toMs: performance.now() });
    tally.bytes += monitor.bytes();
    tally.linesTooLong += monitor.linesTooLong();
  }
}

/** Looks at the server four times a second until the window is over or something says stop. */
async function watch(
  running: Running,
  tally: Tally,
  monitor: MonitorConnection,
  { untilMs, enough }: { readonly untilMs: number; readonly enough: AbortSignal },
): Promise<End | undefined> {
  const { control, options, pinger, before } = running;
  const { opsPerSecondMax = OPS_PER_SECOND_MAX } = options;
  const limits = { ...MONITOR_LIMITS, ...options.limits };
  // What was allowed with pauses may go on as it is.
  const opsMost = Math.max(opsPerSecondMax, before.opsPerSecond);
  const first = await readServer(control, monitor.clientId);
  const readings: ServerReading[] = [first];
  let latest = first;
  let toldAt = first.atMs;
  let lateLooks = 0;
  try {
    while (performance.now() < untilMs) {
      const waitMs = Math.min(CHECK_MS, untilMs - performance.now());
      await waited(waitMs, AbortSignal.any([options.signal, enough]));
      throwIfAborted(options.signal);
      if (enough.aborted) return rowsReached(options);
      const ended = monitor.ended() ?? pinger.failed();
      if (ended !== undefined) return disconnected(ended);
      latest = await readServer(control, monitor.clientId);
      tally.heldBytesMax = most(tally.heldBytesMax, latest.clientBytes);
      readings.push(latest);
      if (readings.length > READINGS_KEPT) readings.shift();
      const stretch = { from: readings[0] ?? first, to: latest };
      const stop = whyStop(before, { stretch, answers: pinger.last() }, opsMost, limits);
      lateLooks = stop?.because === "latency" ? lateLooks + 1 : 0;
      if (stop && (lateLooks === 0 || lateLooks >= limits.lateLooks))
        return { stoppedBecause: stop.because, detail: stop.detail };
      if (latest.atMs - toldAt >= PROGRESS_MS) {
        toldAt = latest.atMs;
        options.onProgress?.(`MONITOR: ${tally.lines.toLocaleString("en")} commands`);
      }
    }
    return undefined;
  } catch (error) {
    throwIfAborted(options.signal);
    return disconnected(messageOf(error));
  } finally {
    tally.stretches.push({ from: first, to: latest });
  }
}

function disconnected(why: string): End {
  return { stoppedBecause: "disconnected", detail: `the server is gone: ${redactSecrets(why)}` };
}

/** `1700000000.123456 [0 127.0.0.1:50600] "GET" "key"`. */
function isFrom(line: string, address: string | undefined): boolean {
  return address !== undefined && line.endsWith(` ${address}`, line.indexOf("] "));
}

function rowsReached({ rowsMax }: CaptureOptions): End {
  return {
    stoppedBecause: "rows",
    detail: `${rowsMax.toLocaleString("en")} commands were captured, as many as were asked for`,
  };
}

function most(left: number | undefined, right: number | undefined): number | undefined {
  return left === undefined ? right : right === undefined ? left : Math.max(left, right);
}

/** Or until the signal fires. */
async function waited(ms: number, signal: AbortSignal): Promise<void> {
  await delay(Math.max(0, ms), undefined, { signal }).catch(() => {});
}
