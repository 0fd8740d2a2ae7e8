/** The verdict of a trial: keep what is proven to gain enough, discard what is proven not to, say so when these pairs cannot tell. */
import { metricOf, type MetricId } from "../core/metric.ts";
import type { Constraint } from "../core/persona.ts";
import type { ConstraintResult, Decision, Effect, Pair } from "../core/trial.ts";
import { judgeConstraint } from "./constraints.ts";
import { effectOf, type Margin } from "./effect.ts";
import { assertValid, distanceOfGain, gainOfDistance, gainsOf, unusableBecause } from "./gain.ts";
import { HOPE_LEAST, hopeOf } from "./curtail.ts";
import { exceeds, momentsOf, type Moments } from "./moments.ts";
import { detectableGain, POWER } from "./power.ts";
import { INTERVAL_CONFIDENCE, looksFor, type Look } from "./sequential.ts";
import { distanceInWords, effectInWords } from "./words.ts";

export interface Rule {
  readonly objective: MetricId;
  /** The least gain worth a change: a ratio distance (0.03 = 3 %) or a difference, by the objective's `compare`. */
  readonly minEffect: number;
  readonly constraints: readonly Constraint[];
  readonly pairsMax: number;
  /** Other metrics whose effects the report shows; one that some window lacks is left out. */
  readonly watch: readonly MetricId[];
}

export type Judgement =
  | { readonly kind: "continue"; readonly pairsNext: number }
  | {
      readonly kind: "decided";
      readonly decision: Decision;
      /** The objective first. */
      readonly effects: readonly Effect[];
      readonly constraints: readonly ConstraintResult[];
    };

/**
 * Judges the pairs measured so far. Between the planned looks it only says when the next one is: a verdict taken whenever
 * the numbers look good errs several times as often as it says. Throws on an invalid sample or a rule that makes no sense.
 */
export function judge(pairs: readonly Pair[], rule: Rule): Judgement {
  assertRule(rule, pairs.length);
  assertValid(pairs);
  const unusable = pairs.length >= 2 ? unusableBecause(rule.objective, pairs) : undefined;
  if (unusable !== undefined) return cannotMeasure(unusable);
  const looks = looksFor(rule.pairsMax);
  const look = looks.find((each) => each.pairs === pairs.length);
  const next = looks.find((each) => each.pairs > pairs.length);
  if (!look && next) return { kind: "continue", pairsNext: next.pairs };
  if (!look) throw new RangeError("no look is left");
  const margin = { confidence: INTERVAL_CONFIDENCE, standardErrors: look.intervalT };
  const effect = effectOf(rule.objective, pairs, margin);
  if (!effect) throw new Error("a usable metric has an effect");
  const constraints = rule.constraints.map((each) => judgeConstraint(each, pairs, margin));
  const breach =
    constraints.find(({ certain }) => certain) ?? constraints.find(({ result }) => !result.ok);
  const last = looks.at(-1) ?? look;
  const decision = decide({ rule, look, last, pairs, effect, breach });
  if (!decision) return { kind: "continue", pairsNext: next?.pairs ?? rule.pairsMax };
  return {
    kind: "decided",
    decision,
    effects: [effect, ...watchedEffects(pairs, rule, margin)],
    constraints: constraints.map(({ result }) => result),
  };
}

interface Evidence {
  readonly rule: Rule;
  readonly look: Look;
  readonly last: Look;
  readonly pairs: readonly Pair[];
  readonly effect: Effect;
  readonly breach: ReturnType<typeof judgeConstraint> | undefined;
}

/** The verdict at a look; undefined when more pairs may still tell. */
function decide({ rule, look, last, pairs, effect, breach }: Evidence): Decision | undefined {
  const moments = momentsOf(gainsOf(rule.objective, pairs));
  const minGain = gainOfDistance(rule.objective, rule.minEffect);
  const words = effectInWords(effect);
  const least = distanceInWords(rule.objective, rule.minEffect);
  const better = exceeds(moments.mean, moments, look.efficacyT);
  if (exceeds(-moments.mean, moments, look.efficacyT)) {
    return { verdict: "discard", because: "worse", effect, detail: `Proven worse: ${words}.` };
  }
  if (breach && !breach.result.ok && (breach.certain || (better && moments.mean >= minGain))) {
    const detail = `A constraint is broken: ${breach.result.detail}. Objective: ${words}.`;
    return { verdict: "discard", because: "constraint", effect, detail };
  }
  if (better && moments.mean >= minGain) {
    const detail = `Proven better, and by no less than the ${least} that a change must gain: ${words}.`;
    return { verdict: "keep", effect, detail };
  }
  if (exceeds(minGain - moments.mean, moments, look.futilityT)) {
    const detail = `A gain of ${least}, the least worth a change, is excluded: ${words}.`;
    return { verdict: "discard", because: "no-gain", effect, detail };
  }
  if (look !== last && hopeOf(moments, last) >= HOPE_LEAST) return undefined;
  return undecided(rule, moments, effect, better);
}

function undecided(rule: Rule, moments: Moments, effect: Effect, better: boolean): Decision {
  const spread = moments.standardError * Math.sqrt(moments.count);
  const gain = detectableGain(spread, rule.pairsMax);
  const detectable = distanceOfGain(rule.objective, gain);
  const least = distanceInWords(rule.objective, rule.minEffect);
  const found = better
    ? `Better, but not shown to gain the ${least} that a change must gain`
    : `Neither a gain nor the absence of one of ${least} is proven`;
  const left = rule.pairsMax - moments.count;
  const early =
    left > 0
      ? ` The ${left} pairs left had less than ${HOPE_LEAST * 100} chances in 100 to prove a gain.`
      : "";
  const detail = `${found}: ${effectInWords(effect)}.${early} With this noise ${rule.pairsMax} pairs prove a gain of ${distanceInWords(rule.objective, detectable)} in ${POWER * 100} of 100 trials.`;
  return { verdict: "inconclusive", effect, detectable, detail };
}

function watchedEffects(pairs: readonly Pair[], rule: Rule, margin: Margin): readonly Effect[] {
  return [...new Set(rule.watch)]
    .filter((metric) => metric !== rule.objective)
    .map((metric) => effectOf(metric, pairs, margin))
    .filter((effect) => effect !== undefined);
}

/** Without its objective a trial proves nothing, however many pairs follow. */
function cannotMeasure(because: string): Judgement {
  const detail = `The objective cannot be judged: ${because}.`;
  return {
    kind: "decided",
    decision: { verdict: "inconclusive", detail },
    effects: [],
    constraints: [],
  };
}

function assertRule(rule: Rule, pairs: number): void {
  if (!(rule.minEffect >= 0) || gainOfDistance(rule.objective, rule.minEffect) === Infinity) {
    throw new RangeError(
      `no ${metricOf(rule.objective).title} can gain a minimum effect of ${rule.minEffect}`,
    );
  }
  if (pairs > rule.pairsMax) {
    throw new RangeError(`${pairs} pairs were measured where at most ${rule.pairsMax} are judged`);
  }
}
