/** What a run is given, and what it knows so far. */
import type { MetricId } from "../core/metric.ts";
import type { Change } from "../core/knob.ts";
import type { Past } from "../core/observation.ts";
import type { Persona, Strategy } from "../core/persona.ts";
import type { Plan, PlanPhase } from "../core/plan.ts";
import type { Bench, Clock, Journal, Target } from "../core/ports.ts";
import type { Pair } from "../core/trial.ts";
import type { AnyTuner } from "../tuners/tuner.ts";

export interface Run {
  readonly plan: Plan;
  readonly persona: Persona;
  readonly tunerOf: (id: string) => AnyTuner | undefined;
  readonly bench: Bench;
  readonly target: Target;
  readonly journal: Journal;
  readonly clock: Clock;
  /** By the clock: when measuring has to be over. */
  readonly deadline: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  /** Metrics whose effects are computed for the report beside the objective. */
  readonly watched: readonly MetricId[];
  readonly limits: Limits;
  /** One line about what is being measured now, for a person who waits. */
  readonly say: (line: string) => void;
}

export interface Limits {
  /** Steps of one phase: probes and trials together. */
  readonly stepsMax: number;
  /** Pairs of one trial that may be measured again because a sample was invalid. */
  readonly invalidPairsMax: number;
  /** Both arms get fresh processes after so many pairs (between-process noise; research/load-gate.md section 7). */
  readonly restartEveryPairs: number;
}

export const defaultLimits: Limits = { stepsMax: 24, invalidPairsMax: 6, restartEveryPairs: 5 };

/** A change of the real target, under the id that the journal knows it by. */
export interface KeptChange {
  readonly id: string;
  readonly change: Change;
}

export type LoadKind = "usual" | "overload";

export interface RunState {
  kept: KeptChange[];
  requestsPerSecond: number;
  /** Undefined until somebody needs it. */
  saturationRequestsPerSecond: number | undefined;
  /** Of all pairs so far, by the clock: with settling and restarts they may take longer than planned. */
  readonly pairsTook: Record<LoadKind, { readonly pairs: number; readonly ms: number }>;
  /** The A/A pairs; none until they are measured. */
  noise: readonly Pair[];
  /** Users that the baseline was shown to carry; undefined until that is known. */
  usersHeld: number | undefined;
  /** The most that a capacity block's closed loop found so far, the baseline first; undefined until then. */
  peakRequestsPerSecond: number | undefined;
  nextSeed: number;
}

/** Of a run that has measured nothing yet. */
export function freshState({ seed }: Pick<Run, "seed">): RunState {
  return {
    kept: [],
    requestsPerSecond: 0,
    saturationRequestsPerSecond: undefined,
    noise: [],
    usersHeld: undefined,
    peakRequestsPerSecond: undefined,
    pairsTook: { usual: { pairs: 0, ms: 0 }, overload: { pairs: 0, ms: 0 } },
    nextSeed: seed,
  };
}

export function keptChanges(state: RunState): readonly Change[] {
  return state.kept.map((each) => each.change);
}

export interface PhaseState {
  readonly plan: PlanPhase;
  readonly strategy: Strategy;
  readonly tuner: AnyTuner;
  readonly deadline: number;
  /** What was done so far; a phase that is gone on with has that of its first part. */
  readonly history: Past[];
}

export interface Outcome {
  readonly outcome: "completed";
  readonly kept: readonly Change[];
  readonly detail: string;
}
