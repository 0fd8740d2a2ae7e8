/** The gate's trial: whether each gated metric of the head got worse, is shown not to have, or cannot be told yet. */
import type { MetricVerdict } from "../core/gate.ts";
import type { MetricId } from "../core/metric.ts";
import { seriesOf, type GatedSeries, type GateTest } from "./gate-series.ts";
import { testGate, type Progress, type Standing, type Standings } from "./gate-test.ts";
import { verdictOf } from "./gate-verdict.ts";
import type { GatePair } from "./usable.ts";

export type GateJudgement =
  | {
      readonly kind: "continue";
      /** So many more pairs, at least, until there can be anything new. */
      readonly pairsNext: number;
      /** Metrics that have no verdict yet. */
      readonly open: readonly MetricId[];
    }
  /** In the order of the rule. A failure of the trial has still to be confirmed. */
  | { readonly kind: "decided"; readonly metrics: readonly MetricVerdict[] };

/** A trial ends when so many times its pairs were measured, usable or not. */
const ATTEMPTS_SHARE = 1.5;

/**
 * Judges all pairs measured so far, valid or not, in order. `ended`: no more can be measured, for a reason that is not the
 * effect. Throws RangeError for a rule that makes no sense.
 */
export function judgeGate(
  pairs: readonly GatePair[],
  rule: GateTest,
  ended = false,
): GateJudgement {
  const gated = rule.metrics.map((each) => seriesOf(each, pairs, rule));
  const standings = testGate(
    gated.map(({ series }) => series),
    progressOf(pairs, rule, ended),
  );
  const judged = withStandings(gated, standings);
  if (!standings.over) return goOn(judged, standings);
  const failed = judged.filter(({ standing }) => standing.kind === "fail");
  const end = {
    rule,
    failed: failed.map(({ gated }) => gated.gated.metric),
    measured: pairs.length,
  };
  return {
    kind: "decided",
    metrics: judged.map(({ gated, standing }) => verdictOf(gated, standing, end)),
  };
}

export function progressOf(pairs: readonly GatePair[], rule: GateTest, ended: boolean): Progress {
  const exhausted = pairs.length >= Math.ceil(rule.pairsMax * ATTEMPTS_SHARE);
  return { pairsMax: rule.pairsMax, measured: pairs.length, ended: ended || exhausted };
}

interface Judged {
  readonly gated: GatedSeries;
  readonly standing: Standing;
}

export function withStandings(
  series: readonly GatedSeries[],
  standings: Standings,
): readonly Judged[] {
  return series.flatMap((gated, at) => {
    const standing = standings.of[at];
    return standing ? [{ gated, standing }] : [];
  });
}

export function goOn(judged: readonly Judged[], { pairsNext }: Standings): GateJudgement {
  const open = judged.filter(({ standing }) => standing.kind === "open");
  return { kind: "continue", pairsNext, open: open.map(({ gated }) => gated.gated.metric) };
}
