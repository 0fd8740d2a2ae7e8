/**
 * Whether most answers fail: what fails is broken, and its times say nothing about what would limit it. And whether requests are turned
 * away, which a service does that is at a limit (pure).
 */
import type { DoctorEvidence } from "../core/diagnosis.ts";
import { isRefusal } from "../core/goodput.ts";
import type { Readings } from "../core/readings.ts";
import { formatQuantity } from "../core/metric.ts";
import { THRESHOLDS } from "./thresholds.ts";

export interface Failing {
  /** `always`: with one request at a time too. `under-load`: only with the load asked about, which may be a bottleneck's doing. */
  readonly when: "always" | "under-load";
  /** `100 % of the requests failed (500: 48)`. */
  readonly words: string;
}

type Statuses = NonNullable<DoctorEvidence["statuses"]>;

export function failingOf({ light, loaded, statuses = {} }: DoctorEvidence): Failing | undefined {
  const errorRate = loaded["load.errorRate"];
  if (errorRate === undefined) return undefined;
  const share = errorRate - timeoutShare(statuses);
  if (share < THRESHOLDS.failing) return undefined;
  const words = failuresInWords(share, statuses);
  if ((light["load.errorRate"] ?? 1) >= THRESHOLDS.failing) return { when: "always", words };
  // Whoever answers one request at a time and turns some of many away is not broken.
  const broken = share - (loaded["load.refusedShare"] ?? 0);
  return broken < THRESHOLDS.failing ? undefined : { when: "under-load", words };
}

/** Of all requests: failures that are no refusals. */
export function brokenShare(window: Readings): number | undefined {
  const share = window["load.errorRate"];
  return share === undefined ? undefined : share - (window["load.refusedShare"] ?? 0);
}

/** `40.0 % of the requests are turned away (503: 48)`; undefined where hardly any is. */
export function refusedInWords({ loaded, statuses = {} }: DoctorEvidence): string | undefined {
  const share = loaded["load.refusedShare"];
  if (share === undefined || share <= THRESHOLDS.errorRate) return undefined;
  const counts = Object.entries(statuses).flatMap(([status, count]) =>
    isRefusal(Number(status)) && count > 0 ? [`${status}: ${count}`] : [],
  );
  const named = counts.length === 0 ? "" : ` (${counts.join(", ")})`;
  return `${formatQuantity("ratio", share)} of the requests are turned away${named}`;
}

/** The same of one window's counts: errors of all kinds, timeouts among them, which are slowness and no failing. */
export function failuresOf(load: {
  readonly requests: number;
  readonly errors: number;
  readonly statuses: Statuses;
}): string | undefined {
  if (load.requests === 0) return undefined;
  const share = load.errors / load.requests - timeoutShare(load.statuses);
  return share < THRESHOLDS.failing ? undefined : failuresInWords(share, load.statuses);
}

function failuresInWords(share: number, statuses: Statuses): string {
  const counts = Object.entries(statuses).toSorted(([, left], [, right]) => right - left);
  const named = counts.map(([status, count]) => `${statusName(status)}: ${count}`).join(", ");
  return `${formatQuantity("ratio", share)} of the requests failed${named === "" ? "" : ` (${named})`}`;
}

/** The load engine's keys that are no status codes. */
function statusName(status: string): string {
  return status === "error" ? "connection refused or broken" : status;
}

function timeoutShare(statuses: Statuses): number {
  const all = Object.values(statuses).reduce((sum, count) => sum + count, 0);
  return all === 0 ? 0 : (statuses["timeout"] ?? 0) / all;
}
