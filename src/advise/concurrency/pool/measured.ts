/** A window of a closed loop as one measurement of a sweep. */
import type { PoolInside, PoolMeasurement } from "../../../core/pool-advice.ts";
import type { Sample } from "../../../core/sample.ts";

/** Those that --busy-machine passes over. */
const MACHINE_CHECKS: readonly string[] = ["host-pressure", "host-steal"];

/**
 * Of a closed loop: its throughput is spoiled by whatever hinders the generator or the machine, but not by requests that left a
 * moment late, which is all that `generator-lag` says.
 */
export function measurementOf(
  sample: Sample,
  {
    size,
    underWay,
    connections,
  }: { readonly size: number; readonly underWay: number; readonly connections: number | undefined },
): PoolMeasurement {
  const { load, metrics } = sample;
  const throughput = ((load.requests - load.errors) * 1_000) / load.windowMs;
  const spoiled = load.checks.filter(({ id, ok }) => !ok && id !== "generator-lag");
  return {
    size,
    throughput,
    underWay,
    responseMs: load.latency.meanMs,
    latencyP95Ms: load.latency.p95Ms,
    latencyP99Ms: load.latency.p99Ms,
    from: "",
    ...(spoiled.length > 0 ? { invalidBecause: spoiled.map(({ detail }) => detail) } : {}),
    ...(spoiled.some(({ id }) => MACHINE_CHECKS.includes(id)) ? { machineBusy: true } : {}),
    ...(spoiled.some(({ id }) => id === "errors") ? { requestsFailed: true } : {}),
    inside: insideOf(metrics, throughput, connections),
  };
}

function insideOf(
  metrics: Sample["metrics"],
  throughput: number,
  connections: number | undefined,
): PoolInside {
  const use = metrics["pool.useRatio"];
  const queryMs = metrics["db.queryMeanMs"];
  const statements = metrics["db.statementsPerRequest"];
  const dbMs = metrics["db.cpuMsPerRequest"];
  const serviceMs = metrics["service.cpuMsPerRequest"];
  const wait = metrics["pool.waitMs"];
  const perMs = throughput / 1_000;
  return {
    ...(wait === undefined ? {} : { waitMs: wait }),
    ...(use === undefined || connections === undefined ? {} : { inUse: use * connections }),
    // Little's law inside the database: statements a second times their mean time.
    ...(queryMs === undefined || statements === undefined
      ? {}
      : { executing: queryMs * statements * perMs }),
    ...(dbMs === undefined ? {} : { dbCores: dbMs * perMs }),
    ...(serviceMs === undefined ? {} : { serviceCores: serviceMs * perMs }),
  };
}
