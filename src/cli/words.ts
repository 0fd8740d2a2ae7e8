/** Numbers and verdicts in the words and tables of the terminal. */
import Table from "cli-table3";
import type { RunEvent } from "../core/event.ts";
import { formatQuantity, metricOf, type MetricId } from "../core/metric.ts";
import type { Plan } from "../core/plan.ts";
import { formatChange, formatDuration, formatRatio } from "../core/units.ts";
import type { Decision, Effect } from "../core/trial.ts";
import type { Style } from "./context.ts";

export function formatMetric(id: MetricId, value: number): string {
  return formatQuantity(metricOf(id).unit, value);
}

/** A change with its interval: `-31.2 % (-35.0 % to -27.1 %)`, or points for differences. */
function formatEffect(effect: Effect): string {
  const format =
    effect.compare === "ratio"
      ? formatChange
      : (value: number) => formatDifference(effect.metric, value);
  return `${format(effect.estimate)} (${format(effect.low)} to ${format(effect.high)})`;
}

function formatDifference(id: MetricId, value: number): string {
  const sign = value >= 0 ? "+" : "";
  if (metricOf(id).unit === "ratio") return `${sign}${(value * 100).toFixed(2)} points`;
  return `${sign}${formatMetric(id, value)}`;
}

function effectsTable(effects: readonly Effect[], titles: readonly [string, string]): string {
  const table = new Table({
    head: ["metric", titles[0], titles[1], "change (interval)", "pairs"],
    style: { head: [], border: [], compact: true },
  });
  for (const effect of effects) {
    table.push([
      metricOf(effect.metric).title,
      formatMetric(effect.metric, effect.incumbentMedian),
      formatMetric(effect.metric, effect.candidateMedian),
      formatEffect(effect),
      String(effect.pairs),
    ]);
  }
  return table.toString();
}

export function decisionLines(
  event: Extract<RunEvent, { type: "trial-decided" }>,
  style: Style,
): string {
  const table =
    event.effects.length > 0 ? `${effectsTable(event.effects, ["incumbent", "candidate"])}\n` : "";
  return `${table}  ${verdictWord(event.decision, style)} ${event.candidate.id}: ${event.decision.detail}`;
}

export function confirmedLines(
  event: Extract<RunEvent, { type: "confirmed" }>,
  style: Style,
): string {
  return `\n${style.strong("Confirmed: everything kept against the baseline")}\n${effectsTable(event.effects, ["baseline", "kept"])}\n  ${event.detail}`;
}

export function checkedLines(event: Extract<RunEvent, { type: "sequence-checked" }>): string {
  return effectsTable(event.effects, ["before all", "all kept"]);
}

/** The search in its own words, and what became of the overload; what is missing is told by warnings. */
export function capacityLines({
  of,
  result: { users, overload },
}: Extract<RunEvent, { type: "capacity-measured" }>): string {
  const title = of === "baseline" ? "baseline" : "kept configuration";
  return [
    `Capacity of the ${title}, measured once:`,
    ...(users ? [`  users: ${users.detail}`] : []),
    ...(overload
      ? [
          `  overload: ${formatQuantity("per-second", overload.goodputPerSecond)} of goodput${overload.withinMs === undefined ? "" : ` (within ${formatDuration(overload.withinMs)} of being due)`} at ${formatQuantity("per-second", overload.requestsPerSecondOffered)} offered (peak ${formatQuantity("per-second", overload.peakPerSecond)}), ${formatRatio(overload.rejectedShare)} rejected, ${formatRatio(overload.failedShare)} failed`,
        ]
      : []),
  ].join("\n");
}

export function noiseLine(event: Extract<RunEvent, { type: "noise-measured" }>): string {
  const pairs = `A/A: ${event.pairs} pairs of the baseline with itself`;
  // A metric that never differs, such as a rate that is kept, says nothing of the noise.
  if (event.detectable === 0) return `${pairs}.`;
  return `${pairs}; a trial here can prove an effect of ${formatRatio(event.detectable)} or more.`;
}

function verdictWord(decision: Decision, style: Style): string {
  switch (decision.verdict) {
    case "keep":
      return style.good("KEEP");
    case "discard":
      return style.bad("DISCARD");
    case "inconclusive":
      return style.warn("INCONCLUSIVE");
  }
}

export function planTable(plan: Plan): string {
  const table = new Table({
    head: ["phase", "strategy", "time", "why it can help, and when it cannot"],
    colWidths: [7, 24, 12, 72],
    wordWrap: true,
    style: { head: [], border: [] },
  });
  plan.phases.forEach((phase, index) => {
    const time =
      phase.tuner === undefined
        ? "does not run"
        : formatDuration(Math.round(phase.budgetMs / 1000) * 1000);
    table.push([String(index + 1), phase.title, time, phase.rationale]);
  });
  return table.toString();
}
