/** Section 1: what came of the run, in one line and one table; without a confirmation there is no claim. */
import { goalMetricOf } from "../../core/metric.ts";
import { changesOf } from "../changes.ts";
import { readEffect } from "../effects.ts";
import {
  cite,
  countOf,
  describeChange,
  describeEffect,
  formatEffectChange,
  formatGoal,
  formatInterval,
  formatReading,
  NOT_MEASURED,
} from "../format.ts";
import { blocks, plain, sentence, table } from "../markdown-text.ts";
import type { ObjectiveResult } from "../objectives.ts";
import type { Summary } from "../summary.ts";
import { intervalTitle } from "./effects-table.ts";
import { keptUnderOverload } from "./overload.ts";

export function verdictSection(summary: Summary): string {
  return blocks([
    verdictLine(summary),
    headlineTable(summary),
    keptLine(summary),
    keptUnderOverload(summary),
    howToRead(summary),
  ]);
}

/** Above everything else: what a reader must know before any number. */
export function alerts(summary: Summary): string {
  const { outcome, basis, rollbacks, changes } = summary;
  const open = changes.filter(({ state }) => state === "applying" || state === "reverting");
  return blocks([
    outcome.kind === "completed"
      ? undefined
      : alert(
          "WARNING",
          `**Partial report: the run ${outcomeWords[outcome.kind]}.** ${sentence(plain(outcome.detail))} What follows covers what the journal holds, and claims nothing about the rest.`,
        ),
    basis === "undone"
      ? alert(
          "WARNING",
          "**Undone.** The kept changes were proven worse together in the confirmation, so all of them were taken back. The service is at its baseline.",
        )
      : undefined,
    open.length > 0
      ? alert(
          "CAUTION",
          `**${countOf(open.length, "change")} with an unknown state.** The journal ends before the outcome of ${cite(open.flatMap(({ seqs }) => seqs))}. Run \`perfopt status\`, then \`perfopt rollback\`.`,
        )
      : undefined,
    rollbacks.length > 0
      ? alert(
          "NOTE",
          `**Rolled back later.** ${rollbacks.map(({ seq, event }) => `${sentence(plain(event.detail))} (${cite([seq])})`).join(" ")} The numbers below are of the run, not of the service's present state.`,
        )
      : undefined,
  ]);
}

const outcomeWords = {
  interrupted: "was interrupted",
  failed: "failed",
  unfinished: "has no end",
} as const;

function alert(kind: "NOTE" | "WARNING" | "CAUTION", text: string): string {
  return `> [!${kind}]\n> ${text}`;
}

function verdictLine(summary: Summary): string {
  switch (summary.basis) {
    case "confirm":
      return `**${goalsLine(summary)}** ${primaryLine(summary)} ${candidatesLine(summary)}`;
    case "undone":
      return `**Nothing is kept: the changes were worse together and were undone.** ${goalsLine(summary)} These are the goals on the unchanged service. ${candidatesLine(summary)}`;
    case "baseline":
      return `**Nothing was kept: the service is as it was.** ${goalsLine(summary)} These are the goals on the unchanged service; nothing is claimed as an improvement. ${candidatesLine(summary)}`;
    case "none":
      return `**No headline: the final state was not confirmed by measurement.** ${candidatesLine(summary)}`;
  }
}

function goalsLine({ objectives, start }: Summary): string {
  const met = objectives.filter(({ status }) => status === "met").length;
  const missed = objectives.filter(({ status }) => status === "missed").length;
  const unknown = objectives.length - met - missed;
  const rest = [
    missed > 0 ? `${missed} missed` : "",
    unknown > 0 ? `${unknown} ${NOT_MEASURED}` : "",
  ].filter((part) => part !== "");
  return `${plain(start.event.persona.title)}: ${met} of ${countOf(objectives.length, "goal")} met${rest.length > 0 ? `, ${rest.join(", ")}` : ""}.`;
}

/** An interval so narrow is that of pairs without any difference. */
const WIDTH_OF_NONE = 1e-9;

function primaryLine({ objectives }: Summary): string {
  const first = objectives[0];
  if (!first) return "";
  const { title } = goalMetricOf(first.objective.metric);
  if (first.unpaired)
    return `${title} from ${formatReading(first.objective.metric, first.before)} to ${formatReading(first.objective.metric, first.after)}: ${first.unpaired.words}.`;
  if (!first.effect) return `${title}: no paired effect, ${NOT_MEASURED} in the confirmation.`;
  // As the requests a second where every window reached its rate.
  if (first.effect.high - first.effect.low < WIDTH_OF_NONE)
    return `${title}: ${formatReading(first.objective.metric, first.before)} before and after, the same in every pair.`;
  const words = {
    better: "proven better",
    worse: "**proven worse**",
    "no change shown": "no change proven",
  }[readEffect(first.effect)];
  return `${title} from ${formatReading(first.objective.metric, first.before)} to ${formatReading(first.objective.metric, first.after)}: ${describeEffect(first.effect)}, ${words}.`;
}

function candidatesLine({ trials, kept, changes, rollbacks }: Summary): string {
  if (trials.length === 0) return "No candidate was tried.";
  const count = (verdict: string) => trials.filter((trial) => trial.verdict === verdict).length;
  const undone =
    rollbacks.length === 0 &&
    changes.length > 0 &&
    changes.every(({ state }) => state === "reverted");
  const parts = [
    `${kept.length} kept${undone ? " (and undone again)" : ""}`,
    `${count("discard")} discarded`,
    `${count("inconclusive")} inconclusive`,
    count("undecided") > 0 ? `${count("undecided")} not decided` : "",
  ].filter((part) => part !== "");
  return `${countOf(trials.length, "candidate")} tried: ${parts.join(", ")}.`;
}

function headlineTable(summary: Summary): string {
  const { objectives, basis } = summary;
  if (objectives.length === 0) return "The persona has no objectives.";
  const effects = objectives.flatMap(({ effect }) => (effect ? [effect] : []));
  switch (basis) {
    case "confirm":
      return table(
        [
          "metric",
          "before",
          "after",
          "change",
          intervalTitle(effects),
          "pairs",
          "goal (acceptance)",
          "stretch goal",
          "goal met?",
          "source",
        ],
        objectives.map(confirmedRow),
      );
    case "undone":
    case "baseline":
      return table(
        [
          "metric",
          "as it is (unchanged)",
          "goal (acceptance)",
          "stretch goal",
          "goal met?",
          "source",
        ],
        objectives.map((result) => [
          goalMetricOf(result.objective.metric).title,
          formatReading(result.objective.metric, result.after),
          ...goalCells(result),
          cite(result.after?.seqs ?? []),
        ]),
      );
    case "none":
      return table(
        ["metric", "baseline", "after", "goal (acceptance)", "stretch goal", "goal met?", "source"],
        objectives.map((result) => [
          goalMetricOf(result.objective.metric).title,
          formatReading(result.objective.metric, result.before),
          NOT_MEASURED,
          ...goalCells(result),
          cite(result.before?.seqs ?? []),
        ]),
      );
  }
}

function confirmedRow(result: ObjectiveResult): readonly string[] {
  const { objective, before, after, effect, unpaired } = result;
  const change = unpaired
    ? [unpaired.words, "not paired", "none"]
    : effect
      ? [formatEffectChange(effect), formatInterval(effect), String(effect.pairs)]
      : [NOT_MEASURED, NOT_MEASURED, "0"];
  return [
    goalMetricOf(objective.metric).title,
    formatReading(objective.metric, before),
    formatReading(objective.metric, after),
    ...change,
    ...goalCells(result),
    cite([...(before?.seqs ?? []), ...(after?.seqs ?? [])]),
  ];
}

/** Goal, stretch goal with its own result, and whether the goal is met. */
export function goalCells(result: ObjectiveResult): readonly [string, string, string] {
  const { objective, status, stretchStatus, windowsMet, windows } = result;
  const inWindows = windows > 0 ? ` (in ${windowsMet} of ${countOf(windows, "window")})` : "";
  const words = {
    met: `met${inWindows}`,
    missed: `**missed**${inWindows}`,
    "not measured": `**${NOT_MEASURED}**`,
  }[status];
  return [
    formatGoal(objective, objective.goal),
    objective.stretch === undefined
      ? "none"
      : `${formatGoal(objective, objective.stretch)}: ${stretchStatus ?? NOT_MEASURED}`,
    words,
  ];
}

/** What is applied, whether or not the confirmation covers it. */
function keptLine({ net, knobs, basis }: Summary): string | undefined {
  const changes = changesOf(net);
  if (changes.length === 0) return undefined;
  return `${basis === "confirm" ? "Kept" : "Applied, but not confirmed"}: ${changes.map((change) => plain(describeChange(change, knobs))).join("; ")}.`;
}

function howToRead(summary: Summary): string {
  switch (summary.basis) {
    case "confirm":
      return `Before is the baseline, after is everything kept together; both were measured afresh in ${countOf(summary.confirmBlock.pairs.length, "interleaved pair")} after the search was over (${cite(summary.confirmed ? [summary.confirmed.seq] : [])}), never taken from the trials that chose the changes. Values are medians over windows; the change is estimated from the pairs, so it need not equal the ratio of the medians. A goal is met when the median is on its good side.`;
    case "undone":
      return "Values are medians of the baseline's windows in the confirmation block. The effects that led to the undoing are in the overall results.";
    case "baseline":
      return "Values are medians of the baseline's own windows (A/A pairs; one observed window where those are missing).";
    case "none":
      return "The baseline's values are medians of its own windows (A/A pairs; one observed window where those are missing). No goal counts as met without a measurement of the final state.";
  }
}
