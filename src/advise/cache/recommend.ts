/** The choice among policies, times to live and sizes: the present policy unless another is clearly better, times to live as they are unless the goal needs more. */
import type { CacheChoice, PolicyCurve } from "../../core/cache-advice.ts";
import type { RedisPolicy } from "../../core/cache-curve.ts";
import { reasonsOf } from "./reasons.ts";
import { choiceOf, type Setting } from "./choices.ts";
import { smallestThat } from "./smallest.ts";
import type { Study } from "./study.ts";

export interface Chosen {
  readonly present?: CacheChoice;
  readonly recommended?: CacheChoice;
  /** Of another policy, at the present memory, where it is clearly better. */
  readonly betterNow?: Better;
  readonly reasons: readonly string[];
  /** Every configuration that was simulated on the way. */
  readonly tried: readonly CacheChoice[];
  /** The most that was reached with the memory that is allowed, any policy and any time to live that may be proposed. */
  readonly best: CacheChoice;
}

/** Times to live are tried in these steps: each has to be explained to somebody. */
const TTL_FACTORS = [1, 2, 5, 10, 30] as const;
/** Without a goal: as good as any memory, but for half a point. */
const KNEE = 0.005;
/** Below this share of gets that expired, longer times to live are not worth a look. */
const EXPIRED_LEAST = 0.002;
/** A policy is changed only for more than twice the error (research/cache.md section 4). */
const ERRORS_TO_SWITCH = 2;

export function recommend(
  study: Study,
  curves: readonly PolicyCurve[],
  sizes: readonly number[],
): Chosen {
  const { question, wholeBytes } = study;
  const tried: CacheChoice[] = [];
  const choose = (setting: Setting): CacheChoice => {
    const known = tried.find((each) => isOf(each, setting));
    if (known) return known;
    const choice = choiceOf(study, setting);
    tried.push(choice);
    return choice;
  };
  const maxBytes = Math.min(question.memoryMaxBytes ?? Infinity, Math.ceil(wholeBytes * ROOM));
  const usual = usualPolicy(question.present?.policy);
  const present = presentOf(study, usual, choose);
  const wanted = question.goal?.hitRate;
  const roomiest = roomyOf(study, maxBytes, usual, choose);
  const asNow = roomiest[0] ?? choose({ maxmemoryBytes: maxBytes, policy: usual, ttlFactor: 1 });
  const others = betterPolicies(curves, usual, maxBytes).map(({ policy }) => policy);
  const enough = (choice: CacheChoice): boolean =>
    (choice.refused ?? 0) === 0 && choice.low >= (wanted ?? Infinity);
  const within = [usual, ...others].map((policy) =>
    policy === usual ? roomiest : roomyOf(study, maxBytes, policy, choose),
  );
  const reachable = within.flat().find(enough);
  const best = within.flat().reduce((most, each) => (each.hitRate > most.hitRate ? each : most));
  const reaches = reachable
    ? enough
    : (choice: CacheChoice): boolean =>
        (choice.refused ?? 0) === 0 && choice.hitRate >= asNow.hitRate - KNEE;
  const search = { sizes, stepBytes: question.memoryStepBytes, maxBytes, reaches, choose };
  const { policy, ttlFactor } = reachable ?? asNow;
  const first = smallestThat(search, { policy, ttlFactor });
  const [other] = betterPolicies(curves, policy, first?.maxmemoryBytes ?? maxBytes);
  const second = other && smallestThat(search, { policy: other.policy, ttlFactor });
  const switches = second && second.maxmemoryBytes < (first?.maxmemoryBytes ?? Infinity);
  const recommended = switches ? second : first;
  const [betterNow] = present ? betterPolicies(curves, present.policy, sizeOf(present)) : [];
  return {
    ...(present ? { present } : {}),
    ...(recommended ? { recommended } : {}),
    ...(betterNow ? { betterNow } : {}),
    reasons: reasonsOf(study, {
      present,
      recommended,
      asNow,
      best,
      usual,
      compared: curves.length > 1,
      byMemory: maxBytes < wholeBytes,
      reached: reachable !== undefined,
    }),
    tried,
    best,
  };
}

/** Above what all keys take, nothing is evicted. */
const ROOM = 1.1;

/** A full cache that refuses to store is no cache: where nothing or everything else is known, the usual one is compared. */
function usualPolicy(present: RedisPolicy | undefined): RedisPolicy {
  return present === undefined || present === "noeviction" ? "allkeys-lru" : present;
}

/** With all the memory that is allowed, by the times to live that may be proposed. */
function roomyOf(
  study: Study,
  maxmemoryBytes: number,
  policy: RedisPolicy,
  choose: (setting: Setting) => CacheChoice,
): readonly CacheChoice[] {
  return factorsFor(study).map((ttlFactor) => choose({ maxmemoryBytes, policy, ttlFactor }));
}

/** No limit is more than any size. */
function sizeOf({ maxmemoryBytes }: CacheChoice): number {
  return maxmemoryBytes === 0 ? Infinity : maxmemoryBytes;
}

function isOf(choice: CacheChoice, setting: Setting): boolean {
  return (
    choice.maxmemoryBytes === setting.maxmemoryBytes &&
    choice.policy === setting.policy &&
    choice.ttlFactor === setting.ttlFactor
  );
}

/** Undefined where its memory is not known. */
function presentOf(
  { question, wholeBytes }: Study,
  usual: RedisPolicy,
  choose: (setting: Setting) => CacheChoice,
): CacheChoice | undefined {
  const { maxmemoryBytes, policy = usual } = question.present ?? {};
  if (maxmemoryBytes === undefined) return undefined;
  if (maxmemoryBytes > 0) return choose({ maxmemoryBytes, policy, ttlFactor: 1 });
  const roomy = choose({ maxmemoryBytes: Math.ceil(wholeBytes * ROOM), policy, ttlFactor: 1 });
  return { ...roomy, maxmemoryBytes: 0 };
}

/** Times to live that may be proposed: those whose stale reads are known, and allowed. */
function factorsFor(study: Study): readonly number[] {
  const { question, trace, ceiling } = study;
  if (!trace.ttlMs || ceiling.misses.expired < EXPIRED_LEAST) return [1];
  const now = study.staleShareOf(1);
  if (now === undefined) return [1];
  const allowed = Math.max(now, question.staleShareMax);
  return TTL_FACTORS.filter(
    (factor) => factor === 1 || (study.staleShareOf(factor) ?? 1) <= allowed,
  );
}

export interface Better {
  readonly policy: RedisPolicy;
  readonly gain: number;
  readonly error: number;
}

/** Policies that gain more than twice the error over this one at this memory, the best first. */
function betterPolicies(
  curves: readonly PolicyCurve[],
  than: RedisPolicy,
  bytes: number,
): readonly Better[] {
  const own = curves.find(({ policy }) => policy === than);
  if (!own) return [];
  const now = at(own, bytes);
  return curves
    .filter(({ policy }) => policy !== than)
    .map((curve) => {
      const then = at(curve, bytes);
      const error = Math.max(then.error, now.error);
      return { policy: curve.policy, gain: then.hitRate - now.hitRate, error };
    })
    .filter(({ gain, error }) => gain > ERRORS_TO_SWITCH * error)
    .toSorted((a, b) => b.gain - a.gain);
}

/** Between two sizes of a curve, straight on its logarithmic axis. */
function at(
  curve: PolicyCurve,
  bytes: number,
): { readonly hitRate: number; readonly error: number } {
  const { sizes, hitRate, error } = curve;
  const above = sizes.findIndex((size) => size >= bytes);
  const last = sizes.length - 1;
  const index = above < 0 ? last : above;
  const here = { hitRate: hitRate[index] ?? 0, error: error[index] ?? 1 };
  const [lower, upper] = [sizes[index - 1], sizes[index]];
  if (above <= 0 || lower === undefined || upper === undefined) return here;
  const share = Math.log(bytes / lower) / Math.log(upper / lower);
  const below = hitRate[index - 1] ?? 0;
  return { hitRate: below + share * (here.hitRate - below), error: here.error };
}
