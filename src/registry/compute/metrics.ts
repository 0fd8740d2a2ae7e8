// Metrics of the pool of CPU threads and of the probe that waits behind libuv's threads.

import { Counter, Gauge, Histogram } from "prom-client";
import type { Registry } from "prom-client";
import type { ComputeState } from "./compute.ts";
import type { ComputeObserver } from "./pool.ts";

export type ComputeMetrics = Omit<ComputeObserver, "threadFailed"> & {
  readonly fileProbed: (seconds: number) => void;
  /** Ties the rest to the pool; called once it is open. */
  readonly watch: (state: () => ComputeState) => void;
};

// A wait is microseconds while a thread is idle, and the length of the queue otherwise.
const WAIT_BUCKETS = [
  0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
  2.5, 5, 10,
];

export function createComputeMetrics(registry: Registry): ComputeMetrics {
  const registers = [registry];
  const wait = new Histogram({
    name: "registry_thread_wait_seconds",
    help: "Time from asking for CPU work until a thread began with it",
    buckets: WAIT_BUCKETS,
    registers,
  });
  const refused = new Counter({
    name: "registry_thread_tasks_refused_total",
    help: "CPU work refused because too much of it waited (THREAD_QUEUE_LIMIT)",
    registers,
  });
  const probe = new Histogram({
    name: "registry_file_probe_seconds",
    help: "Time of an asynchronous stat of one file, which waits for one of libuv's threads; about four a second",
    buckets: WAIT_BUCKETS,
    registers,
  });
  return {
    waited: (seconds) => wait.observe(seconds),
    refused: () => refused.inc(),
    fileProbed: (seconds) => probe.observe(seconds),
    watch: (state) => addPool(registry, state),
  };
}

function addPool(registry: Registry, state: () => ComputeState): void {
  const gauge = (name: string, help: string, value: (state: ComputeState) => number): void =>
    registry.registerMetric(
      new Gauge({
        name,
        help,
        registers: [],
        collect() {
          this.set(value(state()));
        },
      }),
    );
  const counter = (name: string, help: string, value: (state: ComputeState) => number): void => {
    let seen = 0;
    registry.registerMetric(
      new Counter({
        name,
        help,
        registers: [],
        collect() {
          const now = value(state());
          this.inc(now - seen);
          seen = now;
        },
      }),
    );
  };
  gauge("registry_threads_alive", "CPU threads that are there", (now) => now.threadsAlive);
  gauge(
    "registry_thread_tasks_waiting",
    "CPU work that waits for a thread",
    (now) => now.tasksWaiting,
  );
  counter(
    "registry_thread_busy_seconds_total",
    "Time of CPU work that ended, as its threads timed it",
    (now) => now.busySeconds,
  );
  counter(
    "registry_thread_alive_seconds_total",
    "Time that CPU threads were there, busy or not, over all of them",
    (now) => now.aliveSeconds,
  );
}
