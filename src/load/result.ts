/** Turns what the worker counted into a load result: percentiles, rates and checks. */
import type { EndpointResult, HostUse, LoadResult } from "../core/sample.ts";
import { validityChecks } from "./checks.ts";
import { decodeHistogram, percentileMs } from "./histogram.ts";
import type { EndpointRecord, CompleteLoadRequest, WindowRecord } from "./request.ts";
import { timelinePoints } from "./timeline.ts";

export function loadResult(
  request: CompleteLoadRequest,
  record: WindowRecord,
  host: HostUse,
): LoadResult {
  const response = decodeHistogram(record.response);
  const lagP99Ms = percentileMs(decodeHistogram(record.lag), 99);
  const latency = {
    p50Ms: percentileMs(response, 50),
    p90Ms: percentileMs(response, 90),
    p95Ms: percentileMs(response, 95),
    p99Ms: percentileMs(response, 99),
    p999Ms: percentileMs(response, 99.9),
    maxMs: response.maxValue / 1_000,
    meanMs: response.mean / 1_000,
  };
  const requestsPerSecondReached = (record.answeredInTime * 1_000) / request.windowMs;
  const requestsPerSecondTarget = targetOf(request, record, requestsPerSecondReached);
  return {
    requestsPerSecondTarget,
    requestsPerSecondReached,
    windowMs: request.windowMs,
    requests: record.scheduled - record.dropped,
    errors: record.errors,
    timeouts: record.timeouts,
    dropped: record.dropped,
    ...(request.overload ? { goodInTime: record.goodInTime } : {}),
    statuses: record.statuses,
    latency,
    histograms: { response: record.response, service: record.service, lag: record.lag },
    // No request, no percentile: zero would look like a very fast endpoint.
    endpoints: record.endpoints.filter((endpoint) => endpoint.requests > 0).map(endpointResult),
    generator: { lagP99Ms, cpuShare: record.cpu.share },
    host,
    ...(record.timeline ? { timeline: timelinePoints(request, record.timeline) } : {}),
    checks: validityChecks(request, record, {
      requestsPerSecondTarget,
      requestsPerSecondReached,
      latencyP50Ms: latency.p50Ms,
      latencyMeanMs: latency.meanMs,
      lagP99Ms,
      host,
    }),
    ...(record.trace ? { trace: record.trace } : {}),
    ...(record.responses
      ? { responses: record.responses.filter(({ samples }) => samples > 0) }
      : {}),
  };
}

/** Sessions become due as many requests as they have steps; users send what they can, and have no target but that. */
function targetOf(request: CompleteLoadRequest, record: WindowRecord, reached: number): number {
  if (request.users) return reached;
  return (request.workload.sessions ?? []).length === 0
    ? request.requestsPerSecond
    : (record.scheduled * 1_000) / request.windowMs;
}

function endpointResult(endpoint: EndpointRecord): EndpointResult {
  const response = decodeHistogram(endpoint.response);
  return {
    name: endpoint.name,
    requests: endpoint.requests,
    errors: endpoint.errors,
    latencyP50Ms: percentileMs(response, 50),
    latencyP95Ms: percentileMs(response, 95),
    latencyP99Ms: percentileMs(response, 99),
    responseBytesMean: endpoint.answered === 0 ? 0 : endpoint.responseBytes / endpoint.answered,
    response: endpoint.response,
  };
}
