// Metrics of the Node.js process: event loop, garbage collection, CPU and memory.

import {
  PerformanceObserver,
  constants,
  monitorEventLoopDelay,
  performance,
} from "node:perf_hooks";
import { Counter, Gauge, Histogram } from "prom-client";
import type { Registry } from "prom-client";

const GC_KINDS: ReadonlyMap<number, string> = new Map([
  [constants.NODE_PERFORMANCE_GC_MINOR, "minor"],
  [constants.NODE_PERFORMANCE_GC_MAJOR, "major"],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, "incremental"],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, "weak_callbacks"],
]);

const DELAY_RESOLUTION_MS = 10;
// Steps of a half, so that a p99 read from the buckets is off by a fifth at most: 0.5 ms to over a second.
const PAUSE_BUCKETS = Array.from({ length: 20 }, (_, index) =>
  Number((0.000_5 * 1.5 ** index).toPrecision(4)),
);

/** Starts observing; the returned function stops. */
export function observeRuntime(registry: Registry): () => void {
  const stopDelay = observeEventLoopDelay(registry);
  const stopGc = observeGarbageCollection(registry);
  observeUtilisation(registry);
  observeProcess(registry);
  return () => {
    stopDelay();
    stopGc();
  };
}

/** Each scrape shows the time since the last one: prom-client's own gauge never resets and so forgets nothing. */
function observeEventLoopDelay(registry: Registry): () => void {
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  delay.enable();
  registry.registerMetric(
    new Gauge({
      name: "registry_event_loop_delay_seconds",
      help: "Event loop delay since the last scrape, beyond the sampling interval",
      labelNames: ["quantile"] as const,
      registers: [],
      collect() {
        for (const quantile of [50, 99]) {
          const delayNs = delay.count === 0 ? 0 : delay.percentile(quantile);
          // The monitor's samples include the interval it sleeps between them.
          this.set(
            { quantile: `0.${quantile}` },
            Math.max(0, delayNs / 1e9 - DELAY_RESOLUTION_MS / 1e3),
          );
        }
        delay.reset();
      },
    }),
  );
  return () => delay.disable();
}

function observeUtilisation(registry: Registry): void {
  let last = performance.eventLoopUtilization();
  registry.registerMetric(
    new Gauge({
      name: "registry_event_loop_utilisation_ratio",
      help: "Share of time the event loop was busy since the last scrape",
      registers: [],
      collect() {
        const now = performance.eventLoopUtilization();
        this.set(performance.eventLoopUtilization(now, last).utilization);
        last = now;
      },
    }),
  );
}

function observeGarbageCollection(registry: Registry): () => void {
  const registers = [registry];
  const labelNames = ["kind"] as const;
  const count = new Counter({
    name: "registry_gc_total",
    help: "Garbage collections by kind",
    labelNames,
    registers,
  });
  const seconds = new Counter({
    name: "registry_gc_seconds_total",
    help: "Time in garbage collection by kind",
    labelNames,
    registers,
  });
  const pause = new Histogram({
    name: "registry_gc_pause_seconds",
    help: "Durations of garbage collections of the main thread",
    buckets: PAUSE_BUCKETS,
    registers,
  });
  for (const kind of GC_KINDS.values()) {
    count.inc({ kind }, 0);
    seconds.inc({ kind }, 0);
  }
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const kind = GC_KINDS.get(gcKind(entry)) ?? "other";
      count.inc({ kind });
      seconds.inc({ kind }, entry.duration / 1000);
      pause.observe(entry.duration / 1000);
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  return () => observer.disconnect();
}

function gcKind(entry: object): number {
  const detail: unknown = "detail" in entry ? entry.detail : undefined;
  if (typeof detail !== "object" || detail === null || !("kind" in detail)) return -1;
  return typeof detail.kind === "number" ? detail.kind : -1;
}

/** CPU time and memory of this process; `otherCpuSeconds`: of programs that it has work for it, never falling for long. */
export function observeProcess(registry: Registry, otherCpuSeconds = (): number => 0): void {
  let seen = 0;
  registry.registerMetric(
    new Counter({
      name: "process_cpu_seconds_total",
      help: "User and system CPU time of the process",
      registers: [],
      collect() {
        const { user, system } = process.cpuUsage();
        const total = (user + system) / 1e6 + otherCpuSeconds();
        this.inc(Math.max(0, total - seen));
        seen = Math.max(seen, total);
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: "process_resident_memory_bytes",
      help: "Resident memory of the process",
      registers: [],
      collect() {
        this.set(process.memoryUsage.rss());
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: "registry_memory_bytes",
      help: "Memory of the main thread's JavaScript: its heap in use, and what its objects hold outside of it, buffers included",
      labelNames: ["space"] as const,
      registers: [],
      collect() {
        // Array buffers are part of `external`. Threads have heaps of their own, of which only the resident memory above tells.
        const { heapUsed, external } = process.memoryUsage();
        this.set({ space: "heap" }, heapUsed);
        this.set({ space: "non-heap" }, external);
      },
    }),
  );
}
