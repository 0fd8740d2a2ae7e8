/** What each prefix of keys asks for, holds and misses, and how long its values live. */
import type { CacheAdvice, PrefixFacts } from "../../core/cache-advice.ts";
import { table, type Block, type Cell } from "../outputs/document.ts";
import {
  formatCount,
  formatLength,
  formatSize,
  formatRate,
  formatShare,
  formatTtl,
  missesInPercent,
  prefixCell,
} from "./words.ts";

/** What makes tables of 80 columns. */
const WIDTHS = [15, 6, 6, 8, 6, 7, 13];
const CHANGE_WIDTHS = [15, 9, 9, 12, 8, 8];
const ROWS_MOST = 16;

export function prefixBlocks({
  prefixes,
  trace,
  recommended,
  present,
}: CacheAdvice): readonly (Block | undefined)[] {
  if (prefixes.length === 0) return [];
  const ranked = prefixes.toSorted((a, b) => b.gets - a.gets);
  const shown = ranked.slice(0, ROWS_MOST);
  const at =
    recommended !== undefined
      ? "at the recommended size"
      : present !== undefined
        ? "at the present size"
        : "at the size that was looked at";
  return [
    table(
      ["prefix", "gets", "keys", "bytes", "hit", "ceiling", "misses, %"],
      shown.map((each) => rowOf(each, trace.gets)),
      WIDTHS,
    ),
    {
      kind: "text",
      text: `Gets: share of all. Hit rates are estimated ${at}, without bounds; ceiling: with any amount of memory. Misses: by cause.${ranked.length > shown.length ? ` ${ranked.length - shown.length} more prefixes are in --json.` : ""}`,
    },
    ...livesBlocks(shown),
  ];
}

function rowOf(prefix: PrefixFacts, getsOfAll: number): readonly Cell[] {
  return [
    prefixCell(prefix.prefix),
    getsOfAll > 0 ? formatShare(prefix.gets / getsOfAll) : "",
    formatCount(prefix.keys),
    formatSize(prefix.bytes),
    formatShare(prefix.hitRate),
    formatShare(prefix.ceiling),
    missesInPercent(prefix.misses),
  ];
}

/** Only of prefixes of which something is known beyond their hits. */
function livesBlocks(prefixes: readonly PrefixFacts[]): readonly (Block | undefined)[] {
  const known = prefixes.filter((each) =>
    [each.ttlMs, each.ttlProposedMs, each.writesPerKeyHour, each.staleShare, each.costMs].some(
      (value) => value !== undefined,
    ),
  );
  if (known.length === 0) return [];
  return [
    table(
      ["prefix", "ttl", "proposed", "changes/h", "stale", "load"],
      known.map((each) => [
        prefixCell(each.prefix),
        each.ttlMs === undefined ? "none" : formatTtl(each.ttlMs),
        proposedOf(each),
        each.writesPerKeyHour === undefined ? "" : formatRate(each.writesPerKeyHour),
        each.staleShare === undefined ? "" : formatShare(each.staleShare),
        each.costMs === undefined ? "" : formatLength(each.costMs),
      ]),
      CHANGE_WIDTHS,
    ),
    {
      kind: "text",
      text: "Ttl: the median of what was stored. Changes/h: writes of a key in an hour. Stale: estimated, of the prefix's gets. Load: what loading a value takes.",
    },
  ];
}

function proposedOf({ ttlMs, ttlProposedMs }: PrefixFacts): Cell {
  if (ttlProposedMs === undefined || ttlProposedMs === ttlMs) return "as now";
  return { text: formatTtl(ttlProposedMs), tone: "good" };
}
