/** Refuses what cannot be sent, before any thread is asked to. */
import { PerfoptError } from "../core/errors.ts";
import { meanRate } from "../core/scenario.ts";
import { significant } from "../core/units.ts";
import { endpointsOf } from "../core/workload.ts";
import type { CompleteLoadRequest } from "./request.ts";
import { pieceCount } from "./timeline.ts";

/** Each piece has histograms of its own, in every worker. */
const PIECES_MAX = 1_000;
const WORKERS_MAX = 64;
/** Lengths that come from thirds and sixths do not add up to the last bit. */
const LENGTH_TOLERANCE_MS = 0.01;

/** Throws bad-input, which names every number that is wrong. */
export function checkRequest(request: CompleteLoadRequest): void {
  const wrong = [...wrongNumbers(request), ...wrongSegments(request), ...wrongUsers(request)];
  if (wrong.length > 0) {
    throw new PerfoptError(
      "bad-input",
      `the load cannot be sent with ${wrong.join(", ")}`,
      "give positive numbers; only the warm-up may be 0",
    );
  }
  if (!URL.canParse(request.baseUrl)) {
    throw new PerfoptError(
      "bad-input",
      `the load's base URL "${request.baseUrl}" is not a URL`,
      "give one such as http://127.0.0.1:8080",
    );
  }
  if (endpointsOf(request.workload).length === 0) {
    throw new PerfoptError(
      "bad-input",
      `workload "${request.workload.name}" has no requests`,
      "give it requests or sessions in the target file",
    );
  }
}

function wrongNumbers(request: CompleteLoadRequest): readonly string[] {
  const { requestsPerSecond, warmupMs, windowMs, timeoutMs, connections, outstandingMax } = request;
  const { workers, timelineMs = windowMs, users, overload } = request;
  const atLeastOne = {
    windowMs,
    timeoutMs,
    connections,
    outstandingMax,
    ...(overload ? { "overload.withinMs": overload.withinMs } : {}),
  };
  const pieces = pieceCount(timelineMs, windowMs);
  return [
    ...Object.entries(atLeastOne).filter(([, value]) => !Number.isFinite(value) || value < 1),
    ...Object.entries({ warmupMs }).filter(([, value]) => !Number.isFinite(value) || value < 0),
    ...Object.entries(users ? {} : { requestsPerSecond }).filter(
      ([, value]) => !Number.isFinite(value) || value <= 0,
    ),
    ...Object.entries({ workers }).filter(
      ([, value]) => !Number.isInteger(value) || value < 1 || value > WORKERS_MAX,
    ),
    ...Object.entries({ timelineMs }).filter(
      ([, value]) => !(value > 0) || !(pieces <= PIECES_MAX),
    ),
  ].map(([name, value]) =>
    name === "timelineMs" && value > 0
      ? `timelineMs ${value} (${pieces} pieces, at most ${PIECES_MAX} are kept)`
      : `${name} ${value}`,
  );
}

function wrongSegments({ segments, windowMs }: CompleteLoadRequest): readonly string[] {
  if (!segments) return [];
  const wrong = segments.flatMap((segment) =>
    Object.entries(segment)
      .filter(([, value]) => !Number.isFinite(value) || value < 0)
      .map(([name, value]) => `a segment's ${name} ${value}`),
  );
  if (wrong.length > 0) return wrong;
  const lengthMs = segments.reduce((sum, segment) => sum + segment.lengthMs, 0);
  if (Math.abs(lengthMs - windowMs) > LENGTH_TOLERANCE_MS) {
    return [`segments of ${significant(lengthMs)} ms in a window of ${significant(windowMs)} ms`];
  }
  return meanRate(segments) > 0 ? [] : ["segments that send nothing"];
}

function wrongUsers({ users }: CompleteLoadRequest): readonly string[] {
  if (!users || (Number.isInteger(users.count) && users.count >= 1)) return [];
  return [`${users.count} users`];
}
