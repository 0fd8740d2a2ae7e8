/** Adds up what several workers, or machines, recorded of one window. Nothing is lost: counts are summed, histograms added. */
import type { TraceEntry } from "../core/sample.ts";
import { mergeResponses } from "./responses.ts";
import { decodeHistogram, encodeHistogram, latencyHistogram } from "./histogram.ts";
import type { EndpointRecord, GeneratorCpu, PieceRecord, WindowRecord } from "./request.ts";

/** Of records of the same request: the same endpoints and pieces in the same order. */
export function mergeRecords(records: readonly WindowRecord[]): WindowRecord {
  const [first] = records;
  if (first && records.length === 1) return first;
  return {
    scheduled: sum(records, "scheduled"),
    dropped: sum(records, "dropped"),
    answered: sum(records, "answered"),
    answeredInTime: sum(records, "answeredInTime"),
    goodInTime: sum(records, "goodInTime"),
    timeouts: sum(records, "timeouts"),
    brokenOff: sum(records, "brokenOff"),
    brokenOffBecause: records.find((record) => record.brokenOffBecause)?.brokenOffBecause,
    errors: sum(records, "errors"),
    statuses: mergeStatuses(records.map((record) => record.statuses)),
    response: mergeHistograms(records.map((record) => record.response)),
    service: mergeHistograms(records.map((record) => record.service)),
    lag: mergeHistograms(records.map((record) => record.lag)),
    endpoints: transposed(records.map((record) => record.endpoints)).map(mergeEndpoints),
    outstandingMs: sum(records, "outstandingMs"),
    cpu: busiest(records.map((record) => record.cpu)),
    trace: mergeTraces(records.flatMap((record) => (record.trace ? [record.trace] : []))),
    responses: records.some((record) => record.responses)
      ? mergeResponses(records.flatMap((record) => (record.responses ? [record.responses] : [])))
      : undefined,
    timeline: mergeTimelines(
      records.flatMap((record) => (record.timeline ? [record.timeline] : [])),
    ),
  };
}

/** Of encoded histograms; the counts of every value add up. */
export function mergeHistograms(histograms: readonly string[]): string {
  const merged = latencyHistogram();
  for (const histogram of histograms) merged.add(decodeHistogram(histogram));
  return encodeHistogram(merged);
}

function mergeStatuses(all: readonly WindowRecord["statuses"][]): WindowRecord["statuses"] {
  const merged: Record<string, number> = {};
  for (const [status, count] of all.flatMap((statuses) => Object.entries(statuses))) {
    merged[status] = (merged[status] ?? 0) + count;
  }
  return merged;
}

function mergeEndpoints(records: readonly EndpointRecord[]): EndpointRecord {
  return {
    name: records[0]?.name ?? "",
    requests: sum(records, "requests"),
    answered: sum(records, "answered"),
    errors: sum(records, "errors"),
    responseBytes: sum(records, "responseBytes"),
    response: mergeHistograms(records.map((record) => record.response)),
  };
}

/** Each thread has a core as its limit: what the busiest uses says how near the generator was to it. */
function busiest(all: readonly GeneratorCpu[]): GeneratorCpu {
  return {
    // Math.max gives NaN when any is: one thread that could not be measured may have been the busiest.
    share: Math.max(...all.map(({ share }) => share)),
    source: all.every(({ source }) => source === "thread") ? "thread" : "loop",
  };
}

function mergeTraces(traces: readonly (readonly TraceEntry[])[]): WindowRecord["trace"] {
  return traces.length === 0
    ? undefined
    : traces.flat().toSorted((left, right) => left.atMs - right.atMs);
}

function mergeTimelines(timelines: readonly (readonly PieceRecord[])[]): WindowRecord["timeline"] {
  if (timelines.length === 0) return undefined;
  return transposed(timelines).map((pieces) => ({
    requests: sum(pieces, "requests"),
    errors: sum(pieces, "errors"),
    response: mergeHistograms(pieces.map((piece) => piece.response)),
  }));
}

/** The first of each list, the second of each, and so on. */
function transposed<T>(lists: readonly (readonly T[])[]): readonly (readonly T[])[] {
  return (lists[0] ?? []).map((_, index) => lists.flatMap((list) => list.slice(index, index + 1)));
}

function sum<Key extends string>(
  records: readonly Readonly<Record<Key, number>>[],
  key: Key,
): number {
  return records.reduce((total, record) => total + record[key], 0);
}
