/** One knob for which a few values have a reason: each is measured in a single window, and the best is worth a trial or none is. */
import { PRESET_WHY, searchProbed } from "../concurrency/probed.ts";
import type { Hypothesis } from "../concurrency/probed.ts";
import { domainError } from "../../core/knob.ts";
import type { MetricId } from "../../core/metric.ts";
import type { KnobReading, Past } from "../../core/observation.ts";
import type { MetricValues } from "../../core/sample.ts";
import { formatRatio } from "../../core/units.ts";
import { chooseOf } from "./choice.ts";
import { costOf, refusalOf } from "./guard.ts";
import type { Guard } from "./guard.ts";
import { probesOf, turns } from "./past.ts";
import { windowsInWords } from "./words.ts";

export interface SingleQuestion {
  readonly reading: KnobReading;
  /** The most promising first; what lies outside of the domain, or is the present value, is left out. */
  readonly hypotheses: readonly Hypothesis[];
  readonly objective: MetricId;
  readonly metrics: MetricValues;
  readonly history: readonly Past[];
  readonly noiseFloor: number;
  readonly candidatesMax: number;
  readonly guard: Guard;
  /** Beside the guard's: why what was measured may not be chosen. */
  readonly refuse?: (metrics: MetricValues) => string | undefined;
}

export type SingleStep =
  | { readonly kind: "probe"; readonly value: number; readonly why: string }
  /** Better than the present value by more than the noise. */
  | { readonly kind: "better"; readonly value: number; readonly words: string }
  /** One sentence, with every window. */
  | { readonly kind: "none"; readonly because: string };

export function nextSingle(question: SingleQuestion): SingleStep {
  const { reading, objective, metrics, guard } = question;
  const { id, domain } = reading.knob;
  const present = Number(reading.value);
  const hypotheses = question.hypotheses.filter(
    ({ value }, index, all) =>
      value !== present &&
      domainError(domain, value) === undefined &&
      all.findIndex((each) => each.value === value) === index,
  );
  if (hypotheses.length === 0) return { kind: "none", because: `${id} has no other value to try` };
  const probes = probesOf(question.history).filter(({ changes }) => turns(changes, reading));
  const refuse = (measured: MetricValues) => costOf(guard, measured) ?? question.refuse?.(measured);
  const probed = searchProbed({
    objective,
    metrics,
    history: probes,
    noiseFloor: question.noiseFloor,
    candidatesMax: question.candidatesMax,
    knobs: [{ reading, hypotheses }],
    probesMax: hypotheses.length,
    acceptable: (measured) => refuse(measured) === undefined,
  });
  const { step, noiseFloor } = probed;
  if (step.kind === "unmeasurable") {
    return { kind: "none", because: `${id} could not be searched: ${step.because}` };
  }
  const words = windowsInWords({
    objective,
    knobs: [{ id, bytes: domain.kind === "bytes" }],
    present: { [id]: present },
    observed: metrics[objective],
    probes,
    refusal: (sample) => refusalOf(guard, sample) ?? question.refuse?.(sample.metrics),
  });
  if (step.kind === "probe") {
    return { kind: "probe", value: step.values[id] ?? present, why: step.why };
  }
  const choice = chooseOf(probed, objective);
  const value = choice?.values[id];
  if (value !== undefined) return { kind: "better", value, words };
  const because = `no other ${id} was better by more than the noise (${formatRatio(noiseFloor)}): ${words}`;
  return { kind: "none", because };
}

/** The strategy's own value first, where it has one. */
export function presetFirst(
  preset: number | undefined,
  others: readonly Hypothesis[],
): readonly Hypothesis[] {
  return preset === undefined ? others : [{ value: preset, why: PRESET_WHY }, ...others];
}
