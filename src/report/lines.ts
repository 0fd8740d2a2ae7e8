/** Journal lines by type, and what the incumbent was at a line. */
import type { Entry, RunEvent } from "../core/event.ts";
import type { KnobValue } from "../core/knob.ts";

/** A journal line of one type. */
export interface Line<T extends RunEvent["type"]> {
  readonly seq: number;
  readonly at: string;
  readonly event: Extract<RunEvent, { type: T }>;
}

export function linesOf<T extends RunEvent["type"]>(
  entries: readonly Entry[],
  type: T,
): readonly Line<T>[] {
  return entries.filter((entry): entry is Line<T> & Entry => entry.event.type === type);
}

/** The incumbent's knob values just before a journal line: the baseline with what was kept until then. */
export function valuesAt(
  baseline: Readonly<Record<string, KnobValue>>,
  entries: readonly Entry[],
  seq: number,
): Readonly<Record<string, KnobValue>> {
  const values: Record<string, KnobValue> = { ...baseline };
  for (const line of linesOf(entries, "trial-decided")) {
    if (line.seq >= seq || line.event.decision.verdict !== "keep") continue;
    for (const change of line.event.candidate.changes)
      if (change.kind === "set-knob") values[change.knob] = change.to;
  }
  return values;
}
