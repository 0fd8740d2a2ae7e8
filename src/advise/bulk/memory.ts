/** Garbage collection and memory: what a setting of it can gain at most, and which sizes are worth a window. */
import { PRESET_WHY } from "../concurrency/probed.ts";
import type { Hypothesis } from "../concurrency/probed.ts";
import type { MetricId } from "../../core/metric.ts";
import type { MetricValues } from "../../core/sample.ts";
import { formatBytes, formatDuration, formatRatio, significant } from "../../core/units.ts";

const MB = 1024 ** 2;

/** What an objective counts, as far as memory can change it. */
export type Aim = "collections" | "memory" | "time";

export function aimOf(objective: MetricId): Aim {
  if (objective.startsWith("service.gc")) return "collections";
  return MEMORY.has(objective) ? "memory" : "time";
}

const MEMORY: ReadonlySet<MetricId> = new Set<MetricId>([
  "service.memoryPeakBytes",
  "service.memoryBytes",
  "service.heapUsedBytes",
  "service.nonHeapBytes",
]);

/** Below this share of the time, collections are not worth a trial: a difference of one point is the least that a change must gain. */
const SHARE_LEAST = 0.01;
/** A collection every six seconds: with fewer, a window has one or none, and counting them says nothing. */
const SCAVENGES_LEAST = 10;
/** Collections whose pauses are this share of the slowest requests may be what those wait for. */
const PAUSE_SHARE_LEAST = 0.1;
/** While collections take less of the time than this, a smaller young generation costs little of it. */
const CHEAP = 0.02;
/** With a smaller one they may take so much, no more. */
const DEAR = 0.05;
/** research/tuning.md section 3: each byte of a semi-space costs three of memory. */
export const MEMORY_FACTOR = 3;

/** Collections of the young generation in a minute, as far as they were counted apart. */
function scavengesPerMinute({
  "service.gcPerMinute": all,
  "service.gcMajorPerMinute": major = 0,
}: MetricValues): number | undefined {
  return all === undefined ? undefined : Math.max(0, all - major);
}

/**
 * `GC takes 0.40 % of the time: no setting of it can gain more than that`. Nothing where that is not so: memory and the number of
 * collections can change however little time they take, and the slowest requests may wait for a single pause.
 */
export function boundInWords(
  objective: MetricId,
  { "service.gcShare": share }: MetricValues,
): readonly string[] {
  const aim = aimOf(objective);
  const isOfTime = aim === "time" && !objective.startsWith("api.latency");
  return share === undefined || !(isOfTime || objective === "service.gcShare")
    ? []
    : [`GC takes ${formatRatio(share)} of the time: no setting of it can gain more than that`];
}

/** Why a larger young generation cannot help; undefined when it may. */
export function noLargerBecause(
  objective: MetricId,
  metrics: MetricValues,
  noiseFloor: number,
): string | undefined {
  const {
    "service.gcShare": share,
    "service.gcPauseP99Ms": pause,
    "api.latencyP99Ms": p99,
  } = metrics;
  const scavenges = scavengesPerMinute(metrics);
  if (scavenges === undefined) {
    return "a larger young generation was not tried: how often it is collected was not measured";
  }
  if (scavenges < SCAVENGES_LEAST) {
    return `a larger young generation was not tried: it is collected ${significant(scavenges)} times a minute, which is seldom already`;
  }
  // Their number and their pauses can be fewer however little time they take.
  if (aimOf(objective) === "collections" && objective !== "service.gcShare") return undefined;
  if (share === undefined) {
    return "a larger young generation was not tried: what collections take was not measured";
  }
  const isFelt = pause !== undefined && p99 !== undefined && pause >= PAUSE_SHARE_LEAST * p99;
  if (share >= Math.max(SHARE_LEAST, noiseFloor) || (objective.startsWith("api.latency") && isFelt))
    return undefined;
  return "a larger young generation was not tried: what it could gain is less than a change must gain";
}

/** Sizes above the present one that fit into the memory that is left; each twice the one before, since V8 rounds up to powers of two. */
export function largerSpaces(
  present: number,
  preset: number | undefined,
  { room }: { readonly room: number },
): readonly Hypothesis[] {
  const most = present + room / MEMORY_FACTOR;
  const all: Hypothesis[] = [
    ...(preset === undefined ? [] : [{ value: preset, why: PRESET_WHY }]),
    { value: present * 2, why: "twice the present size" },
    { value: present * 4, why: "four times the present size" },
  ];
  return all.filter(({ value }) => value > present && value <= most);
}

/** Half and a quarter of the present size, where collections are cheap. */
export function smallerSpaces(present: number, preset: number | undefined): readonly Hypothesis[] {
  const all: Hypothesis[] = [
    ...(preset === undefined ? [] : [{ value: preset, why: PRESET_WHY }]),
    { value: Math.round(present / 2), why: "half of the present size" },
    { value: Math.round(present / 4), why: "a quarter of the present size" },
  ];
  return all.filter(({ value }) => value < present);
}

/** Why a smaller young generation is not worth its collections; undefined when it may be. */
export function noSmallerBecause({ "service.gcShare": share }: MetricValues): string | undefined {
  if (share === undefined) {
    return "a smaller young generation was not tried: what collections take was not measured";
  }
  return share < CHEAP
    ? undefined
    : `a smaller young generation was not tried: collections take ${formatRatio(share)} of the time already`;
}

/** Why a window with less memory may not be chosen: it pays for it in collections. */
export function dearBecause({ "service.gcShare": share }: MetricValues): string | undefined {
  if (share === undefined) return "what collections take was not measured";
  return share > DEAR ? `GC takes ${formatRatio(share)} of the time` : undefined;
}

/** Of the heap, so much has to stay free: below twice what is in use, collections take over, and a peak is the end. */
const HEAP_FACTOR = 2;
const HEAP_LEAST = 64 * MB;
const HEAP_STEP = 16 * MB;

export type HeapAdvice =
  | { readonly kind: "try"; readonly limit: number; readonly facts: readonly string[] }
  | { readonly kind: "none"; readonly because: string };

/**
 * A limit of the heap, in bytes, that would make the service smaller and still leaves it twice what it uses. `present`: 0 is Node's own
 * choice. Only from evidence: a limit below what is needed kills the service.
 */
export function heapAdvice(
  present: number,
  preset: number | undefined,
  metrics: MetricValues,
): HeapAdvice {
  const {
    "service.heapUsedBytes": used,
    "service.memoryPeakBytes": peak,
    "service.nonHeapBytes": outside,
  } = metrics;
  if (used === undefined || peak === undefined || outside === undefined) {
    return {
      kind: "none",
      because:
        "no limit of the heap was tried: what is in use of it, beside it and in all was not measured",
    };
  }
  const least = Math.max(HEAP_LEAST, used * HEAP_FACTOR);
  const limit = Math.ceil(Math.max(least, preset ?? 0) / HEAP_STEP) * HEAP_STEP;
  const heapMost = peak - outside;
  const facts = [
    `${formatBytes(used)} of the heap in use, ${formatBytes(outside)} outside of it, ${formatBytes(peak)} in all at the peak; no limit below ${formatBytes(least)} is tried`,
  ];
  if (limit >= heapMost || (present > 0 && limit >= present)) {
    return {
      kind: "none",
      because: `no limit of the heap was tried: the least that is safe, ${formatBytes(limit)}, is more than the heap takes; ${facts.join("; ")}`,
    };
  }
  return { kind: "try", limit, facts };
}

/** A buffer smaller than this share of the service's memory is not what makes it large. */
const BUFFER_SHARE_LEAST = 0.01;

export function isSeenInMemory(bytes: number, { "service.memoryPeakBytes": peak }: MetricValues) {
  return peak !== undefined && bytes >= peak * BUFFER_SHARE_LEAST;
}

/** What the window says of collections and memory. */
export function memoryFacts(metrics: MetricValues): readonly string[] {
  const facts: string[] = [];
  const share = metrics["service.gcShare"];
  if (share !== undefined) facts.push(`GC ${formatRatio(share)} of the time`);
  const all = metrics["service.gcPerMinute"];
  const major = metrics["service.gcMajorPerMinute"];
  if (all !== undefined) {
    const ofThem = major === undefined ? "" : `, ${significant(major)} of them major`;
    facts.push(`${significant(all)} collections a minute${ofThem}`);
  }
  const pause = metrics["service.gcPauseP99Ms"];
  if (pause !== undefined) facts.push(`GC pause p99 ${formatDuration(pause)}`);
  const peak = metrics["service.memoryPeakBytes"];
  if (peak !== undefined) facts.push(`memory at its peak ${formatBytes(peak)}`);
  const heap = metrics["service.heapUsedBytes"];
  if (heap !== undefined) facts.push(`heap in use ${formatBytes(heap)}`);
  const outside = metrics["service.nonHeapBytes"];
  if (outside !== undefined) facts.push(`outside the heap ${formatBytes(outside)}`);
  return facts;
}
