/** The verdict of the cache advisor, and its first line. */
import type { CacheAdvice, CacheChoice } from "../../core/cache-advice.ts";
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
  const size = recommended ? configured(study, recommended) : "";
  const now = present ? presentSize(present) : "";
  switch (verdict) {
    case "above-ceiling":
      return `${wanted} cannot be reached with any memory: at most ${formatRatio(study.ceiling.hitRate)} of these gets can hit (${missesInWords(study)})`;
    case "met":
      return recommended && present && isSmaller(recommended, present)
        ? `${wanted} is met with ${now} (${rateOf(present)}); ${size} would do (${rateOf(recommended)})`
        : `${wanted} is met with ${now} (${present ? rateOf(present) : ""})`;
    case "reachable":
      return `${wanted} takes ${size} (${recommended ? rateOf(recommended) : ""})${present ? `; ${now} reach ${formatRatio(present.hitRate)}` : ""}`;
    case "not-shown":
      return `${wanted} is not shown to be within reach: ${configured(study, chosen.best)} would give ${rateOf(chosen.best)}, and the ceiling is ${formatRatio(study.ceiling.hitRate)}`;
    case "no-goal":
      return `${size} give ${recommended ? rateOf(recommended) : "nothing"}, and no memory more than ${formatRatio(Math.max(study.ceiling.hitRate, recommended?.hitRate ?? 0))}`;
  }
}

/** `24 MB of memory with allkeys-lfu and times to live 5 times as long`: all that differs from now. */
function configured({ question }: Study, choice: CacheChoice): string {
  const other = question.present?.policy !== undefined && question.present.policy !== choice.policy;
  return [
    `${formatBytes(choice.maxmemoryBytes)} of memory`,
    ...(other ? [`with ${choice.policy}`] : []),
    ...(choice.ttlFactor > 1 ? [`and times to live ${choice.ttlFactor} times as long`] : []),
  ].join(" ");
}

function presentSize({ maxmemoryBytes }: CacheChoice): string {
  return maxmemoryBytes === 0
    ? "the present memory without a limit"
    : `the present ${formatBytes(maxmemoryBytes)}`;
}

function isSmaller(choice: CacheChoice, present: CacheChoice): boolean {
  return present.maxmemoryBytes === 0 || choice.maxmemoryBytes < present.maxmemoryBytes;
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
