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
  /** Of one counted window. */
  readonly durationMs: number;
  /** Windows go on for so long until the rate has settled; absent: one window. */
  readonly settleMsMax?: number;
}

export interface Saturation {
  /** Answers with an expected status in the counted windows, over their time; of a workload of sessions, finished sessions. */
  readonly requestsPerSecond: number;
  /** In the counted windows: answers with another status, timeouts and connections that failed. */
  readonly errors: number;
}

/** Keeps the unique texts of this run apart from those of the windows with the same seed. */
const SATURATION_STREAM = 0x73617475;
/** Between two windows the process stays warm: only the connections are opened again. */
const REOPEN_MS = 200;
/** Two windows in succession that differ by no more are of a service that has warmed up. */
const SETTLED_RATIO = 1.05;

/**
 * A fresh process gets faster for its first thousands of requests, so that a rate measured at once is too low. Windows follow one another
 * until two in succession agree within 5 %, or the time is used up; the rate is the mean of the last two, and those before are warm-up.
 *
 * Only the count is used: a closed loop sends less when the service is slow, so its latencies leave out what they should show.
 * For a service that is faster than the generator it is the generator's own limit, which no window could be sent above either.
 * Rejects with bad-input for a workload that cannot be filled, cannot-measure when nothing succeeded, interrupted when
 * `signal` aborts.
 */
export async function findSaturation(
  { settleMsMax = 0, ...request }: SaturationRequest,
  signal: AbortSignal,
): Promise<Saturation> {
  const startedAt = performance.now();
  let before: Counted | undefined;
  for (let index = 0; ; index += 1) {
    const warmupMs = index === 0 ? request.warmupMs : Math.min(REOPEN_MS, request.warmupMs);
    const last = await countedWindow(
      { ...request, warmupMs, seed: seedOf(request, index) },
      signal,
    );
    const tookMs = performance.now() - startedAt;
    if (hasSettled(before, last) || tookMs + request.durationMs > settleMsMax) {
      return meanOf(request, before ? [before, last] : [last]);
    }
    before = last;
  }
}

interface Counted {
  readonly completed: number;
  readonly errors: number;
  readonly errorsBecause: string;
}

/** No window sends a text of another. */
function seedOf({ seed }: SaturationRequest, window: number): number {
  return ((seed ^ SATURATION_STREAM) + Math.imul(window, 0x9e3779b1)) | 0;
}

async function countedWindow(
  { durationMs, ...request }: Omit<SaturationRequest, "settleMsMax">,
  signal: AbortSignal,
): Promise<Counted> {
  const result = await runWindow(
    {
      ...request,
      workload: withoutThinking(request.workload),
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
  return {
    completed: completedIn(result, request.workload),
    errors: result.errors,
    errorsBecause: result.checks.find(({ id }) => id === "errors")?.detail ?? "",
  };
}

/** Of two windows of the same length. One that completes less than the one before was disturbed, or the one before was: a third tells. */
export function hasSettled(
  before: Pick<Counted, "completed"> | undefined,
  last: Pick<Counted, "completed">,
): boolean {
  if (before === undefined) return false;
  const [less, more] = [before.completed, last.completed].toSorted((a, b) => a - b);
  return more !== undefined && less !== undefined && more <= SETTLED_RATIO * less;
}

function meanOf(
  { baseUrl, durationMs }: SaturationRequest,
  windows: readonly Counted[],
): Saturation {
  const seconds = (durationMs * windows.length) / 1_000;
  const completed = windows.reduce((sum, window) => sum + window.completed, 0);
  if (completed === 0) {
    throw new PerfoptError(
      "cannot-measure",
      `no request succeeded at ${baseUrl} in ${seconds} s of closed-loop load (${windows.at(-1)?.errorsBecause ?? ""})`,
      "check that the service runs, and send one of the workload's requests by hand",
    );
  }
  return {
    requestsPerSecond: completed / seconds,
    errors: windows.reduce((sum, window) => sum + window.errors, 0),
  };
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
