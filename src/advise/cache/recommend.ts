/** The choice among policies, times to live and sizes: the present policy unless another is clearly better, times to live as they are unless the goal needs more. */
import type { CacheChoice, PolicyCurve } from "../../core/cache-advice.ts";
import type { RedisPolicy } from "../../core/cache-curve.ts";
import { formatBytes, formatRatio } from "../../core/units.ts";
import { choiceOf, type Setting } from "./choices.ts";
import { smallestThat } from "./smallest.ts";
import type { Study } from "./study.ts";

export interface Chosen {
  readonly present?: CacheChoice;
  readonly recommended?: CacheChoice;
  readonly reasons: readonly string[];
  /** Every configuration that was simulated on the way. */
  readonly tried: readonly CacheChoice[];
  /** The most that was reached with any memory and any time to live that may be proposed. */
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
  const maxBytes = Math.min(question.memoryMaxBytes ?? Infinity, Math.ceil(wholeBytes * 1.1));
  const usual = question.present?.policy ?? "allkeys-lru";
  const present = presentOf(study, usual, choose);
  const factors = factorsFor(study);
  const roomy = factors.map((ttlFactor) =>
    choose({ maxmemoryBytes: maxBytes, policy: usual, ttlFactor }),
  );
  const best = roomy.reduce((most, each) => (each.hitRate > most.hitRate ? each : most));
  const asNow = roomy[0] ?? best;
  const wanted = question.goal?.hitRate;
  const reaches = (choice: CacheChoice): boolean =>
    wanted === undefined || best.low < wanted
      ? choice.hitRate >= asNow.hitRate - KNEE
      : choice.low >= wanted;
  const search = { sizes, stepBytes: question.memoryStepBytes, maxBytes, reaches, choose };
  const ttlFactor =
    wanted === undefined || best.low < wanted
      ? 1
      : (factors.find((_, index) => (roomy[index]?.low ?? 0) >= wanted) ?? 1);
  const byUsual = smallestThat(search, { policy: usual, ttlFactor });
  const other = betterPolicy(curves, usual, byUsual?.maxmemoryBytes ?? maxBytes);
  const byOther = other && smallestThat(search, { policy: other.policy, ttlFactor });
  const switches = byOther && byOther.maxmemoryBytes < (byUsual?.maxmemoryBytes ?? Infinity);
  const recommended = switches ? byOther : byUsual;
  return {
    ...(present ? { present } : {}),
    ...(recommended ? { recommended } : {}),
    reasons: [
      ...sizeReasons(study, recommended, present),
      switches && other
        ? `${other.policy} instead of ${usual}: ${points(other.gain)} more at the same memory, and the error is ${points(other.error)}`
        : policyReason(curves, usual, other),
      ...ttlReasons(study, recommended, asNow, best),
    ],
    tried,
    best,
  };
}

function isOf(choice: CacheChoice, setting: Setting): boolean {
  return (
    choice.maxmemoryBytes === setting.maxmemoryBytes &&
    choice.policy === setting.policy &&
    choice.ttlFactor === setting.ttlFactor
  );
}

function presentOf(
  { question, wholeBytes }: Study,
  policy: RedisPolicy,
  choose: (setting: Setting) => CacheChoice,
): CacheChoice | undefined {
  const { present } = question;
  if (!present) return undefined;
  // Without a limit Redis holds everything; that is as much as the trace can fill.
  const maxmemoryBytes = present.maxmemoryBytes ?? Math.ceil(wholeBytes * 1.1);
  return choose({ maxmemoryBytes, policy, ttlFactor: 1 });
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

interface Better {
  readonly policy: RedisPolicy;
  readonly gain: number;
  readonly error: number;
}

/** The policy that gains most over `usual` at this memory, when that is more than twice the error. */
function betterPolicy(
  curves: readonly PolicyCurve[],
  usual: RedisPolicy,
  bytes: number,
): Better | undefined {
  const own = curves.find(({ policy }) => policy === usual);
  if (!own) return undefined;
  const now = at(own, bytes);
  const found = curves
    .filter(({ policy }) => policy !== usual)
    .map((curve) => {
      const then = at(curve, bytes);
      return {
        policy: curve.policy,
        gain: then.hitRate - now.hitRate,
        error: Math.max(then.error, now.error),
      };
    })
    .toSorted((a, b) => b.gain - a.gain)[0];
  return found && found.gain > ERRORS_TO_SWITCH * found.error ? found : undefined;
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

function sizeReasons(
  { question, simulated }: Study,
  recommended: CacheChoice | undefined,
  present: CacheChoice | undefined,
): readonly string[] {
  if (!recommended) return [];
  const { hitRate, low, maxmemoryBytes } = recommended;
  const size = formatBytes(maxmemoryBytes);
  const wanted = question.goal?.hitRate;
  const predicted = `${formatRatio(hitRate)}, at least ${formatRatio(low)}, over ${simulated.length} simulations`;
  const why =
    wanted !== undefined && low >= wanted
      ? `${size} is the least whose lower bound reaches ${formatRatio(wanted)} (${predicted})`
      : `${size} is the least that is within ${points(KNEE)} of unlimited memory (${predicted})`;
  if (!present || present.maxmemoryBytes <= maxmemoryBytes) return [why];
  const spared = formatBytes(present.maxmemoryBytes - maxmemoryBytes);
  return [
    why,
    `${spared} of the present ${formatBytes(present.maxmemoryBytes)} add nothing to that`,
  ];
}

function policyReason(
  curves: readonly PolicyCurve[],
  usual: RedisPolicy,
  other: Better | undefined,
): string {
  if (curves.length < 2) return `${usual}: no other policy was asked for`;
  return other
    ? `${usual} stays: ${other.policy} would hit more at some sizes, but saves no memory for what is wanted`
    : `${usual} stays: no other policy gains more than twice the error of the simulation`;
}

function ttlReasons(
  study: Study,
  recommended: CacheChoice | undefined,
  asNow: CacheChoice,
  best: CacheChoice,
): readonly string[] {
  if (recommended && recommended.ttlFactor > 1) {
    const stale = study.staleShareOf(recommended.ttlFactor) ?? 0;
    return [
      `times to live ${recommended.ttlFactor} times as long: with those of now at most ${formatRatio(asNow.hitRate)} can be reached; ${formatRatio(stale)} of the answers would be out of date`,
    ];
  }
  if (best.ttlFactor > 1 && best.hitRate - asNow.hitRate > KNEE) {
    return [
      `times to live stay: ${best.ttlFactor} times as long they would add ${points(best.hitRate - asNow.hitRate)}, which is not needed`,
    ];
  }
  return [];
}

function points(share: number): string {
  return `${(share * 100).toFixed(1)} points`;
}
