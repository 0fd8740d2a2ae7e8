/** Which of two methods is better at some settings: the other one gets a window there, and has to be better by more than the noise. */
import { leastGainOf } from "../concurrency/probed.ts";
import { changeKey } from "../../core/knob.ts";
import type { Change } from "../../core/knob.ts";
import { formatQuantity, metricOf } from "../../core/metric.ts";
import type { MetricId } from "../../core/metric.ts";
import type { KnobReading, Past } from "../../core/observation.ts";
import type { MetricValues } from "../../core/sample.ts";
import { refusalOf } from "./guard.ts";
import type { Guard } from "./guard.ts";
import { probesOf } from "./past.ts";

export interface MethodQuestion {
  readonly method: KnobReading | undefined;
  /** The method that may be better. */
  readonly wanted: string;
  readonly objective: MetricId;
  /** Of the observed window. */
  readonly metrics: MetricValues;
  readonly history: readonly Past[];
  readonly noiseFloor: number;
  readonly guard: Guard;
  /** What else differs from the present settings, where the two are not compared at those; `metrics` are then of these settings. */
  readonly beside?: readonly Change[];
}

export interface Base {
  readonly kind: "base";
  /** From the present method; none when it stays. */
  readonly changes: readonly Change[];
  readonly method: string;
  /** Of the window that the search is compared with. */
  readonly metrics: MetricValues;
  readonly facts: readonly string[];
}

/** What could not be measured gets one more window, and so does what a single one may have got by luck. */
const WINDOWS_MOST = 2;
/** A single window that is so much better needs no second one. */
const PLAIN_GAIN = 0.25;
/** Another method rides along with sizes in one trial, so that pairs do not judge it alone: it has to show more than those. */
const METHOD_GAIN_LEAST = 0.1;

export function nextMethod(
  question: MethodQuestion,
): Base | { readonly kind: "probe"; readonly changes: readonly Change[]; readonly why: string } {
  const { method, wanted, objective, metrics, history, guard, beside = [] } = question;
  const present = String(method?.value ?? "insert");
  const asItIs: Base = { kind: "base", changes: [], method: present, metrics, facts: [] };
  const domain = method?.knob.domain;
  if (!method || domain?.kind !== "enum") return asItIs;
  if (wanted === present || !domain.values.includes(wanted)) return asItIs;
  const change: Change = { kind: "set-knob", knob: method.knob.id, from: present, to: wanted };
  const tried = [change, ...beside];
  const windows = probesOf(history).filter(({ changes }) => areSame(changes, tried));
  const usable = windows.filter(({ sample }) => refusalOf(guard, sample) === undefined);
  const before = metrics[objective];
  const gains = usable.map(({ sample }) => {
    const now = sample.metrics[objective];
    return before === undefined || now === undefined ? 0 : gainBetween(objective, before, now);
  });
  const gain = gains.reduce((sum, each) => sum + each, 0) / Math.max(1, gains.length);
  const least = Math.max(leastGainOf(question), METHOD_GAIN_LEAST * unitOf(objective, before));
  const isPlain =
    gains.length > 0 && (gain <= least || gain >= PLAIN_GAIN * unitOf(objective, before));
  if (!isPlain && windows.length < WINDOWS_MOST) {
    const again =
      gains.length > 0
        ? "measured again before it is believed"
        : "not usable at first, measured once more";
    const which = windows.length > 0 ? `: ${again}` : ` at ${sizeInWords(beside)}`;
    return { kind: "probe", changes: tried, why: `${wanted} instead of ${present}${which}` };
  }
  const last = usable.at(-1);
  if (!last) {
    const refused = windows.map(({ sample }) => refusalOf(guard, sample)).find((each) => each);
    const because = `the method ${wanted} is not usable here: ${refused ?? "nothing was measured"}`;
    return { ...asItIs, facts: [because] };
  }
  const values = usable.flatMap(({ sample }) => sample.metrics[objective] ?? []);
  const mean = values.reduce((sum, each) => sum + each, 0) / Math.max(1, values.length);
  const { title, unit } = metricOf(objective);
  const quantity = (value: number | undefined) =>
    value === undefined ? "not measured" : formatQuantity(unit, value);
  const list = usable.map(({ sample }) => quantity(sample.metrics[objective])).join(", ");
  const fact = `single windows at ${sizeInWords(beside)}, ${title} by ${present}: ${quantity(before)}, by ${wanted}: ${list}`;
  return gain > least
    ? {
        kind: "base",
        changes: [change],
        method: wanted,
        metrics: { ...last.sample.metrics, [objective]: mean },
        facts: [fact],
      }
    : { ...asItIs, facts: [fact] };
}

function sizeInWords(beside: readonly Change[]): string {
  return beside.length === 0 ? "the present size" : "the size that was found";
}

function areSame(left: readonly Change[], right: readonly Change[]): boolean {
  const keys = right.map(changeKey);
  return left.length === right.length && left.every((each) => keys.includes(changeKey(each)));
}

/** What a relative change of 1 is in gains: 1 for logarithms. */
function unitOf(objective: MetricId, present: number | undefined): number {
  return metricOf(objective).compare === "ratio" ? 1 : Math.abs(present ?? 1);
}

/** A logarithm for ratios, a difference otherwise; above zero is better. */
export function gainBetween(objective: MetricId, before: number, now: number): number {
  const { better, compare } = metricOf(objective);
  const sign = better === "higher" ? 1 : -1;
  if (compare === "difference") return sign * (now - before);
  return before > 0 && now > 0 ? sign * Math.log(now / before) : Number.NEGATIVE_INFINITY;
}
