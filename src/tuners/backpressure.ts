/** Backpressure: searches how many requests may be under way at once, so that at more than the service can do some are answered in time. */
import {
  byLimit,
  chooseLimit,
  isUsable,
  largerLimit,
  leastGain,
} from "../advise/concurrency/admission/choose.ts";
import type { LimitWindow, MeasuredLimit } from "../advise/concurrency/admission/choose.ts";
import { limitRange, rangeInWords } from "../advise/concurrency/admission/little.ts";
import type { Demand, LimitRange } from "../advise/concurrency/admission/little.ts";
import { limitInWords, limitsInWords } from "../advise/concurrency/admission/words.ts";
import { gainInWords } from "../advise/concurrency/gain-words.ts";
import { PRESET_WHY, searchProbed } from "../advise/concurrency/probed.ts";
import type { Hypothesis } from "../advise/concurrency/probed.ts";
import type { OverloadPlan } from "../core/capacity.ts";
import { metricOf } from "../core/metric.ts";
import { knobByRole } from "../core/observation.ts";
import type { Ask, KnobReading, Past, Step, TargetView } from "../core/observation.ts";
import type { MetricValues } from "../core/sample.ts";
import { formatDuration, formatRatio, significant } from "../core/units.ts";
import { done, erase, numberOf, numberSetting, propose, setKnob, trialsOf } from "./tuner.ts";

export interface BackpressureObservation {
  readonly limit: KnobReading | undefined;
  readonly processes: number;
  /** Of the observed window of overload; empty when it was invalid. */
  readonly metrics: MetricValues;
  readonly invalidBecause: readonly string[];
  /** Offered to the observed window. */
  readonly requestsPerSecond: number;
  readonly cores: number;
}

const ROLE = "requests-in-flight";
const OBJECTIVE = "api.goodRatio";
const PROBES_MAX = 5;
/** With a single candidate time is short. */
const PROBES_IN_SHORT = 2;
/** From one rung to the next: tuning.md 1.5. */
const FACTOR = 2.5;
/** Of the saturation rate: from here on a limit has nothing to gain that pairs could show. */
const ENOUGH = 0.9;
const ATTEMPTS_MAX = 2;
const SAME_LIMIT_SHARE = 0.02;

export const backpressure = erase<BackpressureObservation>({
  id: "backpressure",
  title: "Backpressure",
  rationale:
    "When more requests come than the service can do, all of them wait longer and longer until none is answered in time. A limit of those under " +
    "way helps: the rest is refused at once, for little work, and the admitted ones are answered in time. It cannot help at a load that the " +
    "service can do, where it is never reached, and a limit below what the service needs to be busy wastes what it could do.",
  roles: [ROLE],
  observe: (view) => Promise.resolve(observe(view)),
  next,
});

function observe(view: TargetView): BackpressureObservation {
  const { sample } = view;
  return {
    limit: knobByRole(view, ROLE),
    processes: numberOf(knobByRole(view, "processes")?.value) ?? 1,
    metrics: sample.valid ? sample.metrics : {},
    invalidBecause: sample.invalidBecause,
    requestsPerSecond: sample.load.requestsPerSecondTarget,
    cores: view.machine.cores,
  };
}

/** All that the steps are decided by. */
interface Study {
  readonly ask: Ask<BackpressureObservation>;
  readonly limit: KnobReading;
  readonly present: number;
  /** Good answers in time of all requests, with the present limit. */
  readonly presentRatio: number;
  readonly overload: OverloadPlan;
  readonly demand: Demand;
  readonly range: LimitRange;
  /** The observed one first. */
  readonly windows: readonly LimitWindow[];
  readonly limits: readonly MeasuredLimit[];
  /** A gain up to this is none. */
  readonly noise: number;
}

function next(ask: Ask<BackpressureObservation>): Step {
  const study = studyOf(ask);
  if (typeof study === "string") return done(study);
  const trials = trialsOf(ask.history);
  const last = trials.at(-1);
  if (last) return afterTrial(study, last);
  const { presentRatio, overload, windows } = study;
  if (presentRatio * overload.factor >= ENOUGH) {
    const facts = limitInWords(study.present, windows);
    return done(
      `at ${overload.factor} times what it can do the service already answers ${ofSaturation(study, presentRatio)} in time: nothing to gain by another limit${facts === undefined ? "" : `. ${facts}`}`,
    );
  }
  return searched(study);
}

/** Or why there is nothing to search. */
function studyOf(ask: Ask<BackpressureObservation>): Study | string {
  const { observation, strategy, history, noiseFloor } = ask;
  const { limit, metrics, requestsPerSecond, processes, cores } = observation;
  const { overload } = strategy;
  const present = numberOf(limit?.value);
  if (!limit || limit.knob.domain.kind !== "int" || present === undefined) {
    return `the target has no knob for how many requests may be under way at once (role ${ROLE})`;
  }
  if (overload?.withinMs === undefined) {
    return `the strategy has no overload, and at a load that the service can do no limit is reached: write "overload: { factor: 2, window: 4s, within: 500ms }" and "objective: ${OBJECTIVE}" into the persona's strategy`;
  }
  if (strategy.objective !== OBJECTIVE) {
    return `a limit is decided by ${OBJECTIVE}, since ${metricOf(strategy.objective).title} does not say how many are answered in time: write "objective: ${OBJECTIVE}" into the persona's strategy`;
  }
  const presentRatio = metrics[OBJECTIVE];
  if (presentRatio === undefined) {
    const why = observation.invalidBecause.join("; ");
    return `${metricOf(OBJECTIVE).title} was not measured in the observed window${why === "" ? "" : `: ${why}`}`;
  }
  const demand = {
    // What was offered is the factor times that, in requests also where arrivals are sessions.
    saturationPerSecond: requestsPerSecond / overload.factor,
    withinMs: overload.withinMs,
    processes,
    cores,
    domain: limit.knob.domain,
  };
  const windows = [{ limit: present, metrics }, ...windowsOf(history, limit)];
  return {
    ask,
    limit,
    present,
    presentRatio,
    overload,
    demand,
    range: limitRange(demand),
    windows,
    limits: byLimit(windows),
    noise: leastGain(noiseFloor, overload),
  };
}

function windowsOf(history: readonly Past[], { knob }: KnobReading): readonly LimitWindow[] {
  return history.flatMap((past) => {
    const limit = past.kind === "probe" ? probedLimit(past, knob.id) : undefined;
    if (past.kind !== "probe" || limit === undefined) return [];
    return [{ limit, metrics: past.sample.valid ? past.sample.metrics : {} }];
  });
}

function probedLimit(past: Extract<Past, { kind: "probe" }>, knob: string): number | undefined {
  for (const change of past.changes) {
    if (change.kind === "set-knob" && change.knob === knob) return numberOf(change.to);
  }
  return undefined;
}

/** The hypothesis, a rung below and above it, what the search makes of these, and the chosen one once more. */
function searched(study: Study): Step {
  const { ask, present, range, windows, noise, limits } = study;
  const left = probesOf(ask) - (windows.length - 1);
  const centre = centreOf(study);
  const ofCentre = windows.filter(({ limit }) => limit === centre);
  const centreRatio = limits.find(({ limit }) => limit === centre)?.goodRatio;
  if (centreRatio === undefined) {
    if (left <= 0 || ofCentre.length >= ATTEMPTS_MAX) {
      return done(
        `a limit of ${centre} could not be measured. ${rangeInWords(study.demand, range)}`,
      );
    }
    return probe(study, centre, littleWhy(study));
  }
  const step = searchStep(study, centre, centreRatio);
  if (left > 0 && step.kind === "probe") {
    const wanted = step.values[study.limit.knob.id];
    if (wanted !== undefined && wanted !== present && !isBesideMeasured(limits, wanted))
      return probe(study, wanted, step.why);
  }
  const chosen = chooseLimit(
    limits.filter(({ limit }) => isInRange(study, limit)),
    {
      hypothesis: range.hypothesis,
      goodRatioMost: study.presentRatio + noise,
      tolerance: noise,
    },
  );
  if (!chosen) return done(nothingBetter(study));
  if (left > 0 && chosen.windows < ATTEMPTS_MAX && !isShort(ask)) {
    return probe(study, chosen.limit, "the best so far: measured again before it is believed");
  }
  return candidate(study, chosen.limit);
}

/** Not worth a window: a hypothesis and a rung of the search may be rounded to neighbours. */
function isBesideMeasured(limits: readonly MeasuredLimit[], wanted: number): boolean {
  return limits.some(
    ({ limit }) => limit !== wanted && Math.abs(limit / wanted - 1) < SAME_LIMIT_SHARE,
  );
}

/** The present limit where it is one; "no limit" is no rung that a curve could be drawn through, so that the hypothesis takes its place. */
function centreOf({ present, range }: Study): number {
  return present >= range.least && present <= range.most ? present : range.hypothesis;
}

function isInRange({ range }: Study, limit: number): boolean {
  return limit >= range.least && limit <= range.most;
}

/** The shared search about the centre, whose windows are its start. */
function searchStep(study: Study, centre: number, centreRatio: number) {
  const { ask, limit, range, noise, present } = study;
  const ofCentre = ask.history.filter(
    (past) => past.kind === "probe" && probedLimit(past, limit.knob.id) === centre,
  );
  const spent = centre === present ? 0 : ofCentre.length;
  return searchProbed({
    knobs: [
      {
        reading: { ...limit, value: centre },
        hypotheses: hypothesesOf(study),
        min: range.least,
        max: range.most,
      },
    ],
    objective: OBJECTIVE,
    metrics: { [OBJECTIVE]: centreRatio },
    history: ask.history.filter((past) => !ofCentre.includes(past)),
    noiseFloor: noise,
    // One is left for the chosen limit's second window.
    probesMax: probesOf(ask) - spent - (isShort(ask) ? 0 : 1),
    candidatesMax: ask.candidatesMax,
  }).step;
}

function hypothesesOf(study: Study): readonly Hypothesis[] {
  const { ask, range } = study;
  const setting = numberSetting(ask.strategy, ROLE);
  return [
    { value: range.hypothesis, why: littleWhy(study) },
    ...(setting === undefined ? [] : [{ value: setting, why: PRESET_WHY }]),
    {
      value: Math.max(range.least, range.hypothesis / FACTOR),
      why: `one rung below ${range.hypothesis}`,
    },
    {
      value: Math.min(range.most, range.hypothesis * FACTOR),
      why: `one rung above ${range.hypothesis}, or the most that could be answered in time`,
    },
  ];
}

function littleWhy({ range, overload }: Study): string {
  return `by Little's law ${range.hypothesis} can be under way and be answered within a quarter of ${formatDuration(overload.withinMs ?? 0)}`;
}

function isShort({ candidatesMax }: Ask<BackpressureObservation>): boolean {
  return candidatesMax <= 1;
}

function probesOf(ask: Ask<BackpressureObservation>): number {
  const most = numberSetting(ask.strategy, "probesMax") ?? PROBES_MAX;
  return isShort(ask) ? Math.min(most, PROBES_IN_SHORT) : most;
}

function probe({ limit, present }: Study, value: number, why: string): Step {
  const change = setKnob(limit, value);
  if (!change) return done(`the limit of requests under way cannot be changed from ${present}`);
  const what = `at most ${String(change.to)} requests under way`;
  return { kind: "probe", changes: [change], why: `${what}: ${why}` };
}

function candidate(study: Study, to: number): Step {
  const { ask, limit, present } = study;
  const change = setKnob(limit, to);
  if (!change || trialsOf(ask.history).length >= ask.candidatesMax) {
    return done(
      `a limit of ${to} was not decided: no trial is left. ${factsOf(study, to).join("; ")}`,
    );
  }
  return propose("backpressure", ask.history, {
    hypothesis: `at most ${to} instead of ${present} requests under way make ${metricOf(OBJECTIVE).title} better`,
    changes: [change],
    evidence: factsOf(study, to),
  });
}

/** Where a constraint was broken at the usual load, refusals there may be why: one larger limit that was measured better gets a trial. */
function afterTrial(study: Study, last: Extract<Past, { kind: "trial" }>): Step {
  const { ask, limit, presentRatio, noise, limits } = study;
  const { decision } = last;
  if (decision.verdict === "keep") return done(`kept: ${last.candidate.hypothesis}`);
  const tried = last.candidate.changes.flatMap((change) =>
    change.kind === "set-knob" && change.knob === limit.knob.id
      ? [numberOf(change.to) ?? Number.NaN]
      : [],
  )[0];
  const failed = `a limit of ${tried ?? "another size"} did not hold in pairs: ${decision.detail}`;
  const isCostly = decision.verdict === "discard" && decision.because === "constraint";
  if (!isCostly || tried === undefined) return done(`${failed}. ${limitsInWords(limits)}`);
  const trials = trialsOf(ask.history).length;
  if (trials > 1 || trials >= ask.candidatesMax)
    return done(`${failed}. No trial of another limit is left`);
  const inRange = limits.filter(
    (each) => each.limit !== study.present && isInRange(study, each.limit),
  );
  const larger = largerLimit(inRange, tried, presentRatio + noise);
  return larger
    ? candidate(study, larger.limit)
    : done(
        `${failed}. No larger limit was measured better than the present one. ${limitsInWords(limits)}`,
      );
}

function factsOf(study: Study, to: number): readonly string[] {
  const { present, presentRatio, limits, windows, demand, range, noise } = study;
  const chosen = limits.filter(isUsable).find(({ limit }) => limit === to);
  return [
    rangeInWords(demand, range),
    limitsInWords(limits),
    `${present}: ${ofSaturation(study, presentRatio)} answered in time${chosen ? `; ${to}: ${ofSaturation(study, chosen.goodRatio)} were` : ""}`,
    `differences up to ${gainInWords(OBJECTIVE, noise)} were not taken for a gain`,
    limitInWords(present, windows),
    limitInWords(to, windows),
  ].filter((fact) => fact !== undefined);
}

function nothingBetter(study: Study): string {
  const { present, noise, demand, range, limits, windows } = study;
  const facts = limitInWords(present, windows);
  return [
    `no limit was better than ${present} by more than one short pause of the service makes (${gainInWords(OBJECTIVE, noise)}). ${limitsInWords(limits)}`,
    ...(facts === undefined ? [] : [facts]),
    rangeInWords(demand, range),
  ].join("; ");
}

/** `310/s, 87.0 % of the 356/s that it can do,`. */
function ofSaturation({ demand, overload }: Study, goodRatio: number): string {
  const rate = demand.saturationPerSecond;
  const share = goodRatio * overload.factor;
  return `${significant(share * rate)}/s, ${formatRatio(share)} of the ${significant(rate)}/s that it can do,`;
}
