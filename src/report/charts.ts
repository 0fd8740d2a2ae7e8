/** Every chart of a run, in the order of the report. */
import { usableEffect } from "./effects.ts";
import { capacityChart } from "./charts/capacity.ts";
import { pairedChart } from "./charts/paired.ts";
import { ladderChart } from "./charts/ladder.ts";
import { responseCharts } from "./charts/response.ts";
import { timelineChart } from "./charts/timeline.ts";
import type { Chart } from "./charts/frame.ts";
import type { TrialSummary } from "./phases.ts";
import type { Summary } from "./summary.ts";

/** A chart whose data is missing is left out. File names depend on the journal alone. */
export function drawCharts(summary: Summary): readonly Chart[] {
  const { entries, start, knobs } = summary;
  const primary = start.event.persona.objectives[0]?.metric;
  const charts = [
    ...confirmCharts(summary),
    ladderChart("latency-ladder.svg", summary.confirmBlock),
    capacityChart("capacity-users.svg", start.event.persona.capacity?.users, summary.capacity),
    ...summary.phases.flatMap((phase) => [
      ...responseCharts(phase, entries, start.event.baselineValues, knobs, (knob) =>
        fileName("curve", String(phase.number), knob),
      ),
      ...phase.trials.map((trial) => trialChart(summary, trial)),
    ]),
    primary === undefined ? undefined : timelineChart("timeline.svg", entries, primary),
  ];
  return charts.filter((chart) => chart !== undefined);
}

/** The report links to it from the trial's own section. */
export function trialChartFile(summary: Summary, trial: TrialSummary): string {
  const number = String(summary.trials.indexOf(trial) + 1).padStart(2, "0");
  return fileName("trial", number, trial.candidate.id);
}

function confirmCharts(summary: Summary): readonly (Chart | undefined)[] {
  const verdict = summary.basis === "undone" ? "undone afterwards" : "measured afresh";
  return summary.start.event.persona.objectives.map(({ metric }) =>
    pairedChart({
      file: fileName("confirm", metric),
      name: "Everything kept",
      verdict,
      metric,
      block: summary.confirmBlock,
      effect: usableEffect(summary.confirmed?.event.effects ?? [], metric),
      arms: ["baseline", "everything kept"],
    }),
  );
}

function trialChart(summary: Summary, trial: TrialSummary): Chart | undefined {
  if (trial.metric === undefined) return undefined;
  const phase = summary.phases.find(({ plan }) => plan.name === trial.phase);
  return pairedChart({
    file: trialChartFile(summary, trial),
    name: `${trial.candidate.id}${phase?.strategy?.overload ? ", under overload" : ""}`,
    verdict: trial.verdict,
    metric: trial.metric,
    block: trial.block,
    effect: trial.effect,
    arms: ["incumbent", "candidate"],
  });
}

/** Lower case letters, digits and dashes. */
function fileName(...parts: readonly string[]): string {
  const slug = parts
    .join("-")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "");
  return `${slug.slice(0, 80)}.svg`;
}
