/** The verdict of the cache advisor, and its first line. */
import type { CacheAdvice } from "../../core/cache-advice.ts";
import { formatBytes, formatRatio } from "../../core/units.ts";
import type { Chosen } from "./recommend.ts";
import type { Study } from "./study.ts";

export function verdictOf(
  { question, ceiling }: Study,
  { present, recommended, best }: Chosen,
): CacheAdvice["verdict"] {
  const wanted = question.goal?.hitRate;
  if (wanted === undefined) return "no-goal";
  if (present && present.low >= wanted) return "met";
  if (recommended && recommended.low >= wanted) return "reachable";
  return wanted > Math.max(ceiling.hitRate, best.high) ? "above-ceiling" : "not-shown";
}

export function headlineOf(study: Study, chosen: Chosen, verdict: CacheAdvice["verdict"]): string {
  const { present, recommended } = chosen;
  const wanted = formatRatio(study.question.goal?.hitRate ?? 0);
  const size = recommended ? formatBytes(recommended.maxmemoryBytes) : "";
  const now = present ? `the present ${formatBytes(present.maxmemoryBytes)}` : "";
  switch (verdict) {
    case "above-ceiling":
      return `${wanted} cannot be reached with any memory: at most ${formatRatio(study.ceiling.hitRate)} of these gets can hit (${missesInWords(study)})`;
    case "met":
      return recommended && present && recommended.maxmemoryBytes < present.maxmemoryBytes
        ? `${wanted} is met with ${now} (${rateOf(present)}); ${size} would do (${rateOf(recommended)})`
        : `${wanted} is met with ${now} (${present ? rateOf(present) : ""})`;
    case "reachable":
      return `${wanted} takes ${size} of memory (${recommended ? rateOf(recommended) : ""})${present ? `; ${now} reach ${formatRatio(present.hitRate)}` : ""}`;
    case "not-shown":
      return `${wanted} is not shown to be within reach: ${formatBytes(chosen.best.maxmemoryBytes)} would give ${rateOf(chosen.best)}, and the ceiling is ${formatRatio(study.ceiling.hitRate)}`;
    case "no-goal":
      return `${size} of memory give ${recommended ? rateOf(recommended) : "nothing"}, and no memory more than ${formatRatio(study.ceiling.hitRate)}`;
  }
}

function rateOf({
  hitRate,
  low,
  high,
}: {
  readonly hitRate: number;
  readonly low: number;
  readonly high: number;
}): string {
  return `${formatRatio(hitRate)}, ${formatRatio(low)} to ${formatRatio(high)}`;
}

function missesInWords({ ceiling }: Study): string {
  const { compulsory, expired, invalidated } = ceiling.misses;
  const parts = [
    [compulsory, "are the first of their key"],
    [expired, "come after the value has expired"],
    [invalidated, "come after the data has changed"],
  ] as const;
  return parts
    .filter(([share]) => share >= 0.0005)
    .map(([share, what]) => `${formatRatio(share)} ${what}`)
    .join(", ");
}
