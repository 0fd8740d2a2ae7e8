/** Section "tried and discarded": every candidate that was not kept, with its reason. */
import { metricOf } from "../../core/metric.ts";
import { cite, describeChange, describeEffect, NOT_MEASURED } from "../format.ts";
import { plain, table } from "../markdown-text.ts";
import type { Summary } from "../summary.ts";
import { decisionText } from "./trial.ts";

export function discardedSection({ trials, phases, knobs }: Summary): string {
  const rejected = trials.filter((trial) => trial.verdict !== "keep");
  if (rejected.length === 0)
    return trials.length === 0
      ? "No candidate was tried."
      : "Every candidate that was tried was kept.";
  return table(
    ["candidate", "phase", "change", "effect", "decision and reason", "source"],
    rejected.map((trial) => [
      plain(trial.candidate.id),
      plain(phases.find((phase) => phase.plan.name === trial.phase)?.plan.title ?? trial.phase),
      trial.candidate.changes.map((change) => plain(describeChange(change, knobs))).join("; "),
      trial.effect
        ? `${metricOf(trial.effect.metric).title} ${describeEffect(trial.effect)}`
        : NOT_MEASURED,
      decisionText(trial),
      cite(trial.seqs),
    ]),
  );
}
