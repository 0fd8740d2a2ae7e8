/** Pairs of a gate made by hand, for the tests of its trial, its confirmation and its self-test. */
import type { MetricId } from "../../src/core/metric.ts";
import type { GatedMetric } from "../../src/core/gate.ts";
import type { MetricValues, Sample, ValidityCheck } from "../../src/core/sample.ts";
import type { GatePair } from "../../src/decide/usable.ts";
import { makeSample } from "../samples.ts";

export const CPU = "service.cpuMsPerRequest";
export const P50 = "api.latencyP50Ms";
export const P95 = "api.latencyP95Ms";

export function gated(metric: MetricId, changes: Partial<GatedMetric> = {}): GatedMetric {
  return { metric, tier: metric === CPU ? 1 : 2, margin: 0.05, minEffect: 0.03, ...changes };
}

/** What varies between pairs: a standard deviation of about 1.3 %, and a mean of nothing. */
const WOBBLE = [0.98, 1.01, 1.02, 0.99, 1, 1.015, 0.985, 1.005, 0.995, 1];

/** Pairs on fresh processes whose head is `ratio` times the base, but for the wobble. */
export function pairsOf(
  ratios: Partial<Record<MetricId, number>>,
  count: number,
  wobble = WOBBLE,
): GatePair[] {
  return Array.from({ length: count }, (_, index) => {
    const base: MetricValues = mapped(ratios, () => 100);
    const factor = wobble[index % wobble.length]!;
    const head: MetricValues = mapped(ratios, (ratio) => 100 * ratio * factor);
    return {
      order: index % 2 === 0 ? "incumbent-first" : "candidate-first",
      incumbent: makeSample(base),
      candidate: makeSample(head),
      generation: index,
    };
  });
}

/** The same sample, spoilt by one check. */
export function spoilt(sample: Sample, id: ValidityCheck["id"]): Sample {
  const check = { id, ok: false, value: 2, limit: 1, detail: `the check ${id} failed` };
  return {
    ...sample,
    load: { ...sample.load, checks: [check] },
    valid: false,
    invalidBecause: [check.detail],
  };
}

function mapped(
  ratios: Partial<Record<MetricId, number>>,
  value: (ratio: number) => number,
): MetricValues {
  return Object.fromEntries(
    Object.entries(ratios).map(([metric, ratio]) => [metric, value(ratio)]),
  );
}
