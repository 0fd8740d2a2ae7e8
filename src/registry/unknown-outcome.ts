// Writes of which nobody knows whether they were made: the connection was lost before PostgreSQL's answer.

import { EXPERIMENTS, METRICS, MODELS, modelScope, runScope, runsScope } from "./cache/keys.ts";
import type { Scope } from "./cache/keys.ts";

const unknown = new WeakSet<object>();

/** Remembers an error that ended a connection while a statement was under way. */
export function noteUnknownOutcome(error: Error): void {
  unknown.add(error);
}

export function isOutcomeUnknown(error: unknown): boolean {
  return typeof error === "object" && error !== null && unknown.has(error);
}

const SCOPES_OF_FIELD: ReadonlyMap<string, (value: string) => readonly Scope[]> = new Map([
  ["name", (name: string) => [MODELS, EXPERIMENTS, modelScope(name)]],
  ["new_name", (name: string) => [modelScope(name)]],
  ["experiment_id", (id: string) => [runsScope(id)]],
  ["run_id", (id: string) => [METRICS, runScope(id)]],
]);

/** What a write with this input may have changed, as far as the input names it; too much only costs misses. */
export function scopesNamed(input: unknown): readonly Scope[] {
  if (typeof input !== "object" || input === null) return [];
  return Object.entries(input).flatMap(
    ([field, value]) => SCOPES_OF_FIELD.get(field)?.(String(value)) ?? [],
  );
}
