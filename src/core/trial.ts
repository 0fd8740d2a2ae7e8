/** Candidates, pairs, effects and decisions: the vocabulary of proving a change. */
import type { Change } from "./knob.ts";
import type { MetricId } from "./metric.ts";
import type { Sample } from "./sample.ts";

export type Role = "incumbent" | "candidate";

export interface Candidate {
  readonly id: string;
  readonly tuner: string;
  /** One falsifiable sentence. */
  readonly hypothesis: string;
  readonly changes: readonly Change[];
  /** Short facts that led to it, for the report. */
  readonly evidence: readonly string[];
  /** What it should measure, said before it was measured; the report sets both side by side. */
  readonly predicted?: readonly Prediction[];
}

/** The block of pairs at the usual load that judges the constraints of a candidate proven under overload. */
export function usualBlockOf({ id }: Pick<Candidate, "id">): string {
  return `${id}-usual`;
}

export interface Prediction {
  readonly metric: MetricId;
  /** In the metric's unit, of the candidate's windows. */
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** For trials of fewer windows an arm, where the cache begins cold and fills; ascending. `value` is for more than the last. */
  readonly byWindows?: readonly {
    readonly windows: number;
    readonly value: number;
    readonly low: number;
    readonly high: number;
  }[];
  /** One phrase: what was simulated, from which trace. */
  readonly method: string;
}

export interface Pair {
  readonly order: "incumbent-first" | "candidate-first";
  readonly incumbent: Sample;
  readonly candidate: Sample;
}

/** Candidate against incumbent for one metric. For `ratio`, 1 is no change; for `difference`, 0 is. Always with its interval. */
export interface Effect {
  readonly metric: MetricId;
  readonly compare: "ratio" | "difference";
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
  /** Nominal coverage of [low, high], for example 0.95. */
  readonly confidence: number;
  readonly pairs: number;
  /** Two-sided p of a sign-flip permutation test, a cross-check that assumes no normality. */
  readonly permutationP: number;
  /** Medians of both arms' samples, in the metric's unit. */
  readonly incumbentMedian: number;
  readonly candidateMedian: number;
}

export type Decision =
  | { readonly verdict: "keep"; readonly effect: Effect; readonly detail: string }
  | {
      readonly verdict: "discard";
      readonly because: "no-gain" | "worse" | "constraint" | "failed";
      readonly detail: string;
      readonly effect?: Effect;
    }
  | {
      readonly verdict: "inconclusive";
      readonly effect?: Effect;
      /** The smallest effect these pairs could have proven, as a ratio distance (0.08 = 8 %) or a difference. */
      readonly detectable?: number;
      readonly detail: string;
    };

export interface ConstraintResult {
  readonly metric: MetricId;
  readonly ok: boolean;
  readonly detail: string;
}
