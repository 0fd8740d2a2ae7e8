/** The bound of a queue with its reasons: what it follows from, what the preset would mean, what overload showed. */
import type { MetricId } from "../../../core/metric.ts";
import type { MetricValues } from "../../../core/sample.ts";
import { formatDuration, significant } from "../../../core/units.ts";
import { countOf } from "../gain-words.ts";
import { boundOf, presetInWords, serviceRateOf, waitAtMs } from "./bound.ts";
import type { Crew, ServiceRate } from "./bound.ts";
import { compareOverload, overloadInWords } from "./overload.ts";
import type { Comparison, Overload } from "./overload.ts";

export interface BoundQuestion {
  /** Overload with the present bound, and with the derived one as soon as that was measured. */
  readonly before: Overload;
  readonly after: Overload | undefined;
  readonly crew: Crew;
  readonly present: number;
  readonly preset: number;
  readonly waitTargetMs: number;
  /** Of a window at the run's load. */
  readonly usual: MetricValues;
  readonly objective: MetricId;
}

export interface BoundAdvice {
  /** Undefined when nothing says how much the workers get done. */
  readonly bound: number | undefined;
  /** Far enough from the present one to be worth a change. */
  readonly differs: boolean;
  /** Far enough from the present one, and from a rate that was measured while jobs waited: only then it may be applied. */
  readonly proven: boolean;
  /** Under overload, with it against without; undefined before that was measured. Applied only where it is no worse. */
  readonly compared: Comparison | undefined;
  /** The run's own load fills the queue, and the objective would show what the bound does. */
  readonly felt: boolean;
  readonly facts: readonly string[];
}

/** Nearer than this, the rate's own noise is larger than the difference. */
const DIFFERENCE_LEAST = 0.2;
/** A queue that was this full at the run's load meets its bound. */
const FULL_SHARE = 0.9;
/** Beyond what a bound that does not differ can be from the target, but for one that is as small as can be. */
const FAR_TIMES = 1.5;
/** Of the jobs done at the run's load: below it, requests take the jobs' time under overload. */
const STARVED_SHARE = 0.5;
/** What a lower bound makes better, and what a higher one does. */
const SHOWN_BY_LESS: readonly MetricId[] = [
  "queue.latencyP95Ms",
  "queue.waitP95Ms",
  "queue.waitLowP95Ms",
  "queue.waitNormalP95Ms",
  "queue.waitHighP95Ms",
];
const SHOWN_BY_MORE: readonly MetricId[] = [
  "queue.rejectRatio",
  "api.errorRate",
  "api.goodputPerSecond",
];

export function boundAdvice(question: BoundQuestion): BoundAdvice {
  const { before, after, crew, present, waitTargetMs } = question;
  const rate = serviceRateOf(before, crew);
  const twice = `at twice the capacity, room for ${present}: ${overloadInWords(before)}`;
  if (!rate) {
    const because = "no bound of the queue follows, since no job was done under overload";
    return {
      bound: undefined,
      differs: false,
      proven: false,
      compared: undefined,
      felt: false,
      facts: [because, twice],
    };
  }
  const bound = boundOf(rate, waitTargetMs);
  const differs = Math.abs(bound - present) > present * DIFFERENCE_LEAST;
  const compared = after && compareOverload(before, after, waitTargetMs);
  const judged = { rate, bound, differs, compared, felt: isFelt(question, bound) };
  const facts = [
    `bound of the queue: ${formatDuration(waitTargetMs)} of waiting times ${significant(rate.jobsPerSecond)} jobs/s (${rate.how}) is ${countOf(bound, "job")}`,
    ...starvedInWords(question),
    presetInWords(question.preset, rate, waitTargetMs),
    presentInWords(question, judged),
    twice,
    ...(after ? [`with room for ${bound}: ${overloadInWords(after)}`] : []),
    ...(differs ? [consequence(question, judged)] : []),
  ];
  const proven = differs && rate.kind === "measured";
  return { bound, differs, proven, compared, felt: judged.felt, facts };
}

interface Judged {
  readonly rate: ServiceRate;
  readonly bound: number;
  readonly differs: boolean;
  readonly compared: Comparison | undefined;
  readonly felt: boolean;
}

function isFelt({ present, usual, objective }: BoundQuestion, bound: number): boolean {
  const deepest = usual["queue.depthMax"] ?? 0;
  const refused = usual["queue.rejectRatio"] ?? 0;
  return bound < present
    ? SHOWN_BY_LESS.includes(objective) && deepest >= bound * FULL_SHARE
    : SHOWN_BY_MORE.includes(objective) && refused > 0;
}

function presentInWords(
  { before, present, waitTargetMs }: BoundQuestion,
  { rate, bound, differs }: Judged,
): string {
  const most = { measured: "up to ", "at-least": "at most ", "at-most": "at least " }[rate.kind];
  const waitMs = waitAtMs(present, rate);
  const meaning = `the present bound of ${present} means a wait of ${most}${formatDuration(waitMs)}`;
  if (rate.kind !== "measured") return meaning;
  const target = formatDuration(waitTargetMs);
  if (formatDuration(waitMs) === target) return `${meaning}: as it should be`;
  if (!differs) {
    return waitMs > FAR_TIMES * waitTargetMs
      ? `${meaning}: more than the ${target} that a job may wait, but a queue cannot be shorter`
      : `${meaning}: as near to the ${target} that a job may wait as the rate is known`;
  }
  if (bound < present) {
    return `${meaning}, more than the ${formatDuration(waitTargetMs)} that a job may wait`;
  }
  const are = (before.rejectRatio ?? 0) > 0 ? "are" : "would be";
  return `${meaning}: jobs ${are} refused that could have been done in time`;
}

/** More load, fewer jobs: it is not the queue that is too long then, and its bound follows from a rate that less overload would raise. */
function starvedInWords({ before, usual }: BoundQuestion): readonly string[] {
  const [under, at] = [before.jobsPerSecond, usual["queue.jobsPerSecond"]];
  if (under === undefined || at === undefined || under >= STARVED_SHARE * at) return [];
  return [
    `at the run's load ${significant(at)} jobs/s were done: under overload something else takes the workers' time, which letting fewer requests in may mend, and no bound of the queue can`,
  ];
}

/** Why the bound is not simply tried in pairs, where it is not. */
function consequence(
  { present, usual }: BoundQuestion,
  { rate, bound, compared, felt }: Judged,
): string {
  if (rate.kind !== "measured") {
    return `a bound from a rate that was not measured while all workers were busy is advised at most, never applied: it stays ${present}`;
  }
  if (compared && compared.kind !== "not-worse") {
    const what = compared.kind === "worse" ? "was worse" : "could not be compared";
    return `twice the capacity with room for ${bound} ${what} (${compared.because}): the bound stays ${present}`;
  }
  if (felt) return "the queue is as full as that at the run's load, so that pairs can show it";
  const deepest = usual["queue.depthMax"];
  const most = deepest === undefined ? "" : ` (${countOf(deepest, "job")} waited at most)`;
  return `a bound does nothing before the queue is full, which it is not at the run's load${most}: alone it is advised, not applied, since pairs there could not show what it does`;
}
