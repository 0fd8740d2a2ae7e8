/** The tables of a gate: counters, metrics, limits, watched metrics, windows. */
import type {
  CounterFinding,
  GateResult,
  GateWindow,
  MetricVerdict,
  SloVerdict,
} from "../../core/gate.ts";
import { metricOf, type MetricId } from "../../core/metric.ts";
import type { Effect } from "../../core/trial.ts";
import { isUsable, readEffect } from "../effects.ts";
import {
  formatDetectable,
  formatEffectChange,
  formatInterval,
  formatMetric,
  neat,
  NOT_MEASURED,
} from "../format.ts";
import { shortened, table, verdictWord, type Block, type Cell } from "../outputs/document.ts";
import { COUNTER_TITLES, formatCount, intervalHeader } from "./words.ts";

export const FINDINGS_SHOWN = 20;
export const SUBJECT_CHARACTERS_SHOWN = 200;
const ENDPOINT_CHARACTERS_SHOWN = 60;

export function findingsTable(findings: readonly CounterFinding[]): Block | undefined {
  const rows = findings
    .slice(0, FINDINGS_SHOWN)
    .map((finding): readonly Cell[] => [
      COUNTER_TITLES[finding.counter],
      { text: shortened(finding.endpoint, ENDPOINT_CHARACTERS_SHOWN), code: true },
      formatCount(finding.base),
      formatCount(finding.head),
      { text: shortened(finding.subject ?? "", SUBJECT_CHARACTERS_SHOWN), code: true },
    ]);
  return table(["a request causes", "endpoint", "base", "head", "statement or command"], rows);
}

export function metricsTable(metrics: readonly MetricVerdict[]): Block | undefined {
  const effects = metrics.flatMap(({ effect }) => (isUsable(effect) ? [effect] : []));
  const rows = metrics.map((each): readonly Cell[] => [
    metricOf(each.metric).title,
    ...effectCells(each.metric, each.effect),
    String(each.pairs),
    neat(formatDetectable(each.metric, each.margin)),
    verdictWord(each.verdict, remarkOf(each)),
  ]);
  return table(
    ["metric", "base", "head", "change", intervalHeader(effects), "pairs", "margin", "verdict"],
    rows,
  );
}

export function watchedTable(watched: readonly Effect[]): Block | undefined {
  const usable = watched.filter(isUsable);
  const rows = usable.map((effect): readonly Cell[] => [
    metricOf(effect.metric).title,
    ...effectCells(effect.metric, effect),
    String(effect.pairs),
    readEffect(effect),
  ]);
  return table(
    ["metric", "base", "head", "change", intervalHeader(usable), "pairs", "reading"],
    rows,
  );
}

export function slosTable(slos: readonly SloVerdict[]): Block | undefined {
  const rows = slos.map(({ slo, verdict, value, low, high, windows }): readonly Cell[] => [
    { text: shortened(slo.text, ENDPOINT_CHARACTERS_SHOWN), code: true },
    formatMetric(slo.metric, value),
    intervalOf(slo.metric, { low, high }),
    String(windows),
    verdictWord(verdict),
  ]);
  return table(["limit", "measured", "95 % interval", "windows", "verdict"], rows);
}

/** Of a value over windows; a spread needs some of them. */
export function intervalOf(
  metric: MetricId,
  { low, high }: { readonly low?: number | undefined; readonly high?: number | undefined },
): string {
  if (low === undefined || high === undefined) return "too few windows";
  return `${formatMetric(metric, low)} to ${formatMetric(metric, high)}`;
}

/** Every window in the order of measuring, with the gated metrics. */
export function windowsTable(
  windows: readonly GateWindow[],
  metrics: readonly { readonly metric: MetricId }[],
): Block | undefined {
  const rows = windows.map((window): readonly Cell[] => [
    window.block === "confirm" ? "confirmation" : "trial",
    String(window.pair + 1),
    window.role === "incumbent" ? "base" : "head",
    ...metrics.map(({ metric }) => formatMetric(metric, window.metrics[metric])),
    window.valid ? "yes" : window.invalidBecause.map((each) => shortened(each, 200)).join("; "),
  ]);
  const titles = metrics.map(({ metric }) => metricOf(metric).title);
  return table(["block", "pair", "side", ...titles, "valid"], rows);
}

/** Details of what did not simply pass. */
export function metricDetails(metrics: readonly MetricVerdict[]): readonly string[] {
  return metrics.flatMap(({ metric, verdict, detail, confirmation }) => {
    if (verdict === "pass") return [];
    const fresh = confirmation
      ? ` Measured again with fresh processes and swapped ports: ${changeInWords(confirmation.effect)}, ${confirmation.confirmed ? "confirmed" : "not confirmed"}.`
      : "";
    return [`${metricOf(metric).title}: ${stopped(detail)}${fresh}`];
  });
}

export function sloDetails(slos: readonly GateResult["slos"][number][]): readonly string[] {
  return slos.flatMap(({ slo, verdict, detail }) =>
    verdict === "pass" ? [] : [`\`${slo.text.replaceAll("`", "'")}\`: ${detail}`],
  );
}

/** `+6.1 % (+4.0 % to +8.2 %, 14 pairs)`. */
export function changeInWords(effect: Effect): string {
  if (!isUsable(effect)) return NOT_MEASURED;
  return `${formatEffectChange(effect)} (${formatInterval(effect)}, ${effect.pairs} pairs)`;
}

/** With a full stop, so that another sentence can follow. */
function stopped(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function effectCells(metric: MetricId, effect: Effect | undefined): readonly Cell[] {
  if (!isUsable(effect)) return [NOT_MEASURED, NOT_MEASURED, NOT_MEASURED, NOT_MEASURED];
  return [
    formatMetric(metric, effect.incumbentMedian),
    formatMetric(metric, effect.candidateMedian),
    formatEffectChange(effect),
    formatInterval(effect),
  ];
}

function remarkOf({ verdict, confirmation, effect }: MetricVerdict): string | undefined {
  if (confirmation) return confirmation.confirmed ? "confirmed" : "not confirmed";
  return verdict === "pass" && isUsable(effect) && readEffect(effect) === "better"
    ? "better"
    : undefined;
}
