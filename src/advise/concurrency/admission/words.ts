/** What windows of overload say of limits, in words. */
import { formatDuration, formatRatio, significant } from "../../../core/units.ts";
import type { LimitWindow, MeasuredLimit } from "./choose.ts";

/** `single windows under overload, good answers in time by limit: 200: 43.0 %, 10000: 4.0 %`. */
export function limitsInWords(limits: readonly MeasuredLimit[]): string {
  const list = limits.map(({ limit, goodRatio, windows }) => {
    const times = windows > 1 ? ` (the worse of ${windows})` : "";
    return `${limit}: ${goodRatio === undefined ? "not usable" : formatRatio(goodRatio)}${times}`;
  });
  return `single windows under overload, good answers in time of all requests, by limit: ${list.join(", ")}`;
}

/** What else a limit's last usable window measured: refusals, waits and jobs beside the requests; undefined without any. */
export function limitInWords(limit: number, windows: readonly LimitWindow[]): string | undefined {
  const last = windows.findLast(
    (each) => each.limit === limit && each.metrics["api.goodRatio"] !== undefined,
  );
  const metrics = last?.metrics ?? {};
  const refused = metrics["api.rejectRatio"];
  const p95 = metrics["api.latencyP95Ms"];
  const jobs = metrics["queue.jobsPerSecond"];
  const wait = metrics["queue.waitP95Ms"];
  const facts = [
    refused === undefined ? undefined : `${formatRatio(refused)} of the requests refused`,
    p95 === undefined ? undefined : `p95 ${formatDuration(p95)} of all answers, refusals included`,
    jobs === undefined ? undefined : `${significant(jobs)} jobs/s done`,
    wait === undefined ? undefined : `job wait p95 ${formatDuration(wait)}`,
  ].filter((fact) => fact !== undefined);
  return facts.length === 0 ? undefined : `with ${limit} under overload: ${facts.join(", ")}`;
}
