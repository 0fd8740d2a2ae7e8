/** What the persona says: chosen by the outcome, made of its numbers, and without praise while a goal is missed. */
import { goalMetricOf } from "../core/metric.ts";
import { readEffect } from "./effects.ts";
import { formatGoal, formatReading } from "./format.ts";
import type { ObjectiveResult } from "./objectives.ts";
import type { Summary } from "./summary.ts";

export function voiceLine(summary: Summary): string {
  const { outcome, basis, objectives } = summary;
  if (outcome.kind !== "completed")
    return "The run did not reach its end, so I have nothing to judge. Run it again.";
  if (basis === "none")
    return "Changes were kept, but nobody measured them together. I believe a confirmation, not a sum.";
  if (objectives.every(({ status }) => status === "not measured"))
    return "Nothing that I care about was measured. I cannot say how it went.";
  switch (basis) {
    case "undone":
      return `One by one the changes looked good; together they were worse, and undoing them was right. ${standing(objectives)}`;
    case "baseline":
      return `Nothing that was tried is proven to help, so nothing was changed. ${standing(objectives)}`;
    case "confirm":
      return confirmedLine(objectives);
  }
}

function confirmedLine(objectives: readonly ObjectiveResult[]): string {
  const [first] = objectives;
  const open = objectives.filter(({ status }) => status !== "met");
  const reading =
    first?.unpaired?.reading ?? (first?.effect ? readEffect(first.effect) : "no change shown");
  const moved = first ? `${journey(first)}. ` : "";
  if (open.length > 0) {
    if (reading === "worse") return `${moved}That is the wrong way. ${standing(objectives)}`;
    if (reading === "better") return `${moved}A step, but not there yet. ${standing(objectives)}`;
    return `My first number did not provably move. ${standing(objectives)}`;
  }
  if (reading === "worse")
    return `${moved}All goals still hold, but that went the wrong way; I would not ship it without a reason.`;
  const stretched = objectives.filter(({ stretchStatus }) => stretchStatus === "met").length;
  const withStretch = objectives.filter(({ stretchStatus }) => stretchStatus !== undefined).length;
  if (reading === "no change shown")
    return "All goals hold, and my first number did not provably move: it was other things that changed.";
  if (stretched > 0 && stretched === withStretch)
    return `${moved}Every goal holds, and every stretch goal too. This is what I asked for, and more.`;
  return `${moved}Every goal holds, ${stretched} of ${withStretch} stretch goals too. This is what I asked for.`;
}

function journey({ objective, before, after }: ObjectiveResult): string {
  return `${goalMetricOf(objective.metric).title} went from ${formatReading(objective.metric, before)} to ${formatReading(objective.metric, after)}`;
}

/** Where the goals are, with the missed ones by name and number. */
function standing(objectives: readonly ObjectiveResult[]): string {
  const open = objectives.filter(({ status }) => status !== "met");
  if (open.length === 0) return "All my goals hold as it is.";
  const list = open.map(({ objective, after }) => {
    const now = after ? formatReading(objective.metric, after) : "not measured";
    return `${goalMetricOf(objective.metric).title} is ${now} where I want ${formatGoal(objective, objective.goal)}`;
  });
  return `I still miss ${open.length} of ${objectives.length}: ${list.join("; ")}.`;
}
