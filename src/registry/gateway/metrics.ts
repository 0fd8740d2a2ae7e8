// What the gateway itself counts, by worker.

import { Counter, Gauge, Histogram, Registry } from "prom-client";

export type GatewayMetrics = {
  readonly registry: Registry;
  readonly answered: (worker: string, seconds: number) => void;
  readonly failed: (worker: string, times?: number) => void;
  readonly ejected: (worker: string, times?: number) => void;
  readonly retried: (times?: number) => void;
  /** Answered by the gateway itself with 5xx. */
  readonly refused: (times?: number) => void;
  readonly up: (worker: string, up: boolean) => void;
};

type Source = {
  readonly workers: readonly string[];
  readonly inflight: (worker: string) => number;
  /** Of the gateway's own processes, since they started. */
  readonly cpuSeconds: () => number;
};

// Steps of a quarter, so that a p99 read from the buckets is off by an eighth at most: 0.25 ms to over a minute.
const BUCKET_FIRST_SECONDS = 0.000_25;
const BUCKET_STEP = 1.25;
const BUCKET_COUNT = 57;
const BUCKETS = Array.from({ length: BUCKET_COUNT }, (_, index) =>
  Number((BUCKET_FIRST_SECONDS * BUCKET_STEP ** index).toPrecision(6)),
);

export function createGatewayMetrics(source: Source): GatewayMetrics {
  const registry = new Registry();
  const registers = [registry];
  const labelNames = ["worker"] as const;
  const counter = (name: string, help: string): Counter<"worker"> =>
    new Counter({ name, help, labelNames, registers });
  const seconds = new Histogram({
    name: "registry_gateway_seconds",
    help: "Time from a request's arrival at the gateway to the end of its answer, by the worker that answered",
    labelNames,
    buckets: BUCKETS,
    registers,
  });
  const errors = counter(
    "registry_gateway_errors_total",
    "Requests that a worker did not answer: no connection, connection broken, too late",
  );
  const ejections = counter("registry_gateway_ejections_total", "Times a worker was taken out");
  const upGauge = new Gauge({
    name: "registry_gateway_worker_up",
    help: "Whether requests go to the worker",
    labelNames,
    registers,
  });
  const plain = { labelNames: [] as const, registers };
  const retries = new Counter({
    name: "registry_gateway_retries_total",
    help: "Requests sent to a second worker",
    ...plain,
  });
  const refusals = new Counter({
    name: "registry_gateway_refused_total",
    help: "Requests that the gateway answered itself with 502, 503 or 504",
    ...plain,
  });
  for (const worker of source.workers) {
    seconds.zero({ worker });
    for (const each of [errors, ejections]) each.inc({ worker }, 0);
    upGauge.set({ worker }, 0);
  }
  addReadings(registry, source);
  const ofWorker = new Map(source.workers.map((worker) => [worker, seconds.labels({ worker })]));
  return {
    registry,
    answered: (worker, taken) => ofWorker.get(worker)?.observe(taken),
    failed: (worker, times = 1) => errors.inc({ worker }, times),
    ejected: (worker, times = 1) => ejections.inc({ worker }, times),
    retried: (times = 1) => retries.inc(times),
    refused: (times = 1) => refusals.inc(times),
    up: (worker, up) => upGauge.set({ worker }, up ? 1 : 0),
  };
}

function addReadings(registry: Registry, source: Source): void {
  registry.registerMetric(
    new Gauge({
      name: "registry_gateway_inflight",
      help: "Requests under way at the worker",
      labelNames: ["worker"] as const,
      registers: [],
      collect() {
        for (const worker of source.workers) this.set({ worker }, source.inflight(worker));
      },
    }),
  );
  let seen = 0;
  registry.registerMetric(
    new Counter({
      name: "registry_gateway_cpu_seconds_total",
      help: "User and system CPU time of the gateway's own processes",
      registers: [],
      collect() {
        const now = source.cpuSeconds();
        this.inc(Math.max(0, now - seen));
        seen = Math.max(seen, now);
      },
    }),
  );
  const start = performance.eventLoopUtilization();
  let last = start;
  registry.registerMetric(
    new Gauge({
      name: "registry_gateway_event_loop_utilisation_ratio",
      help: "Share of time the event loop of the gateway's process was busy since the last scrape",
      registers: [],
      collect() {
        const now = performance.eventLoopUtilization();
        this.set(performance.eventLoopUtilization(now, last).utilization);
        last = now;
      },
    }),
  );
}
