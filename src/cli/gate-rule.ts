/** What the gate judges, and against which margins: from the options, and from what a self-test found on this machine. */
import { PerfoptError } from "../core/errors.ts";
import type { GatedMetric, GateRule } from "../core/gate.ts";
import { metricOf, type MetricId } from "../core/metric.ts";
import { metricNamed, sloShortNames } from "../core/slo.ts";
import { countOf } from "./load.ts";
import type { NoiseProfile } from "./noise-profile.ts";
import { distanceInWords as formatDistance } from "../decide/words.ts";

export interface RuleOptions {
  readonly metrics: string;
  readonly margin?: readonly string[];
  readonly minEffect?: string;
  readonly pairs: string;
  readonly force?: boolean;
}

/** CPU time first: it decides soonest on a noisy machine. p99 is reported, and gated on request only (research/load-gate.md section 7). */
export const GATED_DEFAULT = "cpu,db-cpu,p50,p95";
/** research/load-gate.md section 7: a regression of 5 % is worth excluding, one of less than 3 % is not worth a red build. */
const MARGIN = 0.05;
/** Of tail latencies, which vary more than twice as much: 5 % would leave unchanged code inconclusive (docs/statistics.md). */
const MARGIN_TAIL = 0.1;
const TAILS: ReadonlySet<MetricId> = new Set<MetricId>([
  "api.latencyP95Ms",
  "api.latencyP99Ms",
  "api.latencyP999Ms",
]);
const MIN_EFFECT = 0.03;
/** Shares are compared by difference: points. */
const MARGIN_POINTS = 0.02;
const MIN_EFFECT_POINTS = 0.01;
/** A margin is widened no further than this: a doubled latency must not pass for noise, it is inconclusive then. */
const MARGIN_WIDEST = 0.2;
/** Steps in which a margin is raised to what the machine can see: a number that people can remember. */
const MARGIN_STEP = 0.01;
export const PAIRS_MOST = 200;

/** The rule, and what a person has to know of how it came about. */
export interface RuleAndWords {
  readonly rule: GateRule;
  readonly warnings: readonly string[];
}

/** Throws bad-input for metrics that do not exist and for margins that are below what the self-test saw. */
export function ruleOf(options: RuleOptions, profile: NoiseProfile | undefined): RuleAndWords {
  const typed = marginsOf(options.margin ?? []);
  const warnings: string[] = [];
  const pairsMax = countOf("--pairs", options.pairs, 5, PAIRS_MOST);
  const metrics = namesOf(options.metrics).map((metric): GatedMetric => {
    const ratio = metricOf(metric).compare === "ratio";
    const given = typed.get(metric) ?? typed.get("all");
    const seen = profile?.detectable[metric];
    const least = seen === undefined ? undefined : Math.ceil(seen / MARGIN_STEP) * MARGIN_STEP;
    const usual = usualMargin(metric);
    if (given !== undefined && seen !== undefined && given < seen && !options.force) {
      throw marginTooSmall(metric, given, seen, pairsMax);
    }
    const margin = given ?? Math.max(usual, Math.min(least ?? 0, MARGIN_WIDEST));
    if (given === undefined && margin > usual) {
      warnings.push(
        `the margin of ${metricOf(metric).title} is ${formatDistance(metric, margin)} instead of ${formatDistance(metric, usual)}: the self-test of this machine sees no less in ${pairsMax} pairs`,
      );
    }
    return {
      metric,
      tier: isTime(metric) ? 2 : 1,
      margin,
      minEffect: minEffectOf(options, ratio, margin),
    };
  });
  return { rule: { metrics, pairsMax }, warnings };
}

function usualMargin(metric: MetricId): number {
  if (TAILS.has(metric)) return MARGIN_TAIL;
  return metricOf(metric).compare === "ratio" ? MARGIN : MARGIN_POINTS;
}

/** What a client times is spoilt by a busy machine; what is counted is not. */
function isTime(metric: MetricId): boolean {
  return metricOf(metric).group === "api" && metricOf(metric).unit === "ms";
}

function namesOf(text: string): readonly MetricId[] {
  const names = text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  const found = names.map((name) => {
    const metric = metricNamed(name);
    if (metric) return metric;
    throw new PerfoptError(
      "bad-input",
      `--metrics: there is no metric "${name}"`,
      `use ${sloShortNames.join(", ")}, or an id of docs/metrics.md`,
    );
  });
  if (found.length > 0) return [...new Set(found)];
  throw new PerfoptError(
    "bad-input",
    "--metrics names nothing",
    `for example --metrics ${GATED_DEFAULT}`,
  );
}

/** `5%` for all metrics, or `p95=15%` for one. */
function marginsOf(texts: readonly string[]): ReadonlyMap<MetricId | "all", number> {
  return new Map(
    texts
      .flatMap((text) => text.split(","))
      .map((text) => {
        const [, name, value = ""] = /^(?:([^=]+)=)?(.+)$/.exec(text.trim()) ?? [];
        const metric = name === undefined ? "all" : metricNamed(name);
        const distance = shareOf(value);
        if (metric !== undefined && distance !== undefined) return [metric, distance] as const;
        throw new PerfoptError(
          "bad-input",
          `--margin ${text}: expected a share, for all metrics or for one`,
          "for example --margin 5% or --margin p95=15%",
        );
      }),
  );
}

function minEffectOf(options: RuleOptions, ratio: boolean, margin: number): number {
  if (options.minEffect === undefined) {
    return Math.min(margin, ratio ? MIN_EFFECT : MIN_EFFECT_POINTS);
  }
  const given = shareOf(options.minEffect);
  if (given !== undefined) return given;
  throw new PerfoptError(
    "bad-input",
    `--min-effect ${options.minEffect}: expected a share`,
    "for example --min-effect 3%",
  );
}

function shareOf(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*%$/.exec(text.trim());
  const share = match ? Number(match[1]) / 100 : undefined;
  return share !== undefined && share > 0 && share < 1 ? share : undefined;
}

function marginTooSmall(
  metric: MetricId,
  given: number,
  seen: number,
  pairs: number,
): PerfoptError {
  return new PerfoptError(
    "bad-input",
    `a margin of ${formatDistance(metric, given)} for ${metricOf(metric).title} is below what this machine can see: its self-test found ${formatDistance(metric, seen)} for ${pairs} pairs`,
    "a gate below the noise cries wolf: take a larger margin, more --pairs and a new --self-test, a quieter machine, or --force",
  );
}
