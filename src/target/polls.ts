/** What is only seen while it is looked at: the service's gauges and memory, polled during a window. */
import { setTimeout as delay } from "node:timers/promises";
import type { SeriesMap } from "../core/target-file.ts";
import type { Sources } from "./counters.ts";
import { residentBytes, treeOf } from "./proc.ts";
import { scrape, type SeriesValues } from "./prometheus.ts";

const POLL_MS = 250;
const GAUGES = [
  "poolTotal",
  "poolIdle",
  "poolMax",
  "eventLoopDelayP99Seconds",
  "eventLoopUtilization",
  "queueWaiting",
  "threadsAlive",
  "heapUsedBytes",
  "nonHeapBytes",
] as const satisfies readonly (keyof SeriesMap)[];

/**
 * Reads the gauges from the end of the warm-up until told to stop. The first reading only ends the warm-up's interval, for
 * gauges that tell of the time since they were last read. One that fails is left out: the load decides whether the window is valid.
 */
export async function pollGauges(
  { metrics }: Sources,
  warmupMs: number,
  signal: AbortSignal,
): Promise<readonly SeriesValues[]> {
  if (!metrics || !GAUGES.some((key) => metrics.series[key] !== undefined)) return [];
  const polls: SeriesValues[] = [];
  const read = () => scrape(metrics).catch(() => undefined);
  if (!(await waited(warmupMs, signal))) return polls;
  await read();
  while (await waited(POLL_MS, signal)) {
    const values = await read();
    // One that was answered after the window's end would show an idle service.
    if (values && !signal.aborted) polls.push(values);
  }
  return polls;
}

/**
 * Resident bytes of the service's processes, those that it had at the end of the warm-up: looking for its children each time would cost a
 * reading of every process. Empty where the processes are not known, or not to be read.
 */
export async function pollMemory(
  { service }: Pick<Sources, "service">,
  warmupMs: number,
  signal: AbortSignal,
): Promise<readonly number[]> {
  if (service.kind === "unknown" || !(await waited(warmupMs, signal))) return [];
  const members = [...(await treeOf(service.pid))];
  const polls: number[] = [];
  while (await waited(POLL_MS, signal)) {
    const bytes = await residentBytes(members);
    if (bytes > 0) polls.push(bytes);
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
