/** The most requests, or sessions, per second that a service completes: a closed loop of users who never pause. */
import { PerfoptError } from "../core/errors.ts";
import type { LoadResult } from "../core/sample.ts";
import type { WorkloadDefinition } from "../core/workload.ts";
import { runWindow } from "./engine.ts";
import type { LoadRequest } from "./request.ts";

export interface SaturationRequest extends Pick<
  LoadRequest,
  | "baseUrl"
  | "workload"
  | "data"
  | "seed"
  | "warmupMs"
  | "timeoutMs"
  | "workers"
  | "headers"
  | "tls"
> {
  /** How many requests are always with the service: each connection sends its next when it has the answer. */
  readonly connections: number;
  readonly durationMs: number;
}

export interface Saturation {
  /** Answers with an expected status in the counted time, over that time; of a workload of sessions, finished sessions. */
  readonly requestsPerSecond: number;
  /** In the counted time: answers with another status, timeouts and connections that failed. */
  readonly errors: number;
}

/** Keeps the unique texts of this run apart from those of the windows with the same seed. */
const SATURATION_STREAM = 0x73617475;

/**
 * Only the count is used: a closed loop sends less when the service is slow, so its latencies leave out what they should show.
 * For a service that is faster than the generator it is the generator's own limit, which no window could be sent above either.
 * Rejects with bad-input for a workload that cannot be filled, cannot-measure when nothing succeeded, interrupted when
 * `signal` aborts.
 */
export async function findSaturation(
  { durationMs, ...request }: SaturationRequest,
  signal: AbortSignal,
): Promise<Saturation> {
  const result = await runWindow(
    {
      ...request,
      workload: withoutThinking(request.workload),
      seed: request.seed ^ SATURATION_STREAM,
      users: { count: request.connections, think: { kind: "fixed", ms: 0 } },
      arrivals: "constant",
      requestsPerSecond: 0,
      windowMs: durationMs,
      errorRateMax: 1,
      foreignWorkKnown: false,
      trace: false,
    },
    signal,
  );
  const completed = completedIn(result, request.workload);
  if (completed === 0) {
    const why = result.checks.find(({ id }) => id === "errors")?.detail ?? "";
    throw new PerfoptError(
      "cannot-measure",
      `no request succeeded at ${request.baseUrl} in ${durationMs / 1_000} s of closed-loop load (${why})`,
      "check that the service runs, and send one of the workload's requests by hand",
    );
  }
  return { requestsPerSecond: (completed * 1_000) / durationMs, errors: result.errors };
}

/** Pauses within sessions would make the number of users the limit, and not the service. */
export function withoutThinking({ sessions, ...workload }: WorkloadDefinition): WorkloadDefinition {
  if (!sessions) return workload;
  const hurried = sessions.map(({ steps, ...session }) => ({
    ...session,
    steps: steps.map(({ request, repeat, captures }) => ({ request, repeat, captures })),
  }));
  return { ...workload, sessions: hurried };
}

/** A session that succeeds in its last step has finished; the rate of its windows counts sessions, not their requests. */
function completedIn({ endpoints, requests, errors }: LoadResult, workload: WorkloadDefinition) {
  const { sessions = [] } = workload;
  if (sessions.length === 0) return requests - errors;
  const repeats = new Map<string, number>();
  for (const { steps } of sessions) {
    const last = steps.at(-1);
    if (last) repeats.set(last.request.name, last.repeat);
  }
  return endpoints.reduce((sum, endpoint) => {
    const repeat = repeats.get(endpoint.name);
    return repeat === undefined ? sum : sum + (endpoint.requests - endpoint.errors) / repeat;
  }, 0);
}
