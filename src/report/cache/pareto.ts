/** What each amount of memory buys: the settings that no other beats in everything, and hit rates by memory and policy. */
import type { CacheAdvice, PolicyCurve } from "../../core/cache-advice.ts";
import { table, type Block, type Cell } from "../outputs/document.ts";
import { comparedSettings, type Setting } from "./settings.ts";
import {
  errorOf,
  formatCount,
  formatFactor,
  formatL1,
  formatMemory,
  formatRate,
  formatShare,
  formatWithError,
  isSameChoice,
} from "./words.ts";

/** What makes a table of 80 columns. */
const WIDTHS = [7, 15, 6, 10, 7, 7, 6];
const ROWS_MOST = 16;

export function paretoBlocks(advice: CacheAdvice): readonly (Block | undefined)[] {
  const { pareto, present } = advice;
  if (pareto.length === 0) return [];
  const all = comparedSettings(advice);
  const shown = thinned(all, ({ recommended, now }) => recommended || now);
  const stale = all.some(({ choice }) => choice.staleShare !== undefined);
  const beside = present !== undefined && !pareto.some((each) => isSameChoice(present, each));
  return [
    table(
      ["memory", "policy", "ttl", "hit rate %", "loads/s", "hits/MB", ...(stale ? ["stale"] : [])],
      shown.map((setting) => rowOf(setting, stale)),
      WIDTHS,
    ),
    {
      kind: "text",
      text: [
        "All of it is predicted by simulating the trace. Hits/MB: hits a second that the last MB adds.",
        stale
          ? "Stale: gets answered with what had changed meanwhile."
          : "The trace shows no writes, so nothing is known of stale reads.",
        beside ? "The present setting stands beside them for comparison." : "",
        shown.length < all.length
          ? `${all.length - shown.length} more settings are in --json.`
          : "",
      ]
        .filter((each) => each !== "")
        .join(" "),
    },
  ];
}

/** Every second, third and so on, the marked ones always, and the last. */
function thinned<T>(rows: readonly T[], isMarked: (row: T) => boolean): readonly T[] {
  const every = Math.ceil(rows.length / ROWS_MOST);
  return rows.filter(
    (row, index) => index % every === 0 || index === rows.length - 1 || isMarked(row),
  );
}

function rowOf({ choice, recommended, now }: Setting, stale: boolean): readonly Cell[] {
  const { policy, l1, hitsPerExtraMb } = choice;
  const marks = [...(recommended ? ["advised"] : []), ...(now ? ["now"] : [])];
  return [
    {
      text: [formatMemory(choice.maxmemoryBytes), ...marks].join(" "),
      tone: recommended ? "good" : "plain",
    },
    l1 === undefined ? policy : `${policy}, L1 ${formatL1(l1)}`,
    formatFactor(choice.ttlFactor),
    formatWithError(choice.hitRate, errorOf(choice)),
    formatRate(choice.loadsPerSecond),
    hitsPerExtraMb === undefined ? "" : formatRate(hitsPerExtraMb),
    ...(stale ? [choice.staleShare === undefined ? "" : formatShare(choice.staleShare)] : []),
  ];
}

/** The grid behind the chart: a column for each policy, and what an exact LRU would do. */
export function policyBlocks({ policies, curve }: CacheAdvice): readonly (Block | undefined)[] {
  const shares = [...new Set(policies.map(({ simulatedShare }) => formatShare(simulatedShare)))];
  return [
    policyTable(policies),
    policies.length === 0
      ? undefined
      : {
          kind: "text",
          text: `Hit rates in per cent, predicted by simulating ${shares.join(", ")} of the keys, times to live as now.`,
        },
    table(
      ["exact LRU, memory", "hit rate %, estimated", "byte hit rate, estimated"],
      curve.sizes.map((size, index) => [
        formatMemory(size),
        formatWithError(
          curve.hitRate[index] ?? Number.NaN,
          curve.spread === undefined ? 0 : (curve.spread[index] ?? Number.NaN),
        ),
        formatShare(curve.byteHitRate[index]),
      ]),
    ),
    curve.sizes.length === 0
      ? undefined
      : {
          kind: "text",
          text: `Exact LRU: times to live left out, ${curve.method === "exact" ? "every key counted" : `from ${formatCount(curve.samples ?? 1)} samples of the keys`}. Redis' own policies are the ones above.`,
        },
  ];
}

function policyTable(policies: readonly PolicyCurve[]): Block | undefined {
  const sizes = [...new Set(policies.flatMap((policy) => policy.sizes))].toSorted((a, b) => a - b);
  return table(
    ["memory", ...policies.map(({ policy }) => policy)],
    sizes.map((size) => [
      formatMemory(size),
      ...policies.map((policy) => {
        const index = policy.sizes.indexOf(size);
        return index < 0
          ? ""
          : formatWithError(policy.hitRate[index] ?? Number.NaN, policy.error[index] ?? Number.NaN);
      }),
    ]),
  );
}
