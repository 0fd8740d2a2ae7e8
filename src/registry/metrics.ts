// The service's Prometheus metrics: requests, pool, cache and statements.

import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { CacheObserver } from "./cache/read-through.ts";
import type { ComputeState } from "./compute/compute.ts";
import { createComputeMetrics } from "./compute/metrics.ts";
import type { ComputeMetrics } from "./compute/metrics.ts";
import type { DatabaseObserver, PoolState } from "./database.ts";

export type RegistryMetrics = {
  readonly registry: Registry;
  readonly cache: CacheCounters;
  readonly compute: Omit<ComputeMetrics, "watch">;
  readonly database: Omit<DatabaseObserver, "connectionFailed">;
  readonly request: (method: string, route: string, status: number, seconds: number) => void;
  /** A request at the limit of those under way. */
  readonly refused: () => void;
  readonly watchInFlight: (count: () => number) => void;
  /** Ties the gauges to what they show; called once the pool and the cache exist. */
  readonly watch: (source: GaugeSource) => void;
};

type CacheCounters = Omit<CacheObserver, "failed" | "written">;
type GaugeSource = {
  readonly poolState: () => PoolState;
  readonly memoryBytes: () => number;
  readonly untold: () => number;
  readonly compute: () => ComputeState;
};

const NOT_MODIFIED = 304;
const LATENCY_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const WAIT_BUCKETS = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];

export function createMetrics(): RegistryMetrics {
  const registry = new Registry();
  const registers = [registry];
  const requestLabels = ["method", "route", "status_class"] as const;
  const requests = new Counter({
    name: "http_requests_total",
    help: "Requests answered",
    labelNames: requestLabels,
    registers,
  });
  const durations = new Histogram({
    name: "http_request_duration_seconds",
    help: "Time from the request's arrival to the end of its answer",
    labelNames: requestLabels,
    buckets: LATENCY_BUCKETS,
    registers,
  });
  const notModified = new Counter({
    name: "http_not_modified_total",
    help: "Answers that the client had already (304)",
    labelNames: ["route"] as const,
    registers,
  });
  const statements = new Counter({
    name: "registry_db_statements_total",
    help: "SQL statements sent, BEGIN and COMMIT included",
    registers,
  });
  const poolWait = new Histogram({
    name: "registry_pool_wait_seconds",
    help: "Time to get a connection from the pool",
    buckets: WAIT_BUCKETS,
    registers,
  });
  const refusals = new Counter({
    name: "registry_requests_refused_total",
    help: "Requests answered with 503 because REQUEST_LIMIT others were under way",
    registers,
  });
  const compute = createComputeMetrics(registry);
  return {
    registry,
    cache: cacheCounters(registers),
    compute,
    database: { statement: () => statements.inc(), waited: (seconds) => poolWait.observe(seconds) },
    request(method, route, status, seconds) {
      const labels = { method, route, status_class: `${Math.floor(status / 100)}xx` };
      requests.inc(labels);
      durations.observe(labels, seconds);
      if (status === NOT_MODIFIED) notModified.inc({ route });
    },
    refused: () => refusals.inc(),
    watchInFlight: (count) => addInFlight(registry, count),
    watch(source) {
      addGauges(registry, source);
      compute.watch(source.compute);
    },
  };
}

function cacheCounters(registers: Registry[]): CacheCounters {
  const labelNames = ["tier"] as const;
  const lookups = new Counter({
    name: "registry_cache_lookups_total",
    help: "Requests that consulted the cache",
    registers,
  });
  const joined = new Counter({
    name: "registry_cache_joined_total",
    help: "Requests that waited for the same read already under way",
    registers,
  });
  const hits = new Counter({
    name: "registry_cache_hits_total",
    help: "Answers found, by tier",
    labelNames,
    registers,
  });
  const misses = new Counter({
    name: "registry_cache_misses_total",
    help: "Answers not found, by tier",
    labelNames,
    registers,
  });
  return {
    lookup: () => lookups.inc(),
    joined: () => joined.inc(),
    hit: (tier) => hits.inc({ tier }),
    miss: (tier) => misses.inc({ tier }),
  };
}

function addInFlight(registry: Registry, count: () => number): void {
  registry.registerMetric(
    new Gauge({
      name: "registry_requests_in_flight",
      help: "Requests under way, those for health and metrics left out",
      registers: [],
      collect() {
        this.set(count());
      },
    }),
  );
}

function addGauges(registry: Registry, source: GaugeSource): void {
  registry.registerMetric(
    new Gauge({
      name: "registry_pool_connections",
      help: "Connections of the pool by state; waiting counts requests without one",
      labelNames: ["state"] as const,
      registers: [],
      collect() {
        const { total, idle, waiting } = source.poolState();
        this.set({ state: "total" }, total);
        this.set({ state: "idle" }, idle);
        this.set({ state: "waiting" }, waiting);
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: "registry_pool_max",
      help: "Most connections the pool may open",
      registers: [],
      collect() {
        this.set(source.poolState().max);
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: "registry_cache_l1_bytes",
      help: "Bytes held by the in-process cache",
      registers: [],
      collect() {
        this.set(source.memoryBytes());
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: "registry_cache_untold_scopes",
      help: "Parts of the data that this process wrote to and could not announce yet, Redis being out of reach",
      registers: [],
      collect() {
        this.set(source.untold());
      },
    }),
  );
}
