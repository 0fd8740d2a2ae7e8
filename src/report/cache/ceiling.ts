/** The most that any amount of memory reaches, where the remaining misses come from, and what would move it. */
import type { CacheAdvice, Mover } from "../../core/cache-advice.ts";
import { ended } from "../advice/words.ts";
import { list, table, type Block } from "../outputs/document.ts";
import { formatDistance, formatShare, MISS_KINDS } from "./words.ts";

const WIDTHS = [12, 11, 46];

const MOVERS: Readonly<Record<Mover["kind"], string>> = {
  "longer-ttl": "longer times to live",
  "warm-up": "warm-up",
  "negative-caching": "negative caching",
  "single-flight": "single flight",
  memory: "memory",
  policy: "another policy",
  "in-process": "an in-process cache",
  invalidation: "narrower invalidation",
};

export function moverTitle({ kind }: Pick<Mover, "kind">): string {
  return MOVERS[kind];
}

const RAISES_CEILING: ReadonlySet<Mover["kind"]> = new Set([
  "longer-ttl",
  "warm-up",
  "negative-caching",
  "invalidation",
]);

/** Memory and policy reach a ceiling, and never move it. */
export function raisesCeiling({ kind }: Mover): boolean {
  return RAISES_CEILING.has(kind);
}

export function ceilingBlocks({ ceiling, movers }: CacheAdvice): readonly (Block | undefined)[] {
  const { hitRate, hitRateWithoutExpiry, hitRateOfAnyCache, misses } = ceiling;
  return [
    list([
      `With unlimited memory, times to live and invalidation as in the trace: ${formatShare(hitRate)}.`,
      `If nothing ever expired: ${formatShare(hitRateWithoutExpiry)}.`,
      `If nothing expired or changed either (1 - first uses): ${formatShare(hitRateOfAnyCache)}. No cache reaches more without a warm-up.`,
    ]),
    table(
      ["misses left", "of all gets", "what they are"],
      MISS_KINDS.filter(({ kind }) => misses[kind] > 0).map(({ kind, title, meaning }) => [
        title,
        formatShare(misses[kind]),
        meaning,
      ]),
      WIDTHS,
    ),
    movers.length === 0
      ? undefined
      : { kind: "text", text: "What would raise it, or take loads off the database, estimated:" },
    list(movers.map(moverInWords)),
  ];
}

function moverInWords(mover: Mover): string {
  const { gain, loadsSaved, detail } = mover;
  const worth = [
    ...(gain === undefined ? [] : [`about ${formatDistance(gain)} of hit rate`]),
    ...(loadsSaved === undefined
      ? []
      : [`about ${formatShare(loadsSaved)} of the database's loads`]),
  ];
  const title = moverTitle(mover);
  const head = `${title.charAt(0).toUpperCase()}${title.slice(1)}`;
  return `${head}${worth.length === 0 ? "" : ` (${worth.join(", ")})`}: ${ended(detail)}`;
}
