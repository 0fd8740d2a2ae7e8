/** The persona, knobs and first line of the report tests' runs. */
import type { RunEvent } from "../../src/core/event.ts";
import type { Knob } from "../../src/core/knob.ts";
import type { Persona } from "../../src/core/persona.ts";

const knobs: readonly Knob[] = [
  {
    id: "l1-ttl",
    title: "L1 lifetime",
    role: "l1-ttl",
    domain: { kind: "duration", min: 0, max: 60_000 },
    default: 0,
    scope: "restart",
    set: { kind: "env", variable: "CACHE_L1_TTL_SECONDS", unit: "s" },
  },
  {
    id: "l2-ttl",
    title: "L2 lifetime",
    role: "l2-ttl",
    domain: { kind: "duration", min: 0, max: 600_000 },
    default: 300_000,
    scope: "restart",
    set: { kind: "env", variable: "CACHE_L2_TTL_SECONDS", unit: "s" },
  },
  {
    id: "pool-max",
    title: "Pool size",
    role: "pool-max",
    domain: { kind: "int", min: 2, max: 100 },
    default: 15,
    scope: "restart",
    set: { kind: "env", variable: "POOL_MAX" },
  },
  {
    id: "redis-maxmemory",
    title: "Redis memory",
    role: "redis-maxmemory",
    domain: { kind: "bytes", min: 1, max: 2 ** 34 },
    default: 2 ** 27,
    scope: "live",
    set: { kind: "redis", parameter: "maxmemory" },
  },
];

const persona: Persona = {
  name: "speed-runner",
  title: "Speed Runner",
  description: "Wants every answer before it is missed",
  priority: "extreme response time",
  workload: {
    name: "browse",
    arrivals: "poisson",
    rate: { kind: "share-of-saturation", share: 0.6 },
    warmupMs: 2_000,
    windowMs: 4_000,
    timeoutMs: 10_000,
  },
  objectives: [
    { metric: "api.latencyP95Ms", goal: 200, stretch: 100, weight: 3 },
    { metric: "db.queryMeanMs", goal: 25, stretch: 20, weight: 2 },
    { metric: "cache.hitRate", goal: 0.98, weight: 2 },
    { metric: "db.indexHitRate", goal: 0.95, weight: 1 },
  ],
  strategies: [
    {
      name: "micro-cache",
      title: "Micro-cache",
      tuner: "micro-cache",
      objective: "api.latencyP95Ms",
      settings: { "l1-ttl": 5_000 },
      preset: { from: 285, to: 180, metric: "API p95, ms" },
    },
    {
      name: "index-advisor",
      title: "Index advisor",
      tuner: "index-advisor",
      objective: "api.latencyP95Ms",
      settings: {},
      preset: { from: 35, to: 20, metric: "DB query, ms" },
    },
    {
      name: "connection-pool",
      title: "Connection pool",
      tuner: "connection-pool",
      objective: "api.latencyP95Ms",
      settings: { "pool-max": 30 },
    },
    {
      name: "redis-memory",
      title: "Redis memory",
      tuner: "redis-memory",
      objective: "cache.hitRate",
      settings: {},
    },
    { name: "edge-cache", title: "Edge cache", objective: "api.latencyP95Ms", settings: {} },
  ],
  constraints: [
    { kind: "limit", metric: "api.errorRate", limit: 0.001 },
    { kind: "no-regression", metric: "service.memoryBytes", tolerance: 0.25 },
  ],
  minEffect: { ratio: 0.03, difference: 0.01 },
  budget: { totalMs: 480_000, pairsMax: 14, candidatesMax: 3 },
};

export function runStarted(
  overrides: Partial<Extract<RunEvent, { type: "run-started" }>> = {},
): RunEvent {
  return {
    type: "run-started",
    command: [
      "run",
      "--persona",
      "speed-runner",
      "--target=profiles/targets/model-registry.yaml",
      "--performance",
      "--yes",
    ],
    persona,
    target: {
      name: "model-registry",
      title: "Model registry",
      file: "profiles/targets/model-registry.yaml",
      scale: "medium",
      rowsByTable: { runs: 200_000, metrics: 1_400_000 },
      databaseBytes: 412_000_000,
      design: "two arms, each its own process and its own clone of the database, both warm",
      knobs,
    },
    environment: {
      perfopt: "0.1.0",
      node: "v20.20.0",
      platform: "linux x64",
      cpu: "Example CPU",
      cores: 2,
      memoryBytes: 8 * 1024 ** 3,
      postgres: "PostgreSQL 18.4",
      redis: "redis 7.0.15",
      gitCommit: "0123abc",
    },
    phases: persona.strategies.map((strategy) => ({
      name: strategy.name,
      title: strategy.title,
      tuner: strategy.tuner,
      rationale: strategy.tuner
        ? "helps when requests repeat, and cannot when each is new"
        : "this version of perfopt does not run this strategy yet",
      budgetMs: strategy.tuner ? 90_000 : 0,
    })),
    seed: 7,
    quick: false,
    baselineValues: { "l1-ttl": 0, "l2-ttl": 300_000, "pool-max": 15, "redis-maxmemory": 2 ** 27 },
    ...overrides,
  };
}
