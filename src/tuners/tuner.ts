/** What a tuner is: one strategy that looks at the target and says, purely, what to try next. */
import { changeKey, domainError } from "../core/knob.ts";
import type { Change, KnobRole, KnobValue } from "../core/knob.ts";
import type { Ask, KnobReading, Past, Step, TargetView } from "../core/observation.ts";
import type { Strategy } from "../core/persona.ts";
import type { Candidate } from "../core/trial.ts";
import { parseBytes, parseDuration } from "../core/units.ts";

export interface Tuner<O> {
  /** Also the file's name. */
  readonly id: string;
  readonly title: string;
  /** Why the strategy helps, and when it cannot. Printed in plans and reports. */
  readonly rationale: string;
  /** The knobs it may turn. */
  readonly roles: readonly KnobRole[];
  /** Reads what `next` needs. The result is journalled, so it is plain JSON, and small. `again`: a change of this phase was kept since. */
  observe(view: TargetView, how?: { readonly again: boolean }): Promise<O>;
  /** Ask and tell: pure, so that the same ask gives the same step. `done` says why there is nothing (more) to gain. */
  next(ask: Ask<O>): Step;
}

/** A tuner of the list: the loop hands its own observation back to it and never looks inside. */
export type AnyTuner = Tuner<unknown>;

/** Forgets the observation's type; `next` only ever gets what `observe` of the same tuner returned. */
export function erase<O>(tuner: Tuner<O>): AnyTuner {
  return tuner;
}

/** A strategy's starting hypothesis for a knob as a number: `5000`, `"5s"` or `"1gb"`; undefined when it has none. */
export function numberSetting(strategy: Strategy, name: string): number | undefined {
  const value = strategy.settings[name];
  if (typeof value === "number") return value;
  if (typeof value !== "string") return undefined;
  return parseDuration(value) ?? parseBytes(value);
}

/** The change of a knob to `value`, moved into the knob's domain; undefined when the knob has that value already. */
export function setKnob(
  reading: KnobReading,
  value: number,
): Extract<Change, { kind: "set-knob" }> | undefined {
  const to = withinDomain(reading, value);
  if (to === undefined || to === reading.value) return undefined;
  return { kind: "set-knob", knob: reading.knob.id, from: reading.value, to };
}

/** The nearest value that the knob may have; undefined for knobs that are not numbers. */
export function withinDomain(reading: KnobReading, value: number): number | undefined {
  const domain = reading.knob.domain;
  if (domain.kind === "enum" || domain.kind === "bool") return undefined;
  const inside = Math.min(domain.max, Math.max(domain.min, value));
  const isFine = domain.kind === "duration" || domain.kind === "number";
  const whole = isFine ? inside : Math.round(inside);
  return domainError(domain, whole) === undefined ? whole : undefined;
}

/** A knob's value as a number; undefined when it is none. */
export function numberOf(value: KnobValue | undefined): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** The trials of this phase, oldest first. */
export function trialsOf(history: readonly Past[]): readonly Extract<Past, { kind: "trial" }>[] {
  return history.filter((past) => past.kind === "trial");
}

/** Whether this phase has decided exactly these changes already; `from` does not matter, only where they lead. */
export function wasTried(history: readonly Past[], changes: readonly Change[]): boolean {
  const wanted = keyOf(changes);
  return trialsOf(history).some((past) => keyOf(past.candidate.changes) === wanted);
}

/** A candidate of this tuner, numbered within the phase. */
export function propose(
  tuner: string,
  history: readonly Past[],
  proposal: Omit<Candidate, "id" | "tuner">,
): Step {
  const number = trialsOf(history).length + 1;
  return { kind: "candidate", candidate: { id: `${tuner}-${number}`, tuner, ...proposal } };
}

export function done(because: string): Step {
  return { kind: "done", because };
}

/** What a part of a tuner's work says: a step to take, or that it has ended and why. */
export type Part =
  | { readonly kind: "step"; readonly step: Step }
  | { readonly kind: "ended"; readonly because: string };

export function stepOf(step: Step): Part {
  return { kind: "step", step };
}

export function ended(because: string): Part {
  return { kind: "ended", because };
}

function keyOf(changes: readonly Change[]): string {
  return changes
    .map(changeKey)
    .toSorted((a, b) => (a < b ? -1 : 1))
    .join("\n");
}
