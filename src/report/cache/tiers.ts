/** What a cache in each process takes off Redis, simulated together, and what a warm-up would save. */
import type { CacheAdvice, TierOption, WarmUpPoint } from "../../core/cache-advice.ts";
import { countOf } from "../format.ts";
import { sentence } from "../markdown-text.ts";
import { list, table, type Block } from "../outputs/document.ts";
import {
  formatCount,
  formatL1,
  formatProcesses,
  formatSize,
  formatShare,
  formatRate,
} from "./words.ts";

const WARM_UP_WIDTHS = [14, 14, 24];

export function tierBlocks({ tiers }: CacheAdvice): readonly (Block | undefined)[] {
  if (tiers === undefined || tiers.options.length === 0) return [];
  const { options, processes, words } = tiers;
  const third = options.some(({ l3HitRate }) => l3HitRate !== undefined);
  const stale = options.some(({ staleShare }) => staleShare !== undefined);
  const rows = options.map((option) => ({ option, cells: rowOf(option, third, stale) }));
  const shown = rows.filter(({ option, cells }, index) =>
    rows.slice(0, index).every((other) => !changesNothing(option, cells, other)),
  );
  const hidden = rows.length - shown.length;
  return [
    table(
      [
        "L1",
        "L1 hit",
        "L2 hit",
        ...(third ? ["L3 hit"] : []),
        "any tier",
        "loads/s",
        ...(stale ? ["stale"] : []),
      ],
      shown.map(({ option, cells }) => [
        option.l1 === undefined ? "none" : formatL1(option.l1),
        ...cells,
      ]),
    ),
    {
      kind: "text",
      text: `Simulated together for ${formatProcesses(processes)}, without bounds: L2 sees only what L1 does not answer, so its own hit rate falls as L1 grows.${hidden === 0 ? "" : ` ${countOf(hidden, "larger L1")} left out, for a smaller one does as much.`}`,
    },
    list(words.map(sentence)),
  ];
}

function rowOf(option: TierOption, third: boolean, stale: boolean): readonly string[] {
  const { l1, l1HitRate, l2HitRate, l3HitRate, hitRate, staleShare, loadsPerSecond } = option;
  return [
    l1 === undefined ? "" : formatShare(l1HitRate),
    formatShare(l2HitRate),
    ...(third ? [l3HitRate === undefined ? "" : formatShare(l3HitRate)] : []),
    formatShare(hitRate),
    formatRate(loadsPerSecond),
    ...(stale ? [staleShare === undefined ? "" : formatShare(staleShare)] : []),
  ];
}

/** More memory for the same time to live, and the same numbers. */
function changesNothing(
  { l1 }: TierOption,
  cells: readonly string[],
  other: { readonly option: TierOption; readonly cells: readonly string[] },
): boolean {
  const smaller = other.option.l1;
  return (
    l1 !== undefined &&
    smaller !== undefined &&
    smaller.ttlMs === l1.ttlMs &&
    smaller.bytes < l1.bytes &&
    other.cells.every((cell, index) => cell === cells[index])
  );
}

export function warmUpBlocks({ warmUp }: CacheAdvice): readonly (Block | undefined)[] {
  if (warmUp.length === 0) return [];
  return [
    table(
      ["keys", "memory", "gets covered, estimated"],
      thinned(warmUp.toSorted((a, b) => a.keys - b.keys)).map(({ keys, bytes, covered }) => [
        formatCount(keys),
        formatSize(bytes),
        formatShare(covered),
      ]),
      WARM_UP_WIDTHS,
    ),
    {
      kind: "text",
      text: "The keys most asked for in the trace's first half, and the share of the gets of its second half that were of these keys.",
    },
  ];
}

const WARM_UP_ROWS = 8;

/** Every second, third and so on, and the last. */
function thinned(points: readonly WarmUpPoint[]): readonly WarmUpPoint[] {
  const every = Math.ceil(points.length / WARM_UP_ROWS);
  return points.filter((_, index) => (points.length - 1 - index) % every === 0);
}
