/** Section 6: the persona's satisfaction with its formula and inputs, the goals, and what the persona says to that. */
import { goalMetricOf } from "../../core/metric.ts";
import { formatRatio, significant } from "../../core/units.ts";
import { formatGoal, formatReading, neat, NOT_MEASURED } from "../format.ts";
import { blocks, codeBlock, plain, table } from "../markdown-text.ts";
import type { Summary } from "../summary.ts";
import { voiceLine } from "../voice.ts";

export function satisfactionSection(summary: Summary): string {
  const { satisfaction, objectives, start } = summary;
  const title = plain(start.event.persona.title);
  const met = objectives.filter(({ status }) => status === "met");
  const exceeded = objectives.filter(({ stretchStatus }) => stretchStatus === "met");
  const missed = objectives.filter(({ status }) => status !== "met");
  const names = (results: typeof objectives) =>
    results.map(({ objective }) => goalMetricOf(objective.metric).title).join(", ");
  return blocks([
    satisfaction
      ? `**Satisfaction: ${formatRatio(satisfaction.score)}**, goals met: ${met.length} of ${objectives.length}.`
      : `**Satisfaction: ${NOT_MEASURED}.** ${summary.basis === "none" ? "Without a confirmation there is nothing to be satisfied with." : "No objective was measured."}`,
    `Exceeded (stretch goal met): ${exceeded.length > 0 ? names(exceeded) : "none"}. Missed or ${NOT_MEASURED}: ${missed.length > 0 ? `**${names(missed)}**` : "none"}.`,
    satisfaction ? formulaText(summary) : undefined,
    `> "${plain(voiceLine(summary))}"\n>\n> ${title}, by a rule that follows from the numbers above`,
  ]);
}

function formulaText({ satisfaction, basis }: Summary): string | undefined {
  if (!satisfaction) return undefined;
  const { credits } = satisfaction;
  const weights = credits.reduce((sum, { result }) => sum + result.objective.weight, 0);
  const points = credits.reduce(
    (sum, { credit, result }) => sum + credit * result.objective.weight,
    0,
  );
  return blocks([
    codeBlock("text", [
      "satisfaction = sum(weight x credit) / sum(weight)",
      "credit = 1                                                  goal met",
      "       = clamp((before - after) / (before - goal), 0, 1)    goal missed, improvement proven by the interval",
      ...(credits.some(({ result }) => result.unpaired)
        ? [
            "                                                           (capacity: shown by brackets that do not overlap)",
          ]
        : []),
      "       = 0                                                  otherwise, or not measured",
      `             = ${significant(points)} / ${neat(significant(weights))} = ${formatRatio(satisfaction.score)}`,
    ]),
    table(
      ["objective", "weight", "before", "goal", "after", "credit", "because"],
      credits.map(({ result, credit, because }) => [
        goalMetricOf(result.objective.metric).title,
        neat(significant(result.objective.weight)),
        formatReading(result.objective.metric, result.before),
        formatGoal(result.objective, result.objective.goal),
        formatReading(result.objective.metric, result.after),
        credit.toFixed(3),
        because,
      ]),
    ),
    basis === "confirm"
      ? undefined
      : "Before and after are the same here: the service is as it was, so this is the satisfaction with the baseline.",
  ]);
}
