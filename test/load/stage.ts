// Sessions, and a stage without a network: what is sent is noted with the moment it was due, and answered as the test says.
import { performance } from "node:perf_hooks";
import type {
  Capture,
  Parameter,
  RequestTemplate,
  SessionStep,
  SessionTemplate,
  WorkloadDefinition,
} from "../../src/core/workload.ts";
import type { Answer, Departure, Outgoing } from "../../src/load/flights.ts";
import { windowRecorder } from "../../src/load/recorder.ts";
import type { CompleteLoadRequest } from "../../src/load/request.ts";
import type { Stage } from "../../src/load/sending.ts";
import { template } from "./servers.ts";

export interface Sent {
  readonly path: string;
  /** Milliseconds from the start of the warm-up. */
  readonly dueMs: number;
  readonly measured: boolean;
  endedMs: number;
}

export function stageOf(
  request: CompleteLoadRequest,
  answer: (options: Outgoing) => Partial<Answer> | undefined = () => ({}),
): { readonly stage: Stage; readonly sent: Sent[] } {
  const startAt = performance.now() + 5;
  const windowStartsAt = startAt + request.warmupMs;
  const windowEndsAt = windowStartsAt + request.windowMs;
  const sent: Sent[] = [];
  let outstanding = 0;
  const send = (options: Outgoing, departure: Departure): void => {
    const { dueAt, measured } = departure;
    const each = { path: options.path, dueMs: dueAt - startAt, measured, endedMs: Infinity };
    sent.push(each);
    outstanding += 1;
    const given = answer(options);
    // Never answered: it stays outstanding.
    if (!given) return;
    setImmediate(() => {
      const full = { status: 200, headers: {}, body: "{}", ...given };
      departure.refusal?.(full);
      outstanding -= 1;
      each.endedMs = performance.now() - startAt;
      departure.onEnd?.("answered", full);
    });
  };
  const flights = {
    send,
    outstanding: () => outstanding,
    expire: () => undefined,
    drain: () => Promise.resolve(),
  };
  const recorder = windowRecorder(request, windowEndsAt);
  const stage = { recorder, flights, pathPrefix: "", startAt, windowStartsAt, windowEndsAt };
  return { stage, sent };
}

export function completed(overrides: Partial<CompleteLoadRequest>): CompleteLoadRequest {
  return {
    baseUrl: "http://127.0.0.1:1",
    workload: { name: "test", requests: [], parameters: [] },
    data: {},
    seed: 1,
    arrivals: "constant",
    requestsPerSecond: 100,
    warmupMs: 50,
    windowMs: 100,
    timeoutMs: 1_000,
    errorRateMax: 0,
    trace: false,
    workers: 1,
    connections: 64,
    outstandingMax: 1_000,
    lagMsMax: 1,
    ...overrides,
  };
}

export const user: Parameter = {
  name: "user",
  source: {
    kind: "values",
    rows: Array.from({ length: 200 }, (_, id) => ({ id, name: `user-${id}` })),
  },
  distribution: { kind: "uniform" },
};
export function step(
  request: Partial<RequestTemplate>,
  rest: Partial<Omit<SessionStep, "request">> = {},
): SessionStep {
  return { request: template(request), repeat: 1, captures: [], ...rest };
}

export function json(name: string, ...path: readonly (string | number)[]): Capture {
  return { name, from: { kind: "json", path } };
}

export function sessionsOf(
  sessions: readonly SessionTemplate[],
  parameters: readonly Parameter[] = [],
): WorkloadDefinition {
  return { name: "test", requests: [], sessions, parameters };
}
