/** Calls to other services as signs: which of them a request's response can have waited for, and which jobs may have made. */
import type { Readings } from "../core/readings.ts";
import { condition, made, quotient, sign, type Sign } from "./signs.ts";
import { THRESHOLDS as at } from "./thresholds.ts";

/** Of one window: its calls and its responses belong together. */
export function upstreamSigns(window: Readings, where = ""): readonly Sign[] {
  return [
    callShare(window, where),
    sign(window, "upstream.meanMs", ">=", at.upstreamMs, where),
    asLongAsCalls(window, where),
  ];
}

/**
 * The page counts calls, and not who made them. Jobs can have made no more than what fits into the time that they took: what is left
 * belongs to requests. Where all calls are enough and those that are left are not, nobody can tell.
 */
function callShare(window: Readings, where: string): Sign {
  const { "upstream.msPerRequest": all, "upstream.jobsMsPerRequest": byJobs } = window;
  const response = window["load.latencyMeanMs"];
  const most = quotient(all, response);
  const left = all === undefined || byJobs === undefined ? undefined : Math.max(0, all - byJobs);
  const least = quotient(left, response);
  const told = least !== undefined && least >= at.upstreamShare ? least : undefined;
  return made({
    resource: "other services",
    title: `calls that requests make, share of the response${named(where)}`,
    unit: "ratio",
    value: most !== undefined && most < at.upstreamShare ? most : told,
    compare: ">=",
    limit: at.upstreamShare,
  });
}

/**
 * A request that waits for a call takes as long as the call. Half of those that make one have to, so that requests of which every
 * second makes one are held against their p75, for which p90 stands.
 */
function asLongAsCalls(window: Readings, where: string): Sign {
  const calls = window["upstream.callsPerRequest"];
  const quantile = calls === undefined ? undefined : quantileFor(calls);
  return condition(
    made({
      resource: "other services",
      title: `response ${quantile?.title ?? "p50"} over the mean call${named(where)}`,
      unit: "count",
      value: quotient(quantile && window[quantile.id], window["upstream.meanMs"]),
      compare: ">=",
      limit: at.responseOverCall,
    }),
  );
}

function quantileFor(callsPerRequest: number) {
  // Calls of a window and its requests do not begin and end together.
  if (callsPerRequest >= 0.9) return { id: "load.latencyP50Ms", title: "p50" } as const;
  if (callsPerRequest >= 0.2) return { id: "load.latencyP90Ms", title: "p90" } as const;
  return { id: "load.latencyP95Ms", title: "p95" } as const;
}

function named(where: string): string {
  return where === "" ? "" : `, ${where}`;
}
