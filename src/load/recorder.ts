/** Counts what happened to the requests of one window. */
import { isGood } from "../core/goodput.ts";
import type { TraceEntry } from "../core/sample.ts";
import { endpointsOf } from "../core/workload.ts";
import type { RequestTemplate } from "../core/workload.ts";
import { encodeHistogram, latencyHistogram, recordMs } from "./histogram.ts";
import type { Histogram } from "./histogram.ts";
import { occupancyMeter } from "./occupancy.ts";
import type { EndpointRecord, GeneratorCpu, CompleteLoadRequest, WindowRecord } from "./request.ts";
import { hashKey, isExpected } from "./requests.ts";
import type { GeneratedRequest } from "./requests.ts";
import { responseRecorder } from "./responses.ts";
import type { ResponseRecorder } from "./responses.ts";
import { timelineRecorder } from "./timeline.ts";

/** One request on its way. Times are the worker's own milliseconds. */
export interface Flight {
  readonly endpoint: number;
  readonly measured: boolean;
  /** When the schedule wanted it sent. */
  readonly dueAt: number;
  /** When the generator handed it to the connection pool. */
  readonly sentAt: number;
  /** When the pool wrote it to a connection; later than `sentAt` when all were busy. */
  writtenAt: number;
  status: number;
  responseBytes: number;
  /** Under this key instead of its status an answer counts as failed, whatever its status: it lacks what its session needs of it. */
  refusedAs?: string | undefined;
  readonly trace: Mutable<TraceEntry> | undefined;
  /** It carried a validator: 304 is a success. */
  readonly conditional?: boolean | undefined;
}

export type Ending = "answered" | "timeout" | "broken-off";

export interface Recorder {
  readonly drop: () => void;
  readonly launch: (flight: Flight) => void;
  /** `because` says why it was broken off. */
  readonly finish: (flight: Flight, ending: Ending, at: number, because?: string) => void;
  /** Present when the window is traced. */
  readonly responses?: ResponseRecorder | undefined;
  readonly traceEntry: (request: GeneratedRequest, atMs: number) => Mutable<TraceEntry> | undefined;
  readonly record: (cpu: GeneratorCpu) => WindowRecord;
}

/**
 * An answer counts for the rate when it came before the window's end plus this share of its length: a stall near the end is
 * latency, and recorded as such; a backlog that takes longer than this to work off means that the service did not keep the rate.
 */
const ANSWER_GRACE_SHARE = 0.1;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

type Tally = ReturnType<typeof newTally>;

interface Endpoint {
  readonly response: Histogram;
  requests: number;
  answered: number;
  errors: number;
  responseBytes: number;
}

/** `windowEndsAt` is in the same milliseconds as the flights' times. */
export function windowRecorder(request: CompleteLoadRequest, windowEndsAt: number): Recorder {
  const templates = endpointsOf(request.workload);
  const inTimeUntil = windowEndsAt + request.windowMs * ANSWER_GRACE_SHARE;
  const withinMs = request.overload?.withinMs ?? -Infinity;
  const tally = newTally(templates.length);
  const occupancy = occupancyMeter();
  const timeline = timelineRecorder(request, windowEndsAt - request.windowMs);
  const responses = request.trace ? responseRecorder(request) : undefined;
  return {
    responses,
    drop: () => {
      tally.dropped += 1;
    },
    launch: (flight) => {
      if (!flight.measured) return;
      tally.launched += 1;
      recordMs(tally.lag, flight.sentAt - flight.dueAt);
      occupancy.enter(flight.dueAt, flight.sentAt);
    },
    finish: (flight, ending, at, because) => {
      const template = templates[flight.endpoint];
      const endpoint = tally.endpoints[flight.endpoint];
      if (!flight.measured || !template || !endpoint) return;
      const failed =
        ending !== "answered" ||
        flight.refusedAs !== undefined ||
        !(isExpected(template, flight.status) || isNotModified(flight));
      // A request that was never answered has waited as long as the client would: leaving it out, or counting a refused
      // connection as a fast answer, would make a failing service look quick.
      const endedAt = ending === "answered" ? at : flight.sentAt + request.timeoutMs;
      countTimes(tally, endpoint, flight, ending, endedAt);
      countOutcome(tally, endpoint, flight, ending, failed);
      occupancy.leave(at, endedAt);
      timeline?.finish(flight.dueAt, endedAt, failed);
      if (ending === "answered" && at <= inTimeUntil) tally.answeredInTime += 1;
      if (isGoodAnswer(flight, ending) && at - flight.dueAt <= withinMs) tally.goodInTime += 1;
      if (ending === "broken-off") tally.brokenOffBecause ??= because;
    },
    traceEntry: (generated, atMs) => {
      if (!responses) return undefined;
      responses.sent(generated);
      const entry: Mutable<TraceEntry> = {
        atMs,
        endpoint: templates[generated.endpoint]?.name ?? "",
        method: generated.method,
        key: hashKey(generated),
        responseBytes: 0,
      };
      tally.trace.push(entry);
      return entry;
    },
    record: (cpu) => ({
      ...windowRecord(templates, tally),
      outstandingMs: occupancy.totalMs(),
      cpu,
      trace: request.trace ? tally.trace : undefined,
      responses: responses?.facts(),
      timeline: timeline?.pieces(),
    }),
  };
}

function newTally(endpoints: number) {
  return {
    dropped: 0,
    launched: 0,
    answered: 0,
    answeredInTime: 0,
    goodInTime: 0,
    timeouts: 0,
    brokenOff: 0,
    brokenOffBecause: undefined as string | undefined,
    errors: 0,
    statuses: {} as Record<string, number>,
    response: latencyHistogram(),
    service: latencyHistogram(),
    lag: latencyHistogram(),
    endpoints: Array.from({ length: endpoints }, newEndpoint),
    trace: [] as Mutable<TraceEntry>[],
  };
}

function countTimes(
  tally: Tally,
  endpoint: Endpoint,
  flight: Flight,
  ending: Ending,
  endedAt: number,
): void {
  recordMs(tally.response, endedAt - flight.dueAt);
  recordMs(endpoint.response, endedAt - flight.dueAt);
  // Never answered, its service time is the time limit, wherever it waited.
  recordMs(tally.service, endedAt - (ending === "answered" ? flight.writtenAt : flight.sentAt));
}

function countOutcome(
  tally: Tally,
  endpoint: Endpoint,
  flight: Flight,
  ending: Ending,
  failed: boolean,
): void {
  const status = statusKey(flight, ending);
  tally.statuses[status] = (tally.statuses[status] ?? 0) + 1;
  endpoint.requests += 1;
  if (failed) {
    tally.errors += 1;
    endpoint.errors += 1;
  }
  if (ending === "timeout") tally.timeouts += 1;
  if (ending === "broken-off") tally.brokenOff += 1;
  if (ending !== "answered") return;
  tally.answered += 1;
  endpoint.answered += 1;
  endpoint.responseBytes += flight.responseBytes;
  if (!flight.trace) return;
  flight.trace.responseBytes = flight.responseBytes;
  flight.trace.status = flight.status;
}

/** By its status alone, as goodput counts: not whether the request expects it. */
function isGoodAnswer({ status, refusedAs }: Flight, ending: Ending): boolean {
  return ending === "answered" && refusedAs === undefined && isGood(status);
}

/** What the client asked for is what it has. */
function isNotModified({ conditional, status }: Flight): boolean {
  return conditional === true && status === 304;
}

function windowRecord(
  templates: readonly RequestTemplate[],
  tally: Tally,
): Omit<WindowRecord, "outstandingMs" | "cpu" | "trace" | "responses" | "timeline"> {
  const { launched, response, service, lag, endpoints, trace: _, ...counts } = tally;
  return {
    ...counts,
    scheduled: launched + counts.dropped,
    response: encodeHistogram(response),
    service: encodeHistogram(service),
    lag: encodeHistogram(lag),
    endpoints: endpoints.map((endpoint, index) =>
      endpointRecord(templates[index]?.name ?? "", endpoint),
    ),
  };
}

function newEndpoint(): Endpoint {
  return { response: latencyHistogram(), requests: 0, answered: 0, errors: 0, responseBytes: 0 };
}

function statusKey(flight: Flight, ending: Ending): string {
  if (ending === "answered") return flight.refusedAs ?? String(flight.status);
  return ending === "timeout" ? "timeout" : "error";
}

function endpointRecord(name: string, endpoint: Endpoint): EndpointRecord {
  const { requests, answered, errors, responseBytes } = endpoint;
  return {
    name,
    requests,
    answered,
    errors,
    responseBytes,
    response: encodeHistogram(endpoint.response),
  };
}
