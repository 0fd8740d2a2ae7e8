/** The verdict on a sequence: goals met over all personas, what is kept, and whether that was measured together. */
import { goalMetricOf } from "../../core/metric.ts";
import { readEffect } from "../effects.ts";
import { countOf, describeEffect, NOT_MEASURED } from "../format.ts";
import { blocks, plain } from "../markdown-text.ts";
import { keptSomething } from "./net.ts";
import { finalObjectives, type Part, type SequenceSummary } from "./summary.ts";

export function verdictText(sequence: SequenceSummary): string {
  const { parts } = sequence;
  const all = parts.flatMap((part) => finalObjectives(part));
  const met = all.filter(({ status }) => status === "met").length;
  const unknown = all.filter(({ status }) => status === "not measured").length;
  const missed = all.length - met - unknown;
  const rest = [
    missed > 0 ? `${missed} missed` : "",
    unknown > 0 ? `${unknown} ${NOT_MEASURED}` : "",
  ].filter((text) => text !== "");
  return blocks([
    `**${countOf(parts.length, "persona")} in sequence: ${met} of ${countOf(all.length, "goal")} met${rest.length > 0 ? `, ${rest.join(", ")}` : ""}.** ${[...parts.map(partText), keptWords(sequence), togetherText(sequence)].filter((text) => text !== "").join(" ")}`,
    basisText(parts),
  ]);
}

function partText(part: Part): string {
  const results = finalObjectives(part);
  const title = plain(part.title);
  if (part.turn === undefined) return `${title}: its turn never came.`;
  if (part.turn.event.outcome !== "completed") return `${title}: the run did not complete.`;
  if (results.length === 0) return `${title}: ${NOT_MEASURED}.`;
  const missed = results
    .filter(({ status }) => status !== "met")
    .map(({ objective }) => goalMetricOf(objective.metric).title);
  return `${title}: ${results.length - missed.length} of ${results.length}${missed.length > 0 ? ` (not ${missed.join(", ")})` : ""}.`;
}

function keptWords({ net: { changes } }: SequenceSummary): string {
  const count = changes.knobs.length + changes.indexes.length + changes.statistics.length;
  return count === 0 ? "Nothing is kept in all." : `${countOf(count, "change")} kept in all.`;
}

function togetherText({ parts }: SequenceSummary): string {
  const checked = parts.flatMap((part) => (part.check ? [{ ...part, check: part.check }] : []));
  if (checked.length === 0) return uncheckedText(parts);
  const worse = checked.flatMap(({ title, check }) =>
    check.objectives.flatMap(({ objective, effect }) =>
      effect && readEffect(effect) === "worse"
        ? [`${goalMetricOf(objective.metric).title} of ${plain(title)} ${describeEffect(effect)}`]
        : [],
    ),
  );
  return worse.length > 0
    ? `**Measured together, proven worse than before the sequence: ${worse.join("; ")}.**`
    : "Measured together in the final check, no objective is proven worse than before the sequence.";
}

function uncheckedText(parts: readonly Part[]): string {
  const keepers = parts.filter(keptSomething);
  if (keepers.length === 0) return "";
  return keepers.length === 1 && keepers[0] === parts.at(-1)
    ? "All of it is the last run's, whose own confirmation covers it; the goals of the others were not measured again with it."
    : "**It was not measured together.**";
}

function basisText(parts: readonly Part[]): string {
  const checked = parts.filter(({ check }) => check).map(({ title }) => plain(title));
  const own = parts
    .filter(({ check, turn }) => !check && turn?.event.outcome === "completed")
    .map(({ title }) => plain(title));
  return [
    checked.length > 0
      ? `Goals of ${checked.join(", ")} are judged by the final check, with everything in place (capacity goals by the persona's own run).`
      : "",
    own.length > 0 ? `Goals of ${own.join(", ")} are judged by the persona's own run.` : "",
  ]
    .filter((text) => text !== "")
    .join(" ");
}
