/** A self-test's result as a document: what this machine can see, and what to set when that is too little. */
import type { GateVerdict, MetricNoise, SelfTestResult } from "../../core/gate.ts";
import { metricOf } from "../../core/metric.ts";
import { isUsable, readEffect } from "../effects.ts";
import { countOf, formatDetectable, neat } from "../format.ts";
import { sentence } from "../markdown-text.ts";
import {
  list,
  section,
  shortened,
  table,
  verdictWord,
  type Block,
  type Cell,
  type Document,
} from "../outputs/document.ts";
import { changeInWords, windowsTable } from "./tables.ts";
import {
  environmentFacts,
  formatCount,
  formatLength,
  invalidWindows,
  nameOf,
  runFacts,
  shortNameOf,
  sideInWords,
  windowsInWords,
} from "./words.ts";

const USUAL_REASON: Readonly<Record<GateVerdict, string>> = {
  pass: "this machine can see every margin",
  fail: "this machine cannot see every margin: a gate with them would cry wolf or see nothing",
  inconclusive: "it is not clear whether this machine can see every margin",
  invalid: "too little could be measured to say what this machine can see",
};

export function selfTestDocument(result: SelfTestResult): Document {
  const [reason = USUAL_REASON[result.verdict], ...reasons] = result.reasons;
  const side: Block = {
    kind: "text",
    text: `${sideInWords(result.side)} against itself, ${formatLength(result.msPerPair)} a pair.`,
  };
  const rest = list(reasons);
  return {
    kind: "self-test",
    name: nameOf(result),
    title: "perfopt gate --self-test",
    word: verdictWord(result.verdict),
    headline: shortened(reason, 400),
    lead: rest ? [side, rest] : [side],
    sections: [
      ...section("What this machine can see", "open", [noiseTable(result)]),
      ...section("What to set", "open", [list(settings(result))]),
      ...section("Counters", "open", [counterText(result)]),
      ...section("How it was measured", "folded", [list(howMeasured(result))]),
      ...section("Windows", "long", [windowsTable(result.windows, result.metrics)]),
    ],
  };
}

function noiseTable({ metrics, pairsMax }: SelfTestResult): Block | undefined {
  const rows = metrics.map((each): readonly Cell[] => [
    metricOf(each.metric).title,
    formatDetectable(each.metric, each.noise),
    changeInWords(each.effect),
    formatDetectable(each.metric, each.detectable),
    neat(formatDetectable(each.metric, each.margin)),
    each.pairsForMargin === null ? "no number of pairs" : String(each.pairsForMargin),
    each.msForMargin === null ? "-" : formatLength(each.msForMargin),
    each.ok ? { text: "yes", tone: "good" } : { text: "no", tone: "bad" },
  ]);
  return table(
    [
      "metric",
      "noise of a pair",
      "A/A difference",
      `found in ${countOf(pairsMax, "pair")}`,
      "margin",
      "pairs for it",
      "time for it",
      "can see it",
    ],
    rows,
  );
}

function settings({ metrics }: SelfTestResult): readonly string[] {
  const unlike = metrics.flatMap((each) => {
    if (!isUsable(each.effect) || readEffect(each.effect) === "no change shown") return [];
    return [
      `${metricOf(each.metric).title}: one build differs from itself by ${changeInWords(each.effect)}. The two sides are not treated alike here; look for what favours one of them before you trust a gate.`,
    ];
  });
  return [...unlike, ...metrics.filter(({ ok }) => !ok).map(settingOf)];
}

function settingOf({
  metric,
  detectable,
  margin,
  pairsForMargin,
  msForMargin,
}: MetricNoise): string {
  const { title } = metricOf(metric);
  const set = neat(formatDetectable(metric, margin));
  const wider = Number.isFinite(detectable)
    ? `a margin of ${formatDetectable(metric, detectable)} or more${optionFor(metric, detectable)}`
    : undefined;
  const longer =
    pairsForMargin === null
      ? undefined
      : `\`--pairs ${pairsForMargin}\`${msForMargin === null ? "" : `, about ${formatLength(msForMargin)},`} for a margin of ${set}`;
  const ways = [longer, wider].filter((way) => way !== undefined);
  return ways.length === 0
    ? `${title}: nothing helps on this machine; gate on it elsewhere, or leave it out with \`--metrics\`.`
    : `${title}: take ${ways.join(", or ")}; or leave it out with \`--metrics\`.`;
}

/** Rounded up to whole per cent, as people remember it; only shares can be typed. */
function optionFor(metric: MetricNoise["metric"], detectable: number): string {
  const { compare, unit } = metricOf(metric);
  const share = Math.ceil(detectable * 100);
  return compare === "ratio" || unit === "ratio"
    ? ` (\`--margin ${shortNameOf(metric)}=${share}%\`)`
    : "";
}

function counterText({ counters }: SelfTestResult): Block | undefined {
  if (!counters) return undefined;
  const noise = counters.findings.length;
  const differing =
    noise === 0 ? "" : ` ${countOf(noise, "counter")} of one build differ between two replays.`;
  return { kind: "text", text: `${sentence(counters.detail)}${differing}` };
}

function howMeasured(result: SelfTestResult): readonly string[] {
  const { rate, windows } = result;
  return [
    `Load: ${formatCount(rate.requestsPerSecond)} requests/s (${rate.how})`,
    windowsInWords(windows, result),
    ...invalidWindows(windows).map((each) => `Not used: ${each}`),
    ...environmentFacts(result.environment),
    runFacts(result),
  ];
}
