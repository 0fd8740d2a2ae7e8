/** The ten sicknesses: how the fault service is started, what is sent to it, and what the doctor should say. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import type { Verdict } from "../../src/core/diagnosis.ts";

export interface Fault {
  readonly name: string;
  readonly expected: Verdict;
  /** As --rate has it. */
  readonly rate: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly redisMemory?: string;
}

/** Services with the same sicknesses on one seeded database. */
export interface FaultSet {
  /** Of their target files: a seeded database is kept by this name. */
  readonly name: string;
  /** Files of this folder. */
  readonly service: string;
  readonly seed: string;
  readonly redisPolicy: string;
  readonly faults: readonly Fault[];
  /** As target files have it. */
  readonly workload: (fault: Fault) => object;
}

/**
 * Rates at which two cores show the fault; of `queue-overload` and `cpu` they are more than the service can do. That of `pool-starved` is
 * a share of what its one connection can do, on whatever machine.
 */
export const faults: readonly Fault[] = [
  { name: "healthy", expected: "none", rate: "60" },
  { name: "pool-starved", expected: "pool-starved", rate: "70%", env: { POOL_MAX: "1" } },
  { name: "slow-query", expected: "slow-query", rate: "25" },
  { name: "loop-blocked", expected: "loop-blocked", rate: "15" },
  { name: "gc", expected: "gc", rate: "80" },
  { name: "redis", expected: "redis", rate: "80", redisMemory: "3mb" },
  { name: "libuv", expected: "libuv", rate: "60", env: { UV_THREADPOOL_SIZE: "1" } },
  { name: "queue-overload", expected: "queue-overload", rate: "200" },
  { name: "cpu", expected: "cpu", rate: "300" },
  { name: "slow-upstream", expected: "slow-upstream", rate: "30" },
];

const OWNERS = 6_000;
/** Few, so that a healthy cache has them all after a moment; the evicting one is asked for more than it can hold. */
const HOT_OWNERS = 300;

export const firstSet: FaultSet = {
  name: "doctor-faults",
  service: "service.mjs",
  seed: "seed.mjs",
  redisPolicy: "allkeys-lru",
  faults,
  workload: ({ name }) => ({
    parameters: { owner: { int: { min: 1, max: name === "redis" ? OWNERS : HOT_OWNERS } } },
    requests: [{ name: "ask", weight: 1, method: "GET", path: "/${owner}" }],
  }),
};

export interface FaultPlace {
  readonly folder: string;
  readonly scale: "small" | "full";
  readonly upstreamUrl: string;
}

/** Writes the target file of one fault; returns its path. */
export async function writeTarget(
  fault: Fault,
  place: FaultPlace,
  set: FaultSet = firstSet,
): Promise<string> {
  await mkdir(place.folder, { recursive: true });
  const path = join(place.folder, `${fault.name}.yaml`);
  await writeFile(path, stringify(targetOf(fault, place, set)));
  return path;
}

function targetOf(fault: Fault, place: FaultPlace, set: FaultSet) {
  const { name, env = {}, redisMemory = "64mb" } = fault;
  return {
    // One name: the seeded database is the same for all.
    name: set.name,
    title: `Fault service: ${name}`,
    description: "A small service that is sick on purpose.",
    service: {
      start: `node ${set.service}`,
      directory: import.meta.dirname,
      env: {
        PORT: "${port}",
        DATABASE_URL: "${postgres.url}",
        REDIS_URL: "${redis.url}",
        UPSTREAM_URL: place.upstreamUrl,
        FAULT: name,
        ...env,
      },
      ready: "/ready",
      metrics: {
        path: "/metrics",
        series: {
          poolTotal: 'pool_connections{state="total"}',
          poolIdle: 'pool_connections{state="idle"}',
          poolWaiting: 'pool_connections{state="waiting"}',
          poolMax: "pool_max",
          poolWaitSecondsSum: "pool_wait_seconds_sum",
          poolWaitCount: "pool_wait_seconds_count",
          eventLoopDelayP99Seconds: "event_loop_delay_p99_seconds",
          eventLoopUtilization: "event_loop_utilization",
          gcSeconds: "gc_seconds_total",
          gcCount: "gc_total",
          gcMajorCount: 'gc_total{kind="major"}',
          outgoingSecondsSum: "outgoing_seconds_sum",
          outgoingCount: "outgoing_seconds_count",
          queueWaiting: "jobs_waiting",
          jobsAccepted: "jobs_accepted_total",
          jobsCompleted: "jobs_completed_total",
        },
        histograms: {
          fileProbeSeconds: "file_probe_seconds",
          gcPauseSeconds: "gc_pause_seconds",
          jobWaitSeconds: "job_wait_seconds",
          jobServiceSeconds: "job_service_seconds",
        },
      },
    },
    postgres: { embedded: { database: "faults", settings: { shared_buffers: "128MB" } } },
    redis: { local: { settings: { maxmemory: redisMemory, "maxmemory-policy": set.redisPolicy } } },
    seed: {
      command: `node ${set.seed} \${scale}`,
      directory: import.meta.dirname,
      scales: ["small", "full"],
      default: place.scale,
      quick: "small",
    },
    knobs: {},
    workloads: { ask: set.workload(fault) },
  };
}
