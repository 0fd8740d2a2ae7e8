/** Where one persona's changes touch another's: knobs set more than once, figures older than later changes, gains that did not last. */
import { goalMetricOf } from "../../core/metric.ts";
import { readEffect } from "../effects.ts";
import { describeChange, describeEffect, formatKnobValue } from "../format.ts";
import { changesOf } from "../changes.ts";
import { blocks, code, list, plain } from "../markdown-text.ts";
import { changedLater, type SequenceNet, type Setting } from "./net.ts";
import type { Part, SequenceSummary } from "./summary.ts";

export function conflictsSection(sequence: SequenceSummary): string {
  const contested = sequence.net.contested.map((each) => contestedText(each, sequence));
  const older = sequence.parts.flatMap((part) => olderText(part, sequence));
  const lost = sequence.parts.flatMap(lostText);
  return blocks([
    contested.length > 0
      ? `Knobs that more than one run set:\n\n${list(contested)}`
      : "No knob was set by more than one run.",
    older.length > 0
      ? `Measured before later changes:\n\n${list(older)}`
      : "No run's figures are older than a later run's changes.",
    sequence.parts.some(({ check }) => check)
      ? lost.length > 0
        ? `Own run against the final check:\n\n${list(lost)}`
        : "Every gain that a run proved on an objective is also seen with everything together, and no objective is proven worse than before the sequence."
      : undefined,
  ]);
}

function contestedText(
  { knob, settings }: SequenceNet["contested"][number],
  { knobs }: SequenceSummary,
): string {
  const known = knobs.find((each) => each.id === knob);
  const steps = settings.map(
    ({ title, from, to }) =>
      `${plain(title)} ${plain(formatKnobValue(known, from))} -> ${plain(formatKnobValue(known, to))}`,
  );
  return `${code(knob)}: ${steps.join(", then ")}: ${directionsText(settings)}.`;
}

/** Only numbers have a direction. */
export function directionsText(settings: readonly Setting[]): string {
  const first = settings[0]?.from;
  if (first !== undefined && settings.at(-1)?.to === first) return "**set back to where it was**";
  const signs = settings.map(({ from, to }) =>
    typeof from === "number" && typeof to === "number" ? Math.sign(to - from) : undefined,
  );
  if (signs.includes(undefined)) return "set again";
  return new Set(signs).size === 1 ? "the same direction" : "**opposite directions**";
}

function olderText(part: Part, { parts, knobs }: SequenceSummary): readonly string[] {
  const later = part.summary ? changedLater(parts, part) : [];
  if (later.length === 0) return [];
  const changes = later.flatMap(({ title, summary }) =>
    summary
      ? [
          `${plain(title)} kept ${changesOf(summary.net)
            .map((change) => plain(describeChange(change, knobs)))
            .join("; ")}`,
        ]
      : [],
  );
  return [
    `${plain(part.title)}'s own figures. After its run, ${changes.join("; ")}. ${part.check ? "The final check has them in." : "**Its goals were not measured again with these.**"}`,
  ];
}

function lostText({ title, summary, check }: Part): readonly string[] {
  return (check?.objectives ?? []).flatMap(({ objective, effect }) => {
    if (!effect) return [];
    const name = `${plain(title)}, ${goalMetricOf(objective.metric).title}`;
    const now = readEffect(effect);
    if (now === "worse")
      return [`${name}: **proven worse than before the sequence**, ${describeEffect(effect)}.`];
    const own = summary?.objectives.find(
      ({ objective: each }) => each.metric === objective.metric,
    )?.effect;
    if (!own || readEffect(own) !== "better" || now === "better") return [];
    return [
      `${name}: proven better in its own run, ${describeEffect(own)}; with everything together no change is shown, ${describeEffect(effect)}.`,
    ];
  });
}
