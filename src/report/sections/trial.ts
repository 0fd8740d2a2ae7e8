/** One trial: hypothesis, evidence, the paired effects, the decision and why, down to each pair. */
import type { Knob } from "../../core/knob.ts";
import { metricOf, type MetricId } from "../../core/metric.ts";
import type { Effect } from "../../core/trial.ts";
import { readEffect } from "../effects.ts";
import {
  cite,
  countOf,
  describeChange,
  describeEffect,
  formatDetectable,
  formatMetric,
  NOT_MEASURED,
} from "../format.ts";
import { blocks, fold, list, plain, sentence, table } from "../markdown-text.ts";
import type { TrialSummary } from "../phases.ts";
import { checkPredictions, describePrediction } from "../predictions.ts";
import { pairValues } from "../windows.ts";
import { effectsTable } from "./effects-table.ts";
import { usualBlockText } from "./overload.ts";

interface TrialFacts {
  /** Undefined: there was nothing to draw. */
  readonly chartFile: string | undefined;
  /** Its windows are overload, and its constraints were judged at the usual load. */
  readonly isOverload: boolean;
}

export function trialText(
  trial: TrialSummary,
  knobs: readonly Knob[],
  { chartFile, isOverload }: TrialFacts,
): string {
  const { candidate } = trial;
  const shown = shownEffects(trial);
  const rest = trial.effects.length - shown.length;
  return blocks([
    `#### ${plain(candidate.id)}: ${verdictWords[trial.verdict]}`,
    list([
      `Hypothesis: ${sentence(plain(candidate.hypothesis))}`,
      `Change: ${candidate.changes.map((change) => plain(describeChange(change, knobs))).join("; ") || "none"}.`,
      ...candidate.evidence.map((fact) => `Evidence: ${sentence(plain(fact))}`),
      `Result: ${resultText(trial)}`,
      ...checkPredictions(trial).map(
        (checked) => `Predicted against measured: ${plain(describePrediction(checked))}`,
      ),
      `Decision: ${decisionText(trial)}`,
      ...trial.constraints.map(
        ({ metric, ok, detail }) =>
          `Constraint ${metricOf(metric).title}${isOverload ? ", at the usual load" : ""}: ${ok ? "holds" : "**broken**"}, ${plain(detail)}`,
      ),
      ...(chartFile === undefined ? [] : [`Picture: [${chartFile}](${chartFile})`]),
    ]),
    isOverload && shown.length > 0
      ? "Under overload, where nothing but the objective is judged:"
      : undefined,
    shown.length > 0 ? effectsTable(shown, ["incumbent", "candidate"]) : undefined,
    rest > 0
      ? fold(
          `All ${trial.effects.length} metrics of this trial${isOverload ? ", under overload" : ""}`,
          effectsTable(trial.effects, ["incumbent", "candidate"]),
        )
      : undefined,
    pairsFold(trial),
    usualBlockText(trial),
  ]);
}

const verdictWords = {
  keep: "kept",
  discard: "discarded",
  inconclusive: "inconclusive, not kept",
  undecided: "not decided, not kept",
} as const;

function resultText(trial: TrialSummary): string {
  const { effect, metric } = trial;
  const where = cite(trial.seqs);
  if (effect) return `${metricOf(effect.metric).title} ${describeEffect(effect)} (${where}).`;
  const name = metric === undefined ? "the effect" : metricOf(metric).title;
  return `${name} ${NOT_MEASURED}, ${countOf(trial.block.pairs.length, "complete pair")} (${where}).`;
}

export function decisionText(trial: TrialSummary): string {
  const decision = trial.decided?.event.decision;
  if (!decision) return "none: the run ended during the trial, so the candidate was not kept.";
  switch (decision.verdict) {
    case "keep":
      return `kept. ${sentence(plain(decision.detail))}`;
    case "discard":
      return `discarded, ${discardWords[decision.because]}. ${sentence(plain(decision.detail))}`;
    case "inconclusive":
      return `inconclusive. ${sentence(plain(decision.detail))} ${detectableText(trial.metric, decision.detectable)}`;
  }
}

const discardWords = {
  "no-gain": "no gain worth keeping",
  worse: "proven worse",
  constraint: "a constraint was broken",
  failed: "it could not be carried out",
} as const;

function detectableText(metric: MetricId | undefined, detectable: number | undefined): string {
  if (metric === undefined || detectable === undefined || !Number.isFinite(detectable))
    return `What these pairs could have proven is ${NOT_MEASURED}.`;
  return `These pairs could have proven an effect of ${formatDetectable(metric, detectable)} or more; a smaller one stays unknown.`;
}

/** What the decision rests on: its metric, the constraints' metrics, and every metric that moved. */
function shownEffects(trial: TrialSummary): readonly Effect[] {
  const needed = new Set<MetricId>(
    trial.usual.windows.length > 0 ? [] : trial.constraints.map(({ metric }) => metric),
  );
  if (trial.metric !== undefined) needed.add(trial.metric);
  return trial.effects.filter(
    (effect) => needed.has(effect.metric) || readEffect(effect) !== "no change shown",
  );
}

function pairsFold({ block, metric }: TrialSummary): string | undefined {
  if (metric === undefined) return undefined;
  const pairs = pairValues(block, metric);
  const invalid = block.invalid.map(
    ({ seq, role, sample }) =>
      `${role}, ${cite([seq])}: ${plain(sample.invalidBecause.join("; ") || "no reason given")}`,
  );
  if (pairs.length === 0 && invalid.length === 0) return undefined;
  return fold(
    `Every pair: ${metricOf(metric).title}, ${countOf(pairs.length, "complete pair")}, ${countOf(invalid.length, "invalid window")}`,
    blocks([
      pairs.length > 0
        ? table(
            ["pair", "order", "incumbent", "candidate", "source"],
            pairs.map((pair, index) => [
              String(index + 1),
              pair.order.replace("-", " "),
              formatMetric(metric, pair.incumbent),
              formatMetric(metric, pair.candidate),
              cite(pair.seqs),
            ]),
          )
        : undefined,
      invalid.length > 0 ? `Invalid windows, never averaged in:\n\n${list(invalid)}` : undefined,
    ]),
  );
}
