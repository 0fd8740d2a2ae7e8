/** The cache advisor: a trace in, the smallest configuration that reaches the goal out, with the ceiling and what would move it. */
import type {
  CacheAdvice,
  CacheChoice,
  Mover,
  PolicyCurve,
  PrefixFacts,
} from "../../core/cache-advice.ts";
import { throwIfAborted } from "../../core/errors.ts";
import { formatRatio } from "../../core/units.ts";
import { hitCurve } from "./curve/curve.ts";
import { prefixCurves } from "./curve/prefix-curves.ts";
import { logSizes } from "./curve/log-sizes.ts";
import { memoryAdvice } from "./memory.ts";
import { paretoOf } from "./pareto.ts";
import type { CacheQuestion } from "./question.ts";
import { policyCurves } from "./redis/grid.ts";
import { recommend, type Chosen } from "./recommend.ts";
import { studyOf, type Study } from "./study.ts";
import { tiersAdvice, withFlights } from "./tiers-advice.ts";
import { coverageOf } from "./tiers/coverage.ts";
import { showsChanges } from "./tiers/gets.ts";
import { moversOf } from "./tiers/movers.ts";
import { prefixFacts } from "./tiers/prefixes.ts";
import { ttlPoints, type TtlOptions } from "./tiers/ttl.ts";
import { warmUpPoints } from "./tiers/warm-up.ts";
import { headlineOf, verdictOf } from "./words.ts";

export interface AdvisorContext {
  readonly onProgress: (line: string) => void;
  /** Lets timers and signals be served between simulations. */
  readonly pause: () => Promise<void>;
  readonly signal: AbortSignal;
}

/** Of a curve: three decades in steps of a third. */
const CURVE_SIZES = 24;
const GRID_SIZES = 12;
const PARETO_MOST = 10;
const PREFIX_CURVES_MOST = 30;
/** Above what all keys take, nothing is evicted. */
const ROOM = 1.1;
/** The smallest size of the curves, as a share of what all keys take. */
const SMALLEST_SHARE = 0.01;
const TTLS_MS = [1_000, 5_000, 30_000, 60_000, 300_000, 1_800_000, 3_600_000] as const;

/** Throws cannot-measure for a trace without gets, and interrupted. */
export async function adviseCache(
  question: CacheQuestion,
  context: AdvisorContext,
): Promise<CacheAdvice> {
  const step = async <T>(line: string, work: () => T): Promise<T> => {
    context.onProgress(line);
    await context.pause();
    throwIfAborted(context.signal);
    return work();
  };
  const study = await step("what any cache could reach", () => studyOf(question));
  const sizes = gridSizes(study);
  const policies = await step("hit rates by policy and memory", () =>
    curvesOf(study, sizes, context),
  );
  const chosen = await step("the least memory that reaches the goal", () =>
    recommend(study, policies, sizes),
  );
  const focus = chosen.recommended ?? chosen.present;
  const tiers = await step("tiers", () => tiersAdvice(study, focus));
  const ttl = await step("times to live", () =>
    ttlPoints(study.trace, study.bytes, ttlsFor(study), changesOf(question)),
  );
  const warmUp = await step("warm-up", () => warmUpPoints(study.trace, study.bytes));
  const flights = withFlights(study, focus);
  const coverage = coverageOf(study.trace, evictionAge(tiers.evictionAgeMs));
  const verdict = verdictOf(study, chosen);
  return {
    format: "perfopt-cache-advice/1",
    headline: headlineOf(study, chosen, verdict),
    verdict,
    trace: study.facts,
    coverage,
    ...(question.goal ? { goal: question.goal } : {}),
    ceiling: study.ceiling,
    movers: [
      ...policyMover(chosen),
      ...moversOf(study.trace, {
        ceiling: study.ceiling,
        goal: question.goal?.hitRate,
        ttl,
        warmUp,
        outcome: tiers.outcome,
        flights,
        staleShareMax: question.staleShareMax,
      }),
    ],
    ...(chosen.present ? { present: chosen.present } : {}),
    ...(chosen.recommended
      ? { recommended: withL1(chosen.recommended, question.present?.l1 && tiers.l1) }
      : {}),
    reasons: chosen.reasons,
    pareto: paretoOf(chosen.tried, study.facts.getsPerSecond, PARETO_MOST),
    policies,
    ...curvesByBytes(study),
    prefixes: prefixFacts(study.trace, study.bytes, tiers.outcome.byPrefix).map((prefix) =>
      withProposedTtl(prefix, chosen.recommended?.ttlFactor ?? 1),
    ),
    ttl,
    ...(tiers.advice ? { tiers: tiers.advice } : {}),
    warmUp,
    memory: memoryAdvice(study, chosen.recommended),
    ...(question.http ? { http: question.http } : {}),
    caveats: [...question.caveats, ...(question.trace.caveats ?? []), ...rowsCaveats(policies)],
  };
}

function gridSizes({ wholeBytes, emptyBytes }: Study): readonly number[] {
  const most = (wholeBytes - emptyBytes) * ROOM;
  return logSizes(most * SMALLEST_SHARE, most, GRID_SIZES).map((size) => emptyBytes + size);
}

function curvesOf(
  { question, simulated, trace }: Study,
  sizes: readonly number[],
  { pause, signal }: AdvisorContext,
): Promise<readonly PolicyCurve[]> {
  return policyCurves(trace, question.footprint, {
    policies: question.policies,
    sizes,
    setting: question.sampling,
    seeds: simulated.map(({ seed }) => seed),
    pause: async () => {
      await pause();
      throwIfAborted(signal);
    },
  });
}

function curvesByBytes({
  trace,
  bytes,
  facts,
}: Study): Pick<CacheAdvice, "curve" | "prefixCurves"> {
  const most = Math.max(1, facts.workingSetBytes);
  const sizes = logSizes(most * SMALLEST_SHARE, most, CURVE_SIZES);
  const { key, keyCount, operation, sampledShare, getsOfAll } = trace;
  const known = getsOfAll === undefined ? {} : { getsOfAll };
  const curve = hitCurve({ key, bytes, keyCount, operation, sampledShare, ...known }, sizes);
  if (trace.prefixes.length < 2) return { curve };
  const prefixes = prefixCurves(trace, bytes, sizes)
    .filter(({ gets }) => gets > 0)
    .toSorted((a, b) => b.gets - a.gets);
  return { curve, prefixCurves: prefixes.slice(0, PREFIX_CURVES_MOST) };
}

/** A time to live of 0 is none. */
const NEVER = 0;

/** Longer than the trace says nothing that "never" does not. */
function ttlsFor({ facts }: Study): readonly number[] {
  return [...TTLS_MS.filter((ttlMs) => ttlMs < facts.lengthMs), NEVER];
}

/** What was not played is extrapolated, and the bounds do not say by how much that may be wrong. */
function rowsCaveats(policies: readonly PolicyCurve[]): readonly string[] {
  const played = Math.min(1, ...policies.map(({ rowsShare }) => rowsShare ?? 1));
  if (played === 1) return [];
  return [
    `of this long trace of few keys the first ${formatRatio(played)} was simulated and the rest extrapolated from it: up to 2 points off where times to live are longer than that`,
  ];
}

/** At the memory that there is: what another policy would add to it. */
function policyMover({ betterNow, present }: Chosen): readonly Mover[] {
  if (!betterNow || !present) return [];
  const { policy, gain } = betterNow;
  const detail = `${policy} instead of ${present.policy} would add ${(gain * 100).toFixed(1)} points at the present memory, which is more than twice the simulations' error`;
  return [{ kind: "policy", gain, detail }];
}

/** The user's rate is for what the trace does not show. */
function changesOf({ changesPerKeyHour, trace }: CacheQuestion): TtlOptions {
  if (changesPerKeyHour === undefined || showsChanges(trace)) return {};
  return { changesPerKeyHour: () => changesPerKeyHour };
}

function evictionAge(ageMs: number | undefined): { readonly evictionAgeMs?: number } {
  return ageMs === undefined ? {} : { evictionAgeMs: ageMs };
}

function withProposedTtl(prefix: PrefixFacts, ttlFactor: number): PrefixFacts {
  if (ttlFactor === 1 || prefix.ttlMs === undefined) return prefix;
  return { ...prefix, ttlProposedMs: prefix.ttlMs * ttlFactor };
}

function withL1(choice: CacheChoice, l1: CacheChoice["l1"] | undefined): CacheChoice {
  return l1 ? { ...choice, l1 } : choice;
}
