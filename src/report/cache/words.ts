/** How the cache advice says sizes, rates, bounds, times to live and misses; what is predicted is never called measured. */
import type { CacheChoice } from "../../core/cache-advice.ts";
import type { MissClasses } from "../../core/cache-curve.ts";
import { formatBytes, formatDuration, formatRatio, significant } from "../../core/units.ts";
import { abbreviated, countOf, formatPoints, formatSetDuration, neat } from "../format.ts";
import { clean, shortened, type Cell } from "../outputs/document.ts";

export const NOT_KNOWN = "not known";

const NAME_CHARACTERS = 60;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Of a prefix, endpoint or other name that users gave. */
export function nameOf(name: string): string {
  return clean(name) === "" ? "(no prefix)" : shortened(name, NAME_CHARACTERS);
}

export function prefixCell(prefix: string): Cell {
  const text = nameOf(prefix);
  return clean(prefix) === "" ? text : { text, code: true };
}

/** A `maxmemory`; Redis takes 0 for no limit. */
export function formatMemory(bytes: number): string {
  if (!Number.isFinite(bytes)) return NOT_KNOWN;
  return bytes === 0 ? "no limit" : neat(formatBytes(bytes));
}

/** Of what is held or sent. */
export function formatSize(bytes: number): string {
  return Number.isFinite(bytes) ? neat(formatBytes(Math.round(bytes))) : NOT_KNOWN;
}

export function formatShare(share: number | undefined): string {
  return share === undefined || !Number.isFinite(share) ? NOT_KNOWN : formatRatio(share);
}

/** Of loads, hits or gets a second, without a unit. */
export function formatRate(rate: number | undefined): string {
  return rate === undefined || !Number.isFinite(rate) ? NOT_KNOWN : neat(abbreviated(rate));
}

export function formatCount(count: number): string {
  if (!Number.isFinite(count)) return NOT_KNOWN;
  return Math.abs(count) < 999.5 ? String(Math.round(count)) : neat(abbreviated(count));
}

/** A time to live as people set it: `30 s`, `5 min`, `4 h`, `7 d`; 0 is none. */
export function formatTtl(ms: number | undefined): string {
  if (ms === undefined || !Number.isFinite(ms)) return NOT_KNOWN;
  if (ms === 0) return "none";
  if (ms >= 2 * DAY_MS) return `${neat(significant(ms / DAY_MS))} d`;
  if (ms >= 2 * HOUR_MS || ms === HOUR_MS) return `${neat(significant(ms / HOUR_MS))} h`;
  return formatSetDuration(ms);
}

export type Bounded = Pick<CacheChoice, "hitRate" | "low" | "high">;

/** `94.2 % (93.8 % to 94.6 %)`: never without its bounds. */
export function formatBounded({ hitRate, low, high }: Bounded): string {
  return `${formatShare(hitRate)} (${formatShare(low)} to ${formatShare(high)})`;
}

/** `94.2 ± 0.4`, per cent, for tables: the larger of both distances to the bounds; an error of 0 is one that was counted. */
export function formatWithError(rate: number, error: number): string {
  if (!Number.isFinite(rate)) return NOT_KNOWN;
  if (!Number.isFinite(error)) return `${(rate * 100).toFixed(1)} without bounds`;
  if (error === 0) return (rate * 100).toFixed(1);
  const digits = error * 100 >= 0.095 ? 1 : 2;
  return `${(rate * 100).toFixed(digits)} ± ${(error * 100).toFixed(digits)}`;
}

export function errorOf({ hitRate, low, high }: Bounded): number {
  return Math.max(hitRate - low, high - hitRate);
}

/** `2.7 points`. */
export function formatDistance(share: number): string {
  return Number.isFinite(share) ? formatPoints(Math.abs(share)) : NOT_KNOWN;
}

export function formatProcesses(count: number): string {
  return Number.isFinite(count) ? countOf(count, "process", "processes") : NOT_KNOWN;
}

/** A length or a cost, as measured. */
export function formatLength(ms: number): string {
  return Number.isFinite(ms) ? formatDuration(Math.max(0, ms)) : NOT_KNOWN;
}

export const MISS_KINDS: readonly {
  readonly kind: keyof MissClasses;
  readonly title: string;
  readonly meaning: string;
}[] = [
  { kind: "compulsory", title: "first use", meaning: "never stored before: only a warm-up helps" },
  { kind: "capacity", title: "evicted", meaning: "had to make room for others: memory helps" },
  {
    kind: "expired",
    title: "expired",
    meaning: "outlived its time to live: a longer one helps",
  },
  {
    kind: "invalidated",
    title: "invalidated",
    meaning: "taken out because the data had changed: storing the new value at the write helps",
  },
];

/** Below this share of the misses a class is not worth a word. */
const CLASS_LEAST = 0.005;

/** `evicted 62 %, expired 38 %`: shares of the misses, the largest first. */
export function missesInWords(misses: MissClasses): string {
  return namedMisses(misses, (name, percent) => `${name} ${percent} %`);
}

/** `evicted 62, expired 38`, for a column of per cent. */
export function missesInPercent(misses: MissClasses): string {
  return namedMisses(misses, (name, percent) => `${name} ${percent}`);
}

function namedMisses(misses: MissClasses, say: (name: string, percent: string) => string): string {
  const all = MISS_KINDS.reduce((sum, { kind }) => sum + misses[kind], 0);
  if (!Number.isFinite(all)) return NOT_KNOWN;
  if (all <= 0) return "no misses";
  return MISS_KINDS.map(({ kind, title }) => ({ title, share: misses[kind] / all }))
    .filter(({ share }) => share >= CLASS_LEAST)
    .toSorted((a, b) => b.share - a.share)
    .map(({ title, share }) => say(title, (share * 100).toFixed(0)))
    .join(", ");
}

/** `24 MB, allkeys-lfu, times to live x 4, 8 MB in each process`. */
export function choiceInWords(choice: CacheChoice): string {
  const { maxmemoryBytes, policy, ttlFactor, l1 } = choice;
  return [
    formatMemory(maxmemoryBytes),
    policy,
    ...(ttlFactor === 1 ? [] : [`times to live ${formatFactor(ttlFactor)}`]),
    ...(l1 === undefined ? [] : [`${formatL1(l1)} in each process`]),
  ].join(", ");
}

export function formatFactor(factor: number): string {
  if (!Number.isFinite(factor)) return NOT_KNOWN;
  return factor === 1 ? "as now" : `x ${neat(significant(factor))}`;
}

/** `8 MB for 5 s`. */
export function formatL1({ bytes, ttlMs }: NonNullable<CacheChoice["l1"]>): string {
  return `${formatMemory(bytes)}${ttlMs === 0 ? "" : ` for ${formatTtl(ttlMs)}`}`;
}

export function isSameChoice(one: CacheChoice | undefined, other: CacheChoice): boolean {
  return (
    isSameRedis(one, other) &&
    one?.l1?.bytes === other.l1?.bytes &&
    one?.l1?.ttlMs === other.l1?.ttlMs
  );
}

/** Whatever is in the processes before it. */
export function isSameRedis(one: CacheChoice | undefined, other: CacheChoice): boolean {
  return (
    one !== undefined &&
    one.maxmemoryBytes === other.maxmemoryBytes &&
    one.policy === other.policy &&
    one.ttlFactor === other.ttlFactor
  );
}
