/** One window of load on one arm, with the counters read around it and the service's gauges polled during it. */
import { setTimeout as delay } from "node:timers/promises";
import type { WindowRequest } from "../core/ports.ts";
import type { LoadResult } from "../core/sample.ts";
import type { SeriesMap, TargetFile } from "../core/target-file.ts";
import type { Arm } from "./arm.ts";
import { readCounters, type Sources } from "./counters.ts";
import { scrape, type SeriesValues } from "./prometheus.ts";
import type { Measured } from "./sample.ts";
import { failWhenItEnds, type ServiceProcess } from "./service.ts";

const POLL_MS = 250;
/** What is only seen while it is looked at. */
const GAUGES = [
  "poolTotal",
  "poolIdle",
  "poolMax",
  "eventLoopDelayP99Seconds",
  "eventLoopUtilization",
] as const satisfies readonly (keyof SeriesMap)[];

/** What the load engine is asked for. */
export interface LoadRun extends Omit<WindowRequest, "role"> {
  readonly baseUrl: string;
  /** Whether the result has to hold the window's requests one by one. */
  readonly trace: boolean;
  readonly signal: AbortSignal;
}

export interface MeasureOptions {
  readonly targetFile: TargetFile;
  /** Undefined when PostgreSQL is not perfopt's own. */
  readonly postmasterPid: number | undefined;
  readonly poolMax: number | undefined;
  readonly signal: AbortSignal;
  readonly runLoad: (run: LoadRun) => Promise<LoadResult>;
}

export async function measureWindow(
  arm: Arm,
  service: ServiceProcess,
  request: Omit<WindowRequest, "role"> & { readonly trace: boolean },
  options: MeasureOptions,
): Promise<Measured> {
  const sources = sourcesOf(arm, service, options);
  const before = await readCounters(sources);
  const stop = new AbortController();
  const polling = pollGauges(sources, request.warmupMs, stop.signal);
  let load: LoadResult;
  try {
    const { seed, requestsPerSecond, arrivals, warmupMs, windowMs, trace } = request;
    load = await whileAlive(service, options.signal, (signal) =>
      options.runLoad({
        baseUrl: service.baseUrl,
        seed,
        requestsPerSecond,
        arrivals,
        warmupMs,
        windowMs,
        trace,
        signal,
      }),
    );
  } finally {
    stop.abort();
  }
  const polls = await polling;
  const after = await readCounters(sources);
  return { load, warmupMs: request.warmupMs, before, after, polls, poolMax: options.poolMax };
}

/** Runs the load until it is done, the run is interrupted, or the service dies, which is an error with its last words. */
export async function whileAlive<T>(
  service: ServiceProcess,
  signal: AbortSignal,
  load: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const loading = load(AbortSignal.any([signal, stop.signal]));
  try {
    return await Promise.race([loading, failWhenItEnds(service.process)]);
  } finally {
    stop.abort();
    // No window begins before the last one's requests are gone.
    await loading.catch(() => {});
  }
}

function sourcesOf(arm: Arm, service: ServiceProcess, options: MeasureOptions): Sources {
  const { metrics } = options.targetFile.service;
  return {
    database: arm.client,
    postmasterPid: options.postmasterPid,
    redis: arm.redis?.client,
    servicePid: service.process.pid,
    metrics: metrics && { url: `${service.baseUrl}${metrics.path}`, series: metrics.series },
  };
}

/**
 * Reads the gauges from the end of the warm-up until told to stop. The first reading only ends the warm-up's interval, for
 * gauges that tell of the time since they were last read. One that fails is left out: the load decides whether the window is valid.
 */
async function pollGauges(
  { metrics }: Sources,
  warmupMs: number,
  signal: AbortSignal,
): Promise<readonly SeriesValues[]> {
  if (!metrics || !GAUGES.some((key) => metrics.series[key] !== undefined)) return [];
  const polls: SeriesValues[] = [];
  const read = () => scrape(metrics.url, metrics.series).catch(() => undefined);
  if (!(await waited(warmupMs, signal))) return polls;
  await read();
  while (await waited(POLL_MS, signal)) {
    const values = await read();
    // One that was answered after the window's end would show an idle service.
    if (values && !signal.aborted) polls.push(values);
  }
  return polls;
}

async function waited(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await delay(ms, undefined, { signal });
    return true;
  } catch {
    return false;
  }
}
