// What the fault service tells of itself, as services do with prom-client.
import { stat } from "node:fs";
import {
  constants,
  monitorEventLoopDelay,
  performance,
  PerformanceObserver,
} from "node:perf_hooks";
import { Counter, Gauge, Histogram, Registry } from "prom-client";

const FINE = [
  0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5,
];

const GC_KINDS = {
  [constants.NODE_PERFORMANCE_GC_MINOR]: "minor",
  [constants.NODE_PERFORMANCE_GC_MAJOR]: "major",
};

export function instruments({ pool, waitingJobs }) {
  const registers = [new Registry()];
  const histogram = (name) => new Histogram({ name, help: name, buckets: FINE, registers });
  const counter = (name, labelNames = []) =>
    new Counter({ name, help: name, labelNames, registers });
  const gauge = (name, labelNames = []) => new Gauge({ name, help: name, labelNames, registers });
  const pools = gauge("pool_connections", ["state"]);
  const waiting = gauge("jobs_waiting");
  const delay = gauge("event_loop_delay_p99_seconds");
  const utilization = gauge("event_loop_utilization");
  gauge("pool_max").set(pool.options.max);
  const gc = {
    seconds: counter("gc_seconds_total"),
    count: counter("gc_total", ["kind"]),
    pause: histogram("gc_pause_seconds"),
  };
  new PerformanceObserver((list) => {
    for (const { duration, detail } of list.getEntries()) {
      gc.seconds.inc(duration / 1000);
      gc.count.inc({ kind: GC_KINDS[detail.kind] ?? "other" });
      gc.pause.observe(duration / 1000);
    }
  }).observe({ entryTypes: ["gc"] });
  const loop = monitorEventLoopDelay({ resolution: 10 });
  loop.enable();
  let last = performance.eventLoopUtilization();
  const probe = histogram("file_probe_seconds");
  return {
    /** Asks libuv's threads for a small thing, so often. */
    probing(everyMs) {
      setInterval(() => {
        const started = performance.now();
        stat(import.meta.filename, () => probe.observe((performance.now() - started) / 1000));
      }, everyMs).unref();
    },
    poolWait: histogram("pool_wait_seconds"),
    outgoing: histogram("outgoing_seconds"),
    jobWait: histogram("job_wait_seconds"),
    jobService: histogram("job_service_seconds"),
    accepted: counter("jobs_accepted_total"),
    completed: counter("jobs_completed_total"),
    async page() {
      pools.set({ state: "total" }, pool.totalCount);
      pools.set({ state: "idle" }, pool.idleCount);
      pools.set({ state: "waiting" }, pool.waitingCount);
      waiting.set(await waitingJobs());
      const now = performance.eventLoopUtilization();
      utilization.set(performance.eventLoopUtilization(now, last).utilization);
      last = now;
      // The loop's own 10 ms are no delay.
      const p99 = loop.count > 0 ? loop.percentile(99) / 1e9 - 0.01 : 0;
      delay.set(Math.max(0, p99));
      loop.reset();
      return registers[0].metrics();
    },
  };
}
