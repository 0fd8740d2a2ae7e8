/** Whether more service processes can help, and how many there may be. */
import type { MetricValues } from "../../../core/sample.ts";
import { formatRatio, significant } from "../../../core/units.ts";
import { countOf } from "../gain-words.ts";

export interface ProcessLimits {
  readonly cores: number;
  /** Of each process; undefined when it is not known. */
  readonly poolMax: number | undefined;
  /** What the database lets ordinary clients open in all; undefined when it is not known. */
  readonly connections: number | undefined;
}

/** Incumbent and candidate hold their connections at the same time. */
const ARMS = 2;
/** More processes than this many to a core only take turns. */
const PROCESSES_A_CORE = 2;
/** Below this at saturation, one event loop has time left: what the service waits for then is something else. */
const LOOP_BUSY_LEAST = 0.5;

/** The most processes worth trying: each has a pool of its own, and all pools of both arms have to fit into the server. */
export function processesMost({ cores, poolMax, connections }: ProcessLimits): number {
  const byCores = Math.max(1, cores * PROCESSES_A_CORE);
  if (poolMax === undefined || connections === undefined || poolMax <= 0) return byCores;
  return Math.max(1, Math.min(byCores, Math.floor(connections / (ARMS * poolMax))));
}

/** `at most 3: processes x a pool of 30, twice, have to fit into 200 connections`. */
export function limitInWords(limits: ProcessLimits): string {
  const { cores, poolMax, connections } = limits;
  const most = processesMost(limits);
  return poolMax === undefined || connections === undefined || most === cores * PROCESSES_A_CORE
    ? `at most ${processesOf(most)} on ${countOf(cores, "core")}`
    : `at most ${processesOf(most)}: each has a pool of ${poolMax}, and those of both arms have to fit into ${countOf(connections, "connection")}`;
}

function processesOf(count: number): string {
  return countOf(count, "process", "processes");
}

/** What is left of the machine for another process: `service and database use 1.2 of 2 cores`; nothing where it is not measured. */
export function machineFacts(metrics: MetricValues, cores: number): readonly string[] {
  const service = metrics["service.cpuMsPerRequest"];
  const database = metrics["db.cpuMsPerRequest"];
  const rate = metrics["api.requestsPerSecond"];
  if (service === undefined || rate === undefined) return [];
  const used = ((service + (database ?? 0)) * rate) / 1_000;
  const who = database === undefined ? "the service uses" : "service and database use";
  return [`${who} ${significant(used)} of ${countOf(cores, "core")}`];
}

/**
 * Why another process cannot help; undefined when it may. Judged by how busy the loop would be at saturation, as far as the present load is
 * from it: work for the loop grows with the requests. `ofSaturation`: the present rate over the saturation rate, 1 where it is not known.
 */
export function loopIdleBecause(
  metrics: MetricValues,
  processes: number,
  ofSaturation = 1,
): string | undefined {
  const busy = metrics["service.eventLoopUtilization"];
  if (busy === undefined) return undefined;
  const atSaturation = Math.min(1, busy / Math.min(1, Math.max(0.1, ofSaturation)));
  if (atSaturation >= LOOP_BUSY_LEAST) return undefined;
  const loops = processes === 1 ? "the event loop is" : "the event loops are";
  const then = ofSaturation < 1 ? `, and would be ${formatRatio(atSaturation)} at saturation` : "";
  return `${loops} busy ${formatRatio(busy)} of the time${then}: what requests wait for is not the process, and another one would wait for it too`;
}
