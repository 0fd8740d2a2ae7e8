/** Section "predicted against measured": what was said of each candidate before its trial, and what the trial showed. */
import { metricOf } from "../../core/metric.ts";
import { cite, formatMetric } from "../format.ts";
import { blocks, plain, table } from "../markdown-text.ts";
import { agreementInWords, checkPredictions, formatPredicted } from "../predictions.ts";
import type { Summary } from "../summary.ts";

/** Undefined when nothing was predicted. */
export function predictionsSection({ trials }: Summary): string | undefined {
  const checks = trials.flatMap((trial) =>
    checkPredictions(trial).map((checked) => ({ trial, checked })),
  );
  if (checks.length === 0) return undefined;
  const compared = checks.filter(({ checked }) => checked.agreement !== "not measured");
  const held = compared.filter(({ checked }) => checked.agreement === "within").length;
  return blocks([
    `${held} of ${compared.length} predictions held: a share within 1 point, anything else within the bounds that were predicted. What explains a difference stands with the candidate's trial. Nothing is decided by a prediction.`,
    table(
      ["candidate", "metric", "predicted", "measured", "reading", "source"],
      checks.map(({ trial, checked }) => {
        const { prediction, measured, agreement } = checked;
        const words = agreementInWords(checked);
        return [
          plain(trial.candidate.id),
          metricOf(prediction.metric).title,
          formatPredicted(prediction),
          formatMetric(prediction.metric, measured),
          agreement === "off" ? `**${words}**` : words,
          cite(trial.seqs),
        ];
      }),
    ),
  ]);
}
