// What the fault service tells of itself, as services do with prom-client.
import { monitorEventLoopDelay, performance, PerformanceObserver } from "node:perf_hooks";
import { Counter, Gauge, Histogram, Registry } from "prom-client";

const FINE = [
  0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5,
];

export function instruments({ pool, redis }) {
  const registers = [new Registry()];
  const histogram = (name) => new Histogram({ name, help: name, buckets: FINE, registers });
  const counter = (name) => new Counter({ name, help: name, registers });
  const gauge = (name, labelNames = []) => new Gauge({ name, help: name, labelNames, registers });
  const pools = gauge("pool_connections", ["state"]);
  const waiting = gauge("jobs_waiting");
  const delay = gauge("event_loop_delay_p99_seconds");
  const utilization = gauge("event_loop_utilization");
  gauge("pool_max").set(pool.options.max);
  const gc = { seconds: counter("gc_seconds_total"), count: counter("gc_total") };
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) {
      gc.seconds.inc(duration / 1000);
      gc.count.inc();
    }
  }).observe({ entryTypes: ["gc"] });
  const loop = monitorEventLoopDelay({ resolution: 10 });
  loop.enable();
  let last = performance.eventLoopUtilization();
  return {
    poolWait: histogram("pool_wait_seconds"),
    probe: histogram("file_probe_seconds"),
    outgoing: histogram("outgoing_seconds"),
    jobWait: histogram("job_wait_seconds"),
    jobService: histogram("job_service_seconds"),
    accepted: counter("jobs_accepted_total"),
    completed: counter("jobs_completed_total"),
    async page() {
      pools.set({ state: "total" }, pool.totalCount);
      pools.set({ state: "idle" }, pool.idleCount);
      pools.set({ state: "waiting" }, pool.waitingCount);
      waiting.set(await redis.llen("jobs"));
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
