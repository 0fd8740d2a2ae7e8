/** One window of load on one service, with the counters read around it and the service polled during it. */
import type { WindowRequest } from "../core/ports.ts";
import type { LoadResult, ValidatorProbe } from "../core/sample.ts";
import { readCounters, type Counters, type Sources } from "./counters.ts";
import type { HistogramValues } from "./histograms.ts";
import type { RunningProcess } from "./process.ts";
import { pollGauges, pollMemory } from "./polls.ts";
import { scrapeAll } from "./prometheus.ts";
import type { Measured } from "./differences.ts";
import { failWhenItEnds } from "./service.ts";
import { backlogChecks, settleJobs } from "./settle.ts";

/** A Node process gets faster for its first thousand requests or two (measured: 2.4 ms of CPU a request at first, 1.6 ms later). */
const WARM_UP_MS_MAX = 4_000;
/** Of the windows' rate, so that a short warm-up has enough requests. At twice 40 % of saturation nothing queues for long. */
const WARM_UP_RATE = 2;
/** Of an overload: as much work as the service can do, and less to wait for until the queues are empty. */
const OVERLOAD_WARM_UP_RATE = 0.5;
/** Keeps the warm-up's requests, and what they create, apart from the windows'. */
const WARM_UP_STREAM = 0x7761726d;

/** What is asked of one arm. */
export type ArmRequest = Omit<WindowRequest, "role">;

/** What the load engine is asked for. */
export interface LoadRun extends ArmRequest {
  readonly baseUrl: string;
  /** Whether the result has to hold the window's requests one by one. */
  readonly trace: boolean;
  readonly signal: AbortSignal;
}

/** How load is sent: given by whoever opens arms, since the load engine is not this folder's. */
export interface LoadOptions {
  /** One window on a base URL. */
  readonly runLoad: (run: LoadRun) => Promise<LoadResult>;
  /** The most requests per second that a closed loop gets through. */
  readonly saturate: (run: {
    readonly baseUrl: string;
    readonly seed: number;
    readonly signal: AbortSignal;
  }) => Promise<number>;
  /** A few conditional requests, to see what the service makes of validators; absent: nobody asks. */
  readonly probe?: (run: {
    readonly baseUrl: string;
    readonly seed: number;
    readonly signal: AbortSignal;
  }) => Promise<readonly ValidatorProbe[]>;
  readonly signal: AbortSignal;
  /** Whether samples say statement by statement and command by command what the stores did. */
  readonly detail?: boolean;
}

/** One running service and what is read around its windows. */
export interface Subject {
  readonly baseUrl: string;
  /** Undefined for a service that perfopt did not start. */
  readonly process: RunningProcess | undefined;
  readonly sources: Sources;
  /** The limit of the service's pool when it shows none itself. */
  readonly poolMax: number | undefined;
}

export async function measureWindow(
  subject: Subject,
  request: ArmRequest & { readonly trace: boolean },
  options: LoadOptions,
): Promise<Measured> {
  await warmUp(subject, request, options);
  const { sources } = subject;
  const jobsLeft = await settleJobs(subject, options.signal);
  const before = await readCounters(sources, options.detail);
  const stop = new AbortController();
  const polling = Promise.all([
    pollGauges(sources, request.warmupMs, stop.signal),
    pollMemory(sources, request.warmupMs, stop.signal),
  ]);
  let load: LoadResult;
  try {
    load = await whileAlive(subject, options.signal, (signal) =>
      options.runLoad({ ...request, baseUrl: subject.baseUrl, signal }),
    );
  } finally {
    stop.abort();
  }
  const [polls, residentPolls] = await polling;
  const atEnd = await readCounters(sources, options.detail);
  // What this window left behind would compete with the other arm's window.
  await settleJobs(subject, options.signal);
  const after = { ...atEnd, histograms: await afterSettling(subject, atEnd) };
  return {
    load: { ...load, checks: [...load.checks, ...backlogChecks(jobsLeft)] },
    warmupMs: request.warmupMs,
    ...(request.segments ? { segments: request.segments } : {}),
    before,
    after,
    polls,
    residentPolls,
    poolMax: subject.poolMax,
    ...(options.detail === true ? { unmeasured: sources.unmeasured } : {}),
  };
}

/**
 * Times of jobs are complete only when the last one has ended: at the window's end those that waited longest would be missing. Rates are
 * read at its end.
 */
async function afterSettling(
  { process, sources: { metrics } }: Subject,
  { histograms }: Counters,
): Promise<HistogramValues> {
  if (!process || metrics?.series.queueWaiting === undefined) return histograms;
  return (await scrapeAll(metrics)).histograms;
}

/** Processes, and services that perfopt did not start, that have had their warm-up. */
const warmed = new WeakSet<object>();

/** A process's first window would show its compiler and its first connections: both arms' get the same load before it. */
async function warmUp(
  subject: Subject,
  { seed, requestsPerSecond, arrivals, windowMs, users, overload }: ArmRequest,
  options: LoadOptions,
): Promise<void> {
  const { baseUrl } = subject;
  const key = subject.process ?? subject.sources;
  if (warmed.has(key)) return;
  await whileAlive(subject, options.signal, (signal) =>
    options.runLoad({
      baseUrl,
      seed: seed ^ WARM_UP_STREAM,
      requestsPerSecond: requestsPerSecond * (overload ? OVERLOAD_WARM_UP_RATE : WARM_UP_RATE),
      arrivals,
      warmupMs: 0,
      // Whoever asks for short windows is in a hurry.
      windowMs: Math.min(WARM_UP_MS_MAX, 2 * windowMs),
      ...(users ? { users } : {}),
      trace: false,
      signal,
    }),
  );
  warmed.add(key);
}

/** Runs the load until it is done, the run is interrupted, or the service dies, which is an error with its last words. */
export async function whileAlive<T>(
  { process }: Pick<Subject, "process">,
  signal: AbortSignal,
  load: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (!process) return load(signal);
  const stop = new AbortController();
  const loading = load(AbortSignal.any([signal, stop.signal]));
  try {
    return await Promise.race([loading, failWhenItEnds(process)]);
  } finally {
    stop.abort();
    // No window begins before the last one's requests are gone.
    await loading.catch(() => {});
  }
}
