/** What to do about a gate's verdict, for whoever has to. */
import type { GateResult, MetricVerdict } from "../../core/gate.ts";
import { metricOf } from "../../core/metric.ts";
import { countOf, formatDetectable, neat } from "../format.ts";

export function nextSteps(result: GateResult): readonly string[] {
  switch (result.verdict) {
    case "pass":
      return [];
    case "fail":
      return afterFail(result);
    case "inconclusive":
      return afterInconclusive(result);
    case "invalid":
      return [
        "Nothing can be said about this change: the load generator or the machine could not do its part. Use a quieter machine, a lower `--rate`, or a longer `--window`; `perfopt gate --self-test` says what this machine can see.",
      ];
  }
}

function afterFail({ counters, metrics, slos }: GateResult): readonly string[] {
  const steps: string[] = [];
  if (counters?.verdict === "fail") {
    steps.push(
      `The counters are exact: both sides answered the same requests. Running it again changes nothing; undo what added the work above.${metrics.length === 0 ? " With `--keep-going`, CPU time and latency are compared all the same." : ""}`,
    );
  }
  const failed = metrics.filter(({ verdict }) => verdict === "fail");
  if (failed.length > 0) {
    steps.push(
      `Profile the head under the same load: ${titles(failed)} got worse in interleaved pairs, and a fresh block said so again. Noise is not the cause.`,
    );
  }
  if (slos.some(({ verdict }) => verdict === "fail")) {
    steps.push(
      "A limit is absolute: it can be missed without any change between base and head. Look at the head's value first, then at the limit.",
    );
  }
  steps.push(
    "If the cost is intended, say so in the pull request and merge over the gate: the next base contains it.",
  );
  return steps;
}

function afterInconclusive({ metrics }: GateResult): readonly string[] {
  const steps = metrics.filter(({ verdict }) => verdict === "inconclusive").map(afterOneMetric);
  return steps.length > 0
    ? steps
    : ["More pairs (`--pairs`), longer windows (`--window`) or a quieter machine would decide it."];
}

function afterOneMetric(each: MetricVerdict): string {
  const { metric, confirmation, detectable, pairs, margin } = each;
  const { title } = metricOf(metric);
  if (confirmation && !confirmation.confirmed) {
    return `${title}: a regression was seen once and not again by a fresh block, so nothing fails. If it comes back in the next gate, look into it.`;
  }
  const set = neat(formatDetectable(metric, margin));
  if (detectable === undefined || !Number.isFinite(detectable)) {
    return `${title}: ${countOf(pairs, "pair")} are too few for a margin of ${set}; take more pairs (\`--pairs\`).`;
  }
  return `${title}: these ${countOf(pairs, "pair")} could find ${formatDetectable(metric, detectable)}, and the margin is ${set}. More pairs (\`--pairs\`) or a larger margin (\`--margin\`) would decide it.`;
}

function titles(metrics: readonly MetricVerdict[]): string {
  return metrics.map(({ metric }) => metricOf(metric).title).join(", ");
}
