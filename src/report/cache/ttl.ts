/** Hit rate against staleness by time to live, memory unbounded. */
import type { CacheAdvice, TtlPoint } from "../../core/cache-advice.ts";
import { table, type Block } from "../outputs/document.ts";
import { formatSize, formatShare, formatTtl, prefixCell } from "./words.ts";

const WIDTHS = [20, 9, 9, 12, 10];
/** Of prefixes; all of them together come first. */
const GROUPS_MOST = 5;

export function ttlBlocks({ ttl }: CacheAdvice): readonly (Block | undefined)[] {
  if (ttl.length === 0) return [];
  const groups = groupsOf(ttl);
  const shown = groups.slice(0, GROUPS_MOST + 1);
  const writes = ttl.some(({ staleShare }) => staleShare !== undefined);
  return [
    table(
      ["prefix", "ttl", "hit rate", "memory held", ...(writes ? ["stale"] : [])],
      shown.flatMap(([prefix, points]) =>
        points.map((point, index) => [
          index > 0 ? "" : prefix === "" ? "all" : prefixCell(prefix),
          formatTtl(point.ttlMs),
          formatShare(point.hitRate),
          formatSize(point.bytes),
          ...(writes ? [formatShare(point.staleShare)] : []),
        ]),
      ),
      WIDTHS,
    ),
    {
      kind: "text",
      text: [
        "Counted on the trace with memory unbounded, without bounds: what a time to live alone allows.",
        writes
          ? "Stale: gets answered with what had changed meanwhile."
          : "The trace shows no writes, so nothing is known of staleness.",
        groups.length > shown.length
          ? `${groups.length - shown.length} more prefixes are in --json.`
          : "",
      ]
        .filter((each) => each !== "")
        .join(" "),
    },
  ];
}

/** By prefix, all together first, then in the order of the advice; points by time to live, none last. */
function groupsOf(
  points: readonly TtlPoint[],
): readonly (readonly [string, readonly TtlPoint[]])[] {
  const prefixes = [...new Set(points.map(({ prefix }) => prefix))];
  const ordered = [
    ...prefixes.filter((each) => each === ""),
    ...prefixes.filter((each) => each !== ""),
  ];
  return ordered.map((prefix) => [
    prefix,
    points.filter((point) => point.prefix === prefix).toSorted((a, b) => lengthOf(a) - lengthOf(b)),
  ]);
}

function lengthOf({ ttlMs }: TtlPoint): number {
  return ttlMs === 0 ? Infinity : ttlMs;
}
