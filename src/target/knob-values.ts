/** Values of knobs: what is in force after changes, and how a setting's text is read. */
import { PerfoptError } from "../core/errors.ts";
import { domainError, type Change, type Knob, type KnobValue } from "../core/knob.ts";
import { writeValue } from "../core/knob-text.ts";

const MB = 1024 ** 2;

export type KnobValues = Readonly<Record<string, KnobValue>>;

export function knobOf(knobs: readonly Knob[], id: string): Knob {
  const found = knobs.find((knob) => knob.id === id);
  if (found) return found;
  throw new PerfoptError(
    "bad-input",
    `the target has no knob ${id}`,
    `its knobs are ${knobs.map((knob) => knob.id).join(", ") || "none"}`,
  );
}

/** Throws PerfoptError when the value is outside the knob's domain. */
export function checkValue(knob: Knob, value: KnobValue): void {
  const problem = domainError(knob.domain, value);
  if (problem === undefined) return;
  throw new PerfoptError(
    "bad-input",
    `knob ${knob.id}: ${problem}`,
    "choose a value inside the domain that the target file gives",
  );
}

/** The values after these changes, in order. */
export function valuesAfter(values: KnobValues, changes: readonly Change[]): KnobValues {
  const after: Record<string, KnobValue> = { ...values };
  for (const change of changes) {
    if (change.kind === "set-knob") after[change.knob] = change.to;
  }
  return after;
}

/** The environment variables that say these values; NODE_OPTIONS, which is put together of several, is not among them. */
export function knobEnvironment(
  knobs: readonly Knob[],
  values: KnobValues,
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const knob of knobs) {
    if (knob.set.kind !== "env") continue;
    environment[knob.set.variable] = writeValue(knob, values[knob.id] ?? knob.default);
  }
  return environment;
}

/** By knob, what a process of the service takes up when it starts, connections to PostgreSQL included: once one differs, it needs a fresh one. */
export function knobsAtStart(knobs: readonly Knob[], values: KnobValues): Record<string, string> {
  return Object.fromEntries(
    knobs
      .filter((knob) => knob.set.kind !== "redis")
      .map((knob) => [knob.id, writeValue(knob, values[knob.id] ?? knob.default)]),
  );
}

/** The Redis settings that say these values. */
export function knobRedisSettings(
  knobs: readonly Knob[],
  values: KnobValues,
): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const knob of knobs) {
    if (knob.set.kind !== "redis") continue;
    settings[knob.set.parameter] = writeValue(knob, values[knob.id] ?? knob.default);
  }
  return settings;
}

/** A setting as Redis wrote it, or a flag of Node as its owner did, as a value of the knob. */
export function readValue(knob: Knob, text: string): KnobValue {
  switch (knob.domain.kind) {
    case "int":
    case "number":
    case "duration":
      return Number(text);
    case "bytes":
      return Number(text) * (knob.set.kind === "node-option" && knob.set.unit === "mb" ? MB : 1);
    case "bool":
      return text === "yes" || text === "true" || text === "1";
    case "enum":
      return text;
  }
}
