/** What a phase did so far, by the knobs that it turned. */
import type { Values } from "../concurrency/search.ts";
import type { Change } from "../../core/knob.ts";
import type { KnobReading, Past } from "../../core/observation.ts";

export type Probe = Extract<Past, { kind: "probe" }>;
export type Trial = Extract<Past, { kind: "trial" }>;
type Readings = readonly (KnobReading | undefined)[];

export function probesOf(history: readonly Past[]): readonly Probe[] {
  return history.filter((past) => past.kind === "probe");
}

/** Whether changes turn one of these knobs. */
export function turns(changes: readonly Change[], ...readings: Readings): boolean {
  return changes.some(
    (each) =>
      each.kind === "set-knob" && readings.some((reading) => reading?.knob.id === each.knob),
  );
}

/** The last trial that turned one of these knobs. */
export function trialWith(history: readonly Past[], ...readings: Readings): Trial | undefined {
  return history.findLast(
    (past): past is Trial => past.kind === "trial" && turns(past.candidate.changes, ...readings),
  );
}

/** Numbers that these knobs have now, by id. */
export function presentOf(readings: Readings): Values {
  return Object.fromEntries(
    readings.flatMap((each) =>
      each && typeof each.value === "number" ? [[each.knob.id, each.value]] : [],
    ),
  );
}

/** Numbers that changes give to these knobs, by id, with the present ones of the others. */
export function valuesAfter(changes: readonly Change[], readings: Readings): Values {
  const present = presentOf(readings);
  const changed = changes.flatMap((change) =>
    change.kind === "set-knob" && change.knob in present && typeof change.to === "number"
      ? [[change.knob, change.to] as const]
      : [],
  );
  return { ...present, ...Object.fromEntries(changed) };
}
