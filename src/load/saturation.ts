/** The most requests per second that a service completes, found by autocannon in a closed loop. */
import autocannon from "autocannon";
import { PerfoptError, throwIfAborted } from "../core/errors.ts";
import type { ParameterData, WorkloadDefinition } from "../core/workload.ts";
import { isExpected, requestSequence } from "./requests.ts";

export interface SaturationRequest {
  readonly baseUrl: string;
  readonly workload: WorkloadDefinition;
  readonly data: ParameterData;
  readonly seed: number;
  /** How many requests are always with the service: each connection sends its next when it has the answer. */
  readonly connections: number;
  readonly warmupMs: number;
  readonly durationMs: number;
  readonly timeoutMs: number;
}

export interface Saturation {
  /** Answers with an expected status in the counted time, over that time. */
  readonly requestsPerSecond: number;
  /** In the counted time: answers with another status, timeouts and connections that failed. */
  readonly errors: number;
}

/** Keeps the unique texts of this run apart from those of the windows with the same seed. */
const SATURATION_STREAM = 0x73617475;
/** autocannon looks at its end only this often. */
const STOP_POLL_MS = 50;

/**
 * Only the count is used: a closed loop sends less when the service is slow, so its latencies leave out what they should show
 * (autocannon's overallRate and connectionRate are never set: they send bursts, and correct latencies with a wrong unit).
 * Rejects with bad-input for a workload that cannot be filled, cannot-measure when nothing succeeded, interrupted when
 * `signal` aborts.
 */
export async function findSaturation(
  request: SaturationRequest,
  signal: AbortSignal,
): Promise<Saturation> {
  throwIfAborted(signal);
  const { warmupMs, durationMs } = request;
  const next = requestSequence(request.workload, request.data, request.seed ^ SATURATION_STREAM);
  const counts = { completed: 0, errors: 0 };
  const startedAt = performance.now();
  const counted = (): boolean => {
    const elapsedMs = performance.now() - startedAt;
    return elapsedMs >= warmupMs && elapsedMs < warmupMs + durationMs;
  };
  await runAutocannon(request, next, signal, {
    answered: (endpoint, status) => {
      if (!counted()) return;
      const template = request.workload.requests[endpoint];
      if (template && isExpected(template, status)) counts.completed += 1;
      else counts.errors += 1;
    },
    failed: () => {
      if (counted()) counts.errors += 1;
    },
  });
  throwIfAborted(signal);
  if (counts.completed === 0) {
    throw new PerfoptError(
      "cannot-measure",
      `no request succeeded at ${request.baseUrl} in ${durationMs / 1_000} s of closed-loop load (${counts.errors} failed)`,
      "check that the service runs, and send one of the workload's requests by hand",
    );
  }
  return { requestsPerSecond: (counts.completed * 1_000) / durationMs, errors: counts.errors };
}

interface Listener {
  readonly answered: (endpoint: number, status: number) => void;
  readonly failed: () => void;
}

function runAutocannon(
  request: SaturationRequest,
  next: ReturnType<typeof requestSequence>,
  signal: AbortSignal,
  listener: Listener,
): Promise<void> {
  const base = new URL(request.baseUrl);
  const pathPrefix = base.pathname.replace(/\/$/, "");
  return new Promise((resolve, reject) => {
    const run = autocannon(
      {
        url: base.origin,
        connections: request.connections,
        pipelining: 1,
        // The end comes from stop(): this only bounds a run whose stop was missed.
        duration: Math.ceil((request.warmupMs + request.durationMs) / 1_000) + 1,
        timeout: Math.max(1, request.timeoutMs / 1_000),
        sampleInt: STOP_POLL_MS,
        requests: [requestOfEachConnection(next, pathPrefix, listener)],
      },
      (error) => {
        clearTimeout(timer);
        signal.removeEventListener("abort", stop);
        if (error) reject(closedLoopFailed(error));
        else resolve();
      },
    );
    const stop = (): void => run.stop();
    const timer = setTimeout(stop, request.warmupMs + request.durationMs);
    signal.addEventListener("abort", stop);
    run.on("reqError", listener.failed);
  });
}

/** All connections take their requests from one sequence: with a list each would send the same ones at the same time. */
function requestOfEachConnection(
  next: ReturnType<typeof requestSequence>,
  pathPrefix: string,
  listener: Listener,
): autocannon.Request {
  return {
    setupRequest: (defaults, context) => {
      const { endpoint, method, path, headers, body } = next();
      // autocannon keeps one context for each connection, and gives it back with the answer.
      Object.assign(context, { endpoint });
      return { ...defaults, method, path: pathPrefix + path, headers: { ...headers }, body };
    },
    onResponse: (status, _body, context) => {
      if ("endpoint" in context) listener.answered(Number(context.endpoint), status);
    },
  };
}

function closedLoopFailed(error: Error): PerfoptError {
  return new PerfoptError(
    "cannot-measure",
    `autocannon failed: ${error.message}`,
    "check the base URL and the workload's requests",
    { cause: error },
  );
}
