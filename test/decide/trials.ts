/** Pairs of a wobbling metric, and verdicts in words: what the tests of the judge and of its constraints share. */
import { metricIds, type MetricId } from "../../src/core/metric.ts";
import type { Pair } from "../../src/core/trial.ts";
import type { Judgement } from "../../src/decide/judge.ts";
import { makePairs, makeSample } from "../samples.ts";

const LATENCY = "api.latencyP95Ms";

/** What varies between pairs, small beside the effects below. */
const WOBBLE = [0.98, 1.01, 1.02, 0.99, 1, 1.015, 0.985, 1.005, 0.995, 1.01];

/** Pairs of a metric whose candidate is `ratio` times the incumbent, but for the wobble. */
export function wobbly(
  metric: MetricId,
  ratio: number,
  count: number,
  wobble = WOBBLE,
): readonly Pair[] {
  return makePairs(
    metric,
    Array.from({ length: count }, (_, index) => [
      100,
      100 * ratio * wobble[index % wobble.length]!,
    ]),
  );
}

/** Pairs that report several metrics, from `[incumbent, candidate]`; the objective improves by 30 %. */
export function improving(
  others: Partial<Record<MetricId, readonly [number | undefined, number | undefined]>>,
) {
  return wobbly(LATENCY, 0.7, 5).map((pair) => {
    const incumbent = { ...pair.incumbent.metrics };
    const candidate = { ...pair.candidate.metrics };
    for (const metric of metricIds) {
      const [left, right] = others[metric] ?? [];
      if (left !== undefined) incumbent[metric] = left;
      if (right !== undefined) candidate[metric] = right;
    }
    return { ...pair, incumbent: makeSample(incumbent), candidate: makeSample(candidate) };
  });
}

/** A verdict in one phrase: `keep`, `discard: worse`, `continue to 7`. */
export function verdictOf(judgement: Judgement): string {
  if (judgement.kind === "continue") return `continue to ${judgement.pairsNext}`;
  const { decision } = judgement;
  return decision.verdict === "discard" ? `discard: ${decision.because}` : decision.verdict;
}

export function decided(judgement: Judgement) {
  if (judgement.kind !== "decided") throw new Error("expected a decision");
  return judgement;
}
