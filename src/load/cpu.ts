/** How much of a core the calling thread uses: a generator near its limit measures itself, not the service. */
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { setTimeout as wait } from "node:timers/promises";
import type { GeneratorCpu } from "./request.ts";

/**
 * Of the calling thread between two moments in `performance.now()` milliseconds; resolves after the second. `restedMs` is the time so
 * far that the thread was blocked on purpose.
 */
export async function cpuBetween(
  startsAt: number,
  endsAt: number,
  restedMs: () => number,
): Promise<GeneratorCpu> {
  await wait(startsAt - performance.now());
  const stop = startCpuMeter(restedMs);
  await wait(endsAt - performance.now());
  return stop();
}

function startCpuMeter(restedMs: () => number): () => GeneratorCpu {
  const startedAt = performance.now();
  const cpuMs = threadCpuMs();
  if (cpuMs !== undefined) {
    return () => ({
      share: ((threadCpuMs() ?? Number.NaN) - cpuMs) / (performance.now() - startedAt),
      source: "thread",
    });
  }
  const loop = performance.eventLoopUtilization();
  const rested = restedMs();
  return () => {
    const { active } = performance.eventLoopUtilization(loop);
    return {
      share: (active - (restedMs() - rested)) / (performance.now() - startedAt),
      source: "loop",
    };
  };
}

/** Linux counts the nanoseconds that each thread ran: the first number of schedstat. */
function threadCpuMs(): number | undefined {
  try {
    const [nanoseconds] = readFileSync("/proc/thread-self/schedstat", "utf8").split(" ");
    const value = Number(nanoseconds);
    return Number.isFinite(value) && value > 0 ? value / 1e6 : undefined;
  } catch {
    return undefined;
  }
}
