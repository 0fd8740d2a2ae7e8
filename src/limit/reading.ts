/** One window as evidence: how far each objective is from its limit, on a scale where noise is alike, and what the window may show. */
import { formatQuantity, metricOf, type MetricId } from "../core/metric.ts";
import { spoilsLatencyOnly, type Sample, type ValidityCheck } from "../core/sample.ts";
import type { Slo } from "../core/slo.ts";
import { endpointValue } from "../decide/compare-endpoints.ts";
import { priorNoise, shareAgainst } from "./prior.ts";

export type WindowKind = "probe" | "confirm";

/** A measured window of the search. */
export interface LimitWindow {
  readonly load: number;
  readonly kind: WindowKind;
  readonly sample: Sample;
}

export interface Reading {
  readonly load: number;
  readonly kind: WindowKind;
  /**
   * full: the window is valid, or what spoils it is the service being too slow. one-sided: the generator or its machine was
   * disturbed, which makes a service look slower than it is: such a window may show that a load holds, and breaks only by what
   * the disturbance cannot explain. none: it shows nothing, for the reason in `unusable`.
   */
  readonly use: "full" | "one-sided" | "none";
  readonly unusable: string;
  readonly distances: readonly Distance[];
}

/** Distances are natural logarithms of value over limit: negative is within the limit. */
export interface Distance {
  /** The SLO as it was given; `kept up` and `answered` are what the load itself demands. */
  readonly subject: string;
  readonly distance: number;
  /** The distance that is left when all that a disturbance of the generator can explain is taken off. */
  readonly leastDistance: number;
  /** Standard deviation of the distance from window to window, as it is known before anything was measured. */
  readonly noise: number;
  /** `API p95 182 ms against a limit of 200 ms`. */
  readonly words: string;
}

/** Beyond e^3, 20 times the limit, a value says nothing more about where the limit is crossed. */
const DISTANCE_MAX = 3;
/** Of a share of unanswered requests: a stall at a window's end changes it by a multiple (chosen; the end of a window is one draw). */
const SHARE_NOISE = 0.5;
/** A request can be late by the generator's lag when it is sent, and again when its answer is read by the same event loop. */
const LAG_TWICE = 2;

export function readWindow({ load, kind, sample }: LimitWindow, slos: readonly Slo[]): Reading {
  const failed = sample.load.checks.filter((check) => !check.ok);
  const measured = slos.map((slo) => sloDistance(slo, sample));
  const demands = demandsOf(sample, slos);
  const distances = [...demands, ...measured].filter((each) => each !== undefined);
  const collapsed = demands.some((each) => each.leastDistance > 0);
  const unusable = unusableBecause(sample, failed, collapsed, slos, measured);
  const disturbed = failed.some(spoilsLatencyOnly);
  return {
    load,
    kind,
    use: unusable !== undefined ? "none" : disturbed ? "one-sided" : "full",
    unusable: unusable ?? failed.map(({ detail }) => detail).join("; "),
    distances: blamesOthers(failed) ? distances.map(unexplained) : distances,
  };
}

/** A service that falls behind fails checks too: those are evidence, not a fault of the measurement. */
function unusableBecause(
  sample: Sample,
  failed: readonly ValidityCheck[],
  collapsed: boolean,
  slos: readonly Slo[],
  measured: readonly (Distance | undefined)[],
): string | undefined {
  const contradiction = failed.find(({ id }) => id === "all-answered" || id === "littles-law");
  if (contradiction) return contradiction.detail;
  if (collapsed) return undefined;
  if (!sample.valid && failed.length === 0) return sample.invalidBecause.join("; ");
  const missing = slos.filter((_, index) => measured[index] === undefined);
  if (missing.length === 0) return undefined;
  return `${missing.map(({ text }) => text).join(", ")} could not be measured`;
}

/** What every load demands: that requests are answered in time, and, unless an SLO says how many may fail, that few do. */
function demandsOf(sample: Sample, slos: readonly Slo[]): readonly Distance[] {
  const { checks, dropped, windowMs, generator, requests } = sample.load;
  const find = (id: ValidityCheck["id"]) => checks.find((check) => check.id === id);
  const demands: Distance[] = [];
  const rate = find("rate-reached");
  if (rate) {
    const lateShare = (LAG_TWICE * generator.lagP99Ms) / windowMs;
    const short = (value: number) =>
      rate.ok ? -DISTANCE_MAX : clipped(Math.log((1 - value) / (1 - rate.limit)));
    demands.push({
      subject: "kept up",
      distance: dropped > 0 ? DISTANCE_MAX : short(rate.value),
      leastDistance: short(Math.min(1 - 1e-9, rate.value + lateShare)),
      noise: SHARE_NOISE,
      words: dropped > 0 ? (find("no-drops")?.detail ?? rate.detail) : rate.detail,
    });
  }
  const errors = find("errors");
  if (errors && !slos.some(({ metric, endpoint }) => isErrors(metric) && endpoint === undefined)) {
    const { distance, noise } = errors.ok
      ? { distance: -DISTANCE_MAX, noise: SHARE_NOISE }
      : shareDistance(errors.value, errors.limit, requests);
    const { detail: words } = errors;
    demands.push({ subject: "answered", distance, leastDistance: distance, noise, words });
  }
  return demands;
}

/** Undefined: the window does not report the metric, or not as a finite number. */
function sloDistance(slo: Slo, sample: Sample): Distance | undefined {
  const { value, requests } = valueOf(slo, sample);
  if (value === undefined || !Number.isFinite(value)) return undefined;
  const { unit, better, group, title } = metricOf(slo.metric);
  const distanceAt = (each: number) => {
    if (unit === "ratio") {
      return better === "lower"
        ? shareDistance(each, slo.limit, requests)
        : shareDistance(1 - each, 1 - slo.limit, requests);
    }
    const logRatio = Math.log(each / slo.limit);
    return {
      distance: clipped(better === "lower" ? logRatio : -logRatio),
      noise: priorNoise(slo.metric, requests),
    };
  };
  const { distance, noise } = distanceAt(value);
  const isLatency = unit === "ms" && group === "api";
  const lagMs = LAG_TWICE * sample.load.generator.lagP99Ms;
  const of = slo.endpoint === undefined ? title : `${title} of ${slo.endpoint}`;
  return {
    subject: slo.text,
    distance,
    leastDistance: isLatency ? distanceAt(Math.max(0, value - lagMs)).distance : distance,
    noise,
    words: `${of} ${formatQuantity(unit, value)} against a limit of ${formatQuantity(unit, slo.limit)}`,
  };
}

function valueOf(
  slo: Slo,
  sample: Sample,
): { readonly value: number | undefined; readonly requests: number } {
  const { metrics, load } = sample;
  if (slo.endpoint === undefined) return { value: metrics[slo.metric], requests: load.requests };
  const endpoint = load.endpoints.find(({ name }) => name === slo.endpoint);
  if (!endpoint || endpoint.requests === 0) return { value: undefined, requests: 0 };
  return { value: endpointValue(endpoint, slo.metric), requests: endpoint.requests };
}

function shareDistance(
  share: number,
  limit: number,
  requests: number,
): { readonly distance: number; readonly noise: number } {
  if (limit <= 0) return { distance: share > 0 ? DISTANCE_MAX : -DISTANCE_MAX, noise: SHARE_NOISE };
  const { logRatio, noise } = shareAgainst(share, limit, requests);
  return { distance: clipped(logRatio), noise };
}

function clipped(distance: number): number {
  // Zero over a limit is minus infinity, and zero over a limit of zero is within it.
  if (Number.isNaN(distance)) return -DISTANCE_MAX;
  return Math.max(-DISTANCE_MAX, Math.min(DISTANCE_MAX, distance));
}

/** Others took the machine's time, and nobody can say how much of the slowness is theirs. */
function blamesOthers(failed: readonly ValidityCheck[]): boolean {
  return failed.some(({ id }) => id === "host-steal" || id === "host-pressure");
}

function unexplained(distance: Distance): Distance {
  return { ...distance, leastDistance: Math.min(0, distance.leastDistance) };
}

function isErrors(metric: MetricId): boolean {
  return metric === "api.errorRate";
}
