/** How much of a core the calling thread uses: a generator near its limit measures itself, not the service. */
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import type { GeneratorCpu } from "./request.ts";

/** Starts measuring; the returned function ends it. `restedMs` is the time so far that the thread was blocked on purpose. */
export function startCpuMeter(restedMs: () => number): () => GeneratorCpu {
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
