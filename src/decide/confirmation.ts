/** The fresh block behind every failure: fresh processes with swapped ports, and the regression has to be there again. */
import type { MetricVerdict } from "../core/gate.ts";
import { metricOf } from "../core/metric.ts";
import { goOn, progressOf, withStandings, type GateJudgement } from "./gate.ts";
import { effectAt, seriesOf, type GatedSeries, type GateTest } from "./gate-series.ts";
import { testConfirmation, type Standing } from "./gate-test.ts";
import { reasonsInWords, type GatePair } from "./usable.ts";
import { effectInWords } from "./words.ts";

/**
 * Judges the pairs of the confirmation alone; those of the trial prove nothing twice. `verdicts` are the trial's: what failed
 * there fails for good when it is worse again, by no less than its minimum effect, and is inconclusive otherwise. The block ends
 * with the first metric that is confirmed. Chance alone fails unchanged code no more often than the trial does by itself.
 */
export function judgeConfirmation(
  pairs: readonly GatePair[],
  verdicts: readonly MetricVerdict[],
  rule: GateTest,
  ended = false,
): GateJudgement {
  const failing = verdicts.filter(({ verdict }) => verdict === "fail");
  const gated = rule.metrics
    .filter(({ metric }) => failing.some((each) => each.metric === metric))
    .map((each) => seriesOf(each, pairs, rule));
  const standings = testConfirmation(
    gated.map(({ series }) => series),
    progressOf(pairs, rule, ended),
  );
  const judged = withStandings(gated, standings);
  if (!standings.over) return goOn(judged, standings);
  const metrics = verdicts.map((verdict) => {
    const found = judged.find(({ gated }) => gated.gated.metric === verdict.metric);
    return found ? confirmed(verdict, found.gated, found.standing) : verdict;
  });
  return { kind: "decided", metrics };
}

function confirmed(verdict: MetricVerdict, gated: GatedSeries, standing: Standing): MetricVerdict {
  const effect = effectAt(gated, standing);
  if (!effect) {
    const why =
      gated.usable.reasons.length === 0 ? "" : ` (${reasonsInWords(gated.usable.reasons)})`;
    const detail = `${verdict.detail} Seen once, not confirmed: in the confirmation ${gated.series.observed.length} of ${gated.measured} pairs of ${metricOf(verdict.metric).title} could be used${why}.`;
    return { ...verdict, verdict: "inconclusive", detail };
  }
  const words = effectInWords(effect);
  if (standing.kind === "fail") {
    const detail = `${verdict.detail} Confirmed on fresh processes: ${words}.`;
    return { ...verdict, confirmation: { confirmed: true, effect }, detail };
  }
  const early =
    standing.kind === "open" && !standing.hopeless
      ? " The confirmation ended before it could tell, with another metric."
      : "";
  return {
    ...verdict,
    verdict: "inconclusive",
    confirmation: { confirmed: false, effect },
    detail: `${verdict.detail} Seen once, not confirmed: ${words}.${early}`,
  };
}
