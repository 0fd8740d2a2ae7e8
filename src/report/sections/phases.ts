/** Section 4: the phases in sequence: before, after, what was done, the evidence, and what was kept. */
import type { Knob } from "../../core/knob.ts";
import { metricOf, type MetricId } from "../../core/metric.ts";
import { trialChartFile } from "../charts.ts";
import type { Chart } from "../charts/frame.ts";
import {
  cite,
  countOf,
  describeChange,
  formatEffectChange,
  formatInterval,
  formatMetric,
  NOT_MEASURED,
} from "../format.ts";
import { blocks, list, plain, sentence, table } from "../markdown-text.ts";
import type { PhaseSummary } from "../phases.ts";
import type { Summary } from "../summary.ts";
import { metricValue } from "../windows.ts";
import { intervalTitle } from "./effects-table.ts";
import { gridText } from "./grid.ts";
import { observationFacts } from "./observation.ts";
import { overloadLoadText } from "./overload.ts";
import { observedTasks } from "./tasks.ts";
import { structuresText } from "./structures.ts";
import { trialText } from "./trial.ts";

/** `number`: the section's own, for the numbering of the phases. */
export function phasesSection(summary: Summary, charts: readonly Chart[], number: number): string {
  if (summary.phases.length === 0) return "The plan has no phases.";
  const files = new Set(charts.map((chart) => chart.file));
  return blocks(
    summary.phases.map((phase) =>
      blocks([
        `### ${number}.${phase.number} ${plain(phase.plan.title)}: ${outcomeWords(phase)}`,
        ...phaseBody(phase, summary, files),
      ]),
    ),
  );
}

function outcomeWords(phase: PhaseSummary): string {
  if (phase.status === "cannot run") return "cannot run in this version";
  if (phase.status === "not reached") return "not reached";
  const kept = phase.trials.filter((trial) => trial.verdict === "keep").length;
  return `${kept} of ${countOf(phase.trials.length, "candidate")} kept${phase.status === "unfinished" ? ", the run ended in it" : ""}`;
}

function phaseBody(
  phase: PhaseSummary,
  summary: Summary,
  files: ReadonlySet<string>,
): readonly (string | undefined)[] {
  if (phase.status === "cannot run")
    return [
      "This version of perfopt has no tuner for this strategy. Nothing was tried or measured.",
    ];
  if (phase.status === "not reached")
    return ["The run ended before this phase. Nothing was tried or measured."];
  return [
    `Why: ${sentence(plain(phase.plan.rationale))}`,
    overloadLoadText(phase, summary),
    doneText(phase),
    beforeAfter(phase),
    observedText(phase),
    structuresText(phase),
    probesTable(phase, summary.knobs),
    gridText(phase, summary),
    ...phase.trials.map((trial) => {
      const file = trialChartFile(summary, trial);
      return trialText(trial, summary.knobs, {
        chartFile: files.has(file) ? file : undefined,
        isOverload: phase.strategy?.overload !== undefined,
      });
    }),
  ];
}

function doneText({ observations, probes, trials, turns, strategy }: PhaseSummary): string {
  const because = turns.map(turnText).join("");
  const preset = strategy?.preset
    ? ` The preset ${plain(strategy.preset.metric)} ${strategy.preset.from} -> ${strategy.preset.to} was the hypothesis to start from, not a result.`
    : "";
  const [first] = turns;
  const seqs = first ? seqsOf(first) : [];
  return `Done: ${countOf(observations.length, "observation")}, ${countOf(probes.length, "probe")}, ${countOf(trials.length, "trial")} (${cite(seqs)}).${because}${preset}`;
}

type Turn = PhaseSummary["turns"][number];

function seqsOf({ started, finished }: Turn): readonly number[] {
  return [started.seq, ...(finished ? [finished.seq] : [])];
}

/** A phase that ended for want of time may have gone on after the others. */
function turnText(turn: Turn, index: number): string {
  const { finished } = turn;
  const again =
    index === 0
      ? ""
      : ` **Gone on with**, in the time that the other phases left (${cite(seqsOf(turn))}).`;
  const end = finished
    ? ` It ended because: ${sentence(plain(finished.event.because))}`
    : " The journal holds no end of it.";
  return `${again}${end}`;
}

/** Each kept candidate against the incumbent of its own time; such steps do not add up, the confirmation does that. */
function beforeAfter(phase: PhaseSummary): string {
  const { objective } = phase;
  const kept = phase.trials.flatMap((trial) =>
    trial.verdict === "keep" && trial.effect ? [{ trial, effect: trial.effect }] : [],
  );
  if (kept.length > 0)
    return `Before and after, each kept candidate against the incumbent of its time:\n\n${table(
      [
        "kept",
        "metric",
        "before",
        "after",
        "change",
        intervalTitle(kept.map(({ effect }) => effect)),
        "pairs",
        "source",
      ],
      kept.map(({ trial, effect }) => [
        plain(trial.candidate.id),
        metricOf(effect.metric).title,
        formatMetric(effect.metric, effect.incumbentMedian),
        formatMetric(effect.metric, effect.candidateMedian),
        formatEffectChange(effect),
        formatInterval(effect),
        String(effect.pairs),
        cite(trial.seqs),
      ]),
    )}`;
  if (objective === undefined) return "Before and after are the same: nothing was kept.";
  return `Before and after are the same: nothing was kept. ${metricOf(objective).title} as observed: ${observedValue(phase, objective)}.`;
}

function observedValue({ observations }: PhaseSummary, metric: MetricId): string {
  const first = observations[0];
  if (!first?.event.sample.valid) return NOT_MEASURED;
  return `${formatMetric(metric, metricValue(first.event.sample, metric))} (one window, ${cite([first.seq])})`;
}

function observedText({ observations }: PhaseSummary): string | undefined {
  const first = observations[0];
  if (!first) return undefined;
  const facts = observationFacts(first.event.observation);
  const tasks = observedTasks(first.event.sample);
  if (facts.length === 0 && tasks === undefined) return undefined;
  return blocks([
    facts.length > 0
      ? `Observed on the incumbent (${cite([first.seq])}):\n\n${list(facts)}`
      : undefined,
    tasks === undefined
      ? undefined
      : `Bulk work of that window, beside its requests (${cite([first.seq])}):\n\n${tasks}`,
  ]);
}

function probesTable(phase: PhaseSummary, knobs: readonly Knob[]): string | undefined {
  const { probes, objective } = phase;
  if (probes.length === 0) return undefined;
  const title = objective === undefined ? "objective" : metricOf(objective).title;
  return blocks([
    "Probes, one window each, to steer the search; they decide nothing:",
    table(
      ["setting", `${title}, one window`, "why", "source"],
      probes.map(({ seq, event }) => [
        event.changes.map((change) => plain(describeChange(change, knobs))).join("; "),
        event.sample.valid
          ? formatMetric(
              objective ?? "api.latencyP95Ms",
              objective === undefined ? undefined : metricValue(event.sample, objective),
            )
          : `invalid: ${plain(event.sample.invalidBecause.join("; "))}`,
        plain(event.why),
        cite([seq]),
      ]),
    ),
  ]);
}
