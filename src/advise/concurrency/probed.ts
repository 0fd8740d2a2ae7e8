/** What a phase has measured of some numeric knobs, as the search wants it, and what the search says next. */
import { changeKey } from "../../core/knob.ts";
import type { Change } from "../../core/knob.ts";
import { metricOf } from "../../core/metric.ts";
import type { MetricId } from "../../core/metric.ts";
import type { KnobReading, Past, ProbeLoad } from "../../core/observation.ts";
import type { MetricValues, Sample } from "../../core/sample.ts";
import { significant } from "../../core/units.ts";
import { valueInWords } from "./gain-words.ts";
import { nextSearchStep } from "./search.ts";
import type {
  SearchKnob,
  SearchMeasurement,
  SearchSettings,
  SearchStep,
  Values,
} from "./search.ts";

export const PRESET_WHY = "the strategy's hypothesis";

/** A knob to search, its limits within its domain. */
export interface SearchedKnob {
  readonly reading: KnobReading;
  /** Values that there is a reason for: measured first, one after another, before the search goes its own way. */
  readonly hypotheses?: readonly Hypothesis[];
  /** Where the search's own way begins; absent: a factor of 2.5 up. */
  readonly first?: number;
  readonly min?: number;
  readonly max?: number;
}

export interface Hypothesis {
  readonly value: number;
  readonly why: string;
}

export interface ProbedQuestion {
  readonly knobs: readonly SearchedKnob[];
  readonly objective: MetricId;
  /** Of the observed window, which is the present setting's own measurement; empty when it was invalid. */
  readonly metrics: MetricValues;
  readonly history: readonly Past[];
  /** Of the phase's objective, see `Ask`. */
  readonly noiseFloor: number;
  /** Single windows beside the observed one. */
  readonly probesMax: number;
  /** Trials that the phase may have in all: with a single one time is short, and the search is. */
  readonly candidatesMax: number;
  /** Whether a setting that measured this may be chosen at all; all may when absent. */
  readonly acceptable?: (metrics: MetricValues) => boolean;
}

export interface Probed {
  readonly step: SearchStep;
  readonly measured: readonly SearchMeasurement[];
  /** A gain up to this is none. */
  readonly noiseFloor: number;
}

/** Of the present value: the least gain that a search takes seriously, as in the ladder. */
const GAIN_LEAST = 0.02;
const PROBES_IN_SHORT = 2;

/** The next step of the search over the present setting and every probe of these knobs under the run's own load. */
export function searchProbed(question: ProbedQuestion): Probed {
  const { better, compare } = metricOf(question.objective);
  const noiseFloor = leastGainOf(question);
  const knobs = question.knobs.flatMap((each) => searchKnobOf(each) ?? []);
  const all = measurementsOf(question);
  const measured = all.filter(({ values }) => knobs.every((knob) => isWithin(knob, values)));
  // What lies outside the limits by now was paid for all the same.
  const allowed =
    question.candidatesMax > 1 ? question.probesMax : Math.min(question.probesMax, PROBES_IN_SHORT);
  const probesMax = allowed - (all.length - measured.length);
  const settings = { knobs, better, compare, noiseFloor, probesMax };
  const step = nextStep(settings, measured);
  const isOpen = step.kind !== "unmeasurable" && measured.length - 1 < probesMax;
  return {
    step: (isOpen && nextHypothesis(question, knobs, measured)) || step,
    measured,
    noiseFloor,
  };
}

/**
 * The search may ask for the present setting again, which looks like a cliff from the others. A tuner's probe is a change, so that it is
 * taken at its word instead: as if a second window had shown the same.
 */
function nextStep(settings: SearchSettings, measured: readonly SearchMeasurement[]): SearchStep {
  const step = nextSearchStep(settings, measured);
  const [present] = measured;
  if (step.kind !== "probe" || !present) return step;
  const isPresent = settings.knobs.every(({ id, start }) => (step.values[id] ?? start) === start);
  if (!isPresent) return step;
  const probesMax = settings.probesMax + 1;
  return nextSearchStep({ ...settings, probesMax }, [...measured, present]);
}

/** A gain up to this is none: the noise, or a small share of the present value where there is less noise. */
export function leastGainOf({
  objective,
  metrics,
  noiseFloor,
}: Pick<ProbedQuestion, "objective" | "metrics" | "noiseFloor">): number {
  // A difference is in the metric's own unit: 0.02 would be nothing of seconds, and all of a share of 2 %.
  const unit = metricOf(objective).compare === "ratio" ? 1 : Math.abs(metrics[objective] ?? 1);
  return Math.max(noiseFloor, GAIN_LEAST * unit);
}

/** The first hypothesis that was not measured yet, alone. */
function nextHypothesis(
  { knobs }: ProbedQuestion,
  limits: readonly SearchKnob[],
  measured: readonly SearchMeasurement[],
): SearchStep | undefined {
  for (const { reading, hypotheses = [] } of knobs) {
    const { id } = reading.knob;
    const knob = limits.find((each) => each.id === id);
    if (!knob) continue;
    for (const { value: wanted, why } of hypotheses) {
      const value = Math.min(knob.max, Math.max(knob.min, Math.round(wanted)));
      if (measured.some(({ values }) => values[id] === value)) continue;
      return { kind: "probe", values: { [id]: value }, why };
    }
  }
  return undefined;
}

/** Undefined for a knob without a number. */
function searchKnobOf(searched: SearchedKnob): SearchKnob | undefined {
  const { reading } = searched;
  const { domain, id } = reading.knob;
  if (typeof reading.value !== "number" || domain.kind === "enum" || domain.kind === "bool") {
    return undefined;
  }
  const start = reading.value;
  const min = Math.min(start, Math.max(domain.min, searched.min ?? domain.min));
  const max = Math.max(start, Math.min(domain.max, searched.max ?? domain.max));
  const { first } = searched;
  const isInside = first !== undefined && first >= min && first <= max;
  return { id, start, min, max, ...(isInside ? { first } : {}) };
}

function isWithin(knob: SearchKnob, values: Values): boolean {
  const value = values[knob.id] ?? knob.start;
  return value >= knob.min && value <= knob.max;
}

function measurementsOf(question: ProbedQuestion): readonly SearchMeasurement[] {
  const { knobs, objective, history, metrics } = question;
  const present: Values = Object.fromEntries(
    knobs.flatMap(({ reading: { knob, value } }) =>
      typeof value === "number" ? [[knob.id, value]] : [],
    ),
  );
  const probes = history.flatMap((past): readonly SearchMeasurement[] => {
    if (past.kind !== "probe" || past.load !== undefined) return [];
    const searched = numbersOf(past.changes, present);
    if (Object.keys(searched).length === 0) return [];
    return [{ values: { ...present, ...searched }, metric: metricIn(past.sample, question) }];
  });
  return [{ values: present, metric: metrics[objective] }, ...probes];
}

function numbersOf(changes: readonly Change[], present: Values): Values {
  return Object.fromEntries(
    changes.flatMap((change) =>
      change.kind === "set-knob" &&
      change.knob in present &&
      typeof change.to === "number" &&
      Number.isFinite(change.to)
        ? [[change.knob, change.to]]
        : [],
    ),
  );
}

function metricIn(sample: Sample, question: ProbedQuestion): number | undefined {
  if (!sample.valid) return undefined;
  if (question.acceptable?.(sample.metrics) === false) return undefined;
  return sample.metrics[question.objective];
}

/** `single windows, job latency p95 by workers: 4: 210 ms, 8: 180 ms, 20: not usable`, of one knob. */
export function probedInWords(
  { measured }: Pick<Probed, "measured">,
  objective: MetricId,
  knob: string,
  what: string,
): string {
  const list = measured.map(({ values, metric }) => {
    const value = significantWhole(values[knob] ?? Number.NaN);
    return `${value}: ${metric === undefined ? "not usable" : valueInWords(objective, metric)}`;
  });
  return `single windows, ${metricOf(objective).title} by ${what}: ${list.join(", ")}`;
}

function significantWhole(value: number): string {
  return Number.isInteger(value) ? String(value) : significant(value);
}

/** The last probe of exactly these changes under this load. */
export function probeUnder(
  history: readonly Past[],
  changes: readonly Change[],
  load: ProbeLoad,
): Sample | undefined {
  const wanted = keyOf(changes);
  return history.findLast(
    (past): past is Extract<Past, { kind: "probe" }> =>
      past.kind === "probe" && isSameLoad(past.load, load) && keyOf(past.changes) === wanted,
  )?.sample;
}

function isSameLoad(a: ProbeLoad | undefined, b: ProbeLoad): boolean {
  if (a?.kind === "of-saturation" && b.kind === "of-saturation") return a.factor === b.factor;
  return a?.kind === "users" && b.kind === "users" && a.count === b.count;
}

function keyOf(changes: readonly Change[]): string {
  return changes
    .map(changeKey)
    .toSorted((a, b) => (a < b ? -1 : 1))
    .join("\n");
}
