/** Why this size, this policy and these times to live: one sentence each, of what was compared and nothing else. */
import type { CacheChoice } from "../../core/cache-advice.ts";
import type { RedisPolicy } from "../../core/cache-curve.ts";
import { formatBytes, formatRatio } from "../../core/units.ts";
import type { Study } from "./study.ts";

export interface Compared {
  readonly present: CacheChoice | undefined;
  readonly recommended: CacheChoice | undefined;
  /** With all the memory that is allowed: times to live as they are, and the best of all that was tried. */
  readonly asNow: CacheChoice;
  readonly best: CacheChoice;
  readonly usual: RedisPolicy;
  /** Whether more than one policy was. */
  readonly compared: boolean;
  /** Whether the memory that is allowed is less than all keys take. */
  readonly byMemory: boolean;
  readonly reached: boolean;
}

/** What longer times to live would add, from which on it is worth a word. */
const POINTS_LEAST = 0.005;

export function reasonsOf(study: Study, compared: Compared): readonly string[] {
  return [
    ...sizeReasons(study, compared),
    ...policyReasons(study, compared),
    ...ttlReasons(study, compared),
  ];
}

function sizeReasons(
  { question, simulated }: Study,
  { present, recommended, byMemory, reached }: Compared,
): readonly string[] {
  if (!recommended) return [];
  const { hitRate, low, maxmemoryBytes } = recommended;
  const size = formatBytes(maxmemoryBytes);
  const predicted = `${formatRatio(hitRate)}, at least ${formatRatio(low)}, over ${simulated.length} simulations`;
  const most = byMemory ? "what the memory allowed gives" : "unlimited memory";
  const why = reached
    ? `${size} is the least that was found whose lower bound reaches ${formatRatio(question.goal?.hitRate ?? 0)} (${predicted})`
    : `${size} is the least that was found within 0.5 points of ${most} (${predicted})`;
  if (!present || present.maxmemoryBytes <= maxmemoryBytes) return [why];
  const spared = formatBytes(present.maxmemoryBytes - maxmemoryBytes);
  const words = `${spared} of the present ${formatBytes(present.maxmemoryBytes)} are not needed for that`;
  return [why, words];
}

function policyReasons(
  { question }: Study,
  { recommended, usual, compared }: Compared,
): readonly string[] {
  const present = question.present?.policy;
  const refusing =
    present === "noeviction"
      ? ["noeviction refuses to store when the memory is full: a cache should evict"]
      : [];
  if (!recommended) return refusing;
  const { policy } = recommended;
  if (policy !== usual)
    return [...refusing, `${policy} instead of ${usual}: it takes less memory for what is wanted`];
  if (!compared) return [...refusing, `${policy}: no other policy was compared`];
  const stays = present === usual ? "stays" : "is as good as any";
  const why = "no other policy does with less memory by more than twice the simulations' error";
  return [...refusing, `${policy} ${stays}: ${why}`];
}

function ttlReasons(
  study: Study,
  { recommended, asNow, best, reached }: Compared,
): readonly string[] {
  if (recommended && recommended.ttlFactor > 1) {
    const stale = study.staleShareOf(recommended.ttlFactor) ?? 0;
    return [
      `times to live ${recommended.ttlFactor} times as long: with those of now at most ${formatRatio(asNow.hitRate)} can be reached; ${formatRatio(stale)} of the answers would be out of date, as far as the trace tells`,
    ];
  }
  const gain = best.hitRate - asNow.hitRate;
  if (best.ttlFactor === 1 || gain < POINTS_LEAST) return [];
  const adds = `${best.ttlFactor} times as long they would add ${(gain * 100).toFixed(1)} points`;
  const why =
    study.question.goal === undefined
      ? ""
      : reached
        ? ", which the goal does not need"
        : ", which is not enough for the goal";
  return [`times to live stay: ${adds}${why}`];
}
