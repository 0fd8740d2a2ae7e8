/** Effects as a table in which none lacks its interval, its pairs or its cross-check. */
import { metricOf } from "../../core/metric.ts";
import type { Effect } from "../../core/trial.ts";
import { formatRatio } from "../../core/units.ts";
import { readEffect } from "../effects.ts";
import { formatEffectChange, formatInterval, formatMetric, formatP, neat } from "../format.ts";
import { table } from "../markdown-text.ts";

/** `arms`: the titles of the two columns of medians. */
export function effectsTable(effects: readonly Effect[], arms: readonly [string, string]): string {
  return table(
    ["metric", ...arms, "change", intervalTitle(effects), "pairs", "permutation p", "reading"],
    effects.map((effect) => [
      metricOf(effect.metric).title,
      formatMetric(effect.metric, effect.incumbentMedian),
      formatMetric(effect.metric, effect.candidateMedian),
      formatEffectChange(effect),
      formatInterval(effect),
      String(effect.pairs),
      formatP(effect.permutationP),
      emphasised(readEffect(effect)),
    ]),
  );
}

/** Names the coverage that all effects share, or the least of them. */
export function intervalTitle(effects: readonly Effect[]): string {
  const coverages = effects.map((effect) => effect.confidence);
  if (coverages.length === 0) return "interval";
  const least = Math.min(...coverages);
  return `${least === Math.max(...coverages) ? "" : "at least "}${neat(formatRatio(least))} interval`;
}

function emphasised(reading: string): string {
  return reading === "no change shown" ? reading : `**${reading}**`;
}
