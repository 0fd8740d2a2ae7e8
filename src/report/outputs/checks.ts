/** A result as single checks, for the formats that know nothing else: JUnit and GitHub's annotations. */
import type {
  CounterFinding,
  CounterVerdict,
  GateResult,
  GateVerdict,
  MetricNoise,
  MetricVerdict,
  SelfTestResult,
  SloVerdict,
} from "../../core/gate.ts";
import { metricOf } from "../../core/metric.ts";
import type { BenchResult } from "../../core/result.ts";
import { benchVerdict } from "../bench.ts";
import { isUsable } from "../effects.ts";
import { countOf } from "../format.ts";
import { changeInWords } from "../gate/tables.ts";
import { COUNTER_TITLES } from "../gate/words.ts";

export type AnyResult = GateResult | SelfTestResult | BenchResult;

export interface Check {
  /** The same from run to run: histories of tests are kept by it. */
  readonly name: string;
  readonly title: string;
  readonly verdict: GateVerdict;
  readonly message: string;
  /** One line each; the message is not among them. */
  readonly details: readonly string[];
  readonly numbers: Readonly<Record<string, number>>;
}

export function checksOf(result: AnyResult): readonly Check[] {
  switch (result.schema) {
    case "perfopt-gate/v1":
      return withOverall(result.verdict, result.reasons, [
        ...counterChecks(result.counters),
        ...result.metrics.map(metricCheck),
        ...result.slos.map(sloCheck),
      ]);
    case "perfopt-self-test/v1":
      return withOverall(result.verdict, result.reasons, result.metrics.map(noiseCheck));
    case "perfopt-result/v1":
      return [windowsCheck(result), ...result.slos.map(sloCheck)];
  }
}

/** A verdict that no single check explains is a check of its own, so that it cannot get lost. */
function withOverall(
  verdict: GateVerdict,
  reasons: readonly string[],
  checks: readonly Check[],
): readonly Check[] {
  if (checks.some((check) => check.verdict === verdict)) return checks;
  const [message = "no metric could be compared", ...details] = reasons;
  return [...checks, { name: "verdict", title: "verdict", verdict, message, details, numbers: {} }];
}

/** One for each endpoint and counter that grew; else one for all counters together. */
function counterChecks(counters: CounterVerdict | undefined): readonly Check[] {
  if (!counters) return [];
  const { findings, verdict, detail, unmeasured } = counters;
  const groups = new Map<string, CounterFinding[]>();
  for (const finding of findings.filter(({ kind }) => kind === "regression")) {
    const key = `${finding.counter} of ${finding.endpoint}`;
    groups.set(key, [...(groups.get(key) ?? []), finding]);
  }
  if (verdict !== "fail" || groups.size === 0) {
    const details = unmeasured.map((each) => `not counted: ${each}`);
    return [
      { name: "counters", title: "counters", verdict, message: detail, details, numbers: {} },
    ];
  }
  return [...groups].map(([key, group]) => counterCheck(key, group));
}

function counterCheck(key: string, findings: readonly CounterFinding[]): Check {
  const [first] = findings;
  const more = findings.length > 1 ? ` (and ${countOf(findings.length - 1, "more")})` : "";
  const title = first ? `${COUNTER_TITLES[first.counter]} of ${first.endpoint}` : key;
  return {
    name: `counter ${key}`,
    title,
    verdict: "fail",
    message: `${first?.detail ?? title}${more}`,
    details: findings.map(({ detail, subject }) =>
      subject === undefined ? detail : `${detail}: ${subject}`,
    ),
    numbers: {
      base: sumOf(findings.map(({ base }) => base)),
      head: sumOf(findings.map(({ head }) => head)),
    },
  };
}

function metricCheck(each: MetricVerdict): Check {
  const { metric, verdict, detail, effect, confirmation, margin, minEffect, pairs } = each;
  return {
    name: `metric ${metric}`,
    title: metricOf(metric).title,
    verdict,
    message: isUsable(effect)
      ? `${metricOf(metric).title} ${changeInWords(effect)}: ${detail}`
      : detail,
    details: confirmation
      ? [
          `fresh block: ${changeInWords(confirmation.effect)}, ${confirmation.confirmed ? "confirmed" : "not confirmed"}`,
        ]
      : [],
    numbers: {
      pairs,
      margin,
      minEffect,
      ...(each.detectable === undefined ? {} : { detectable: each.detectable }),
      ...(isUsable(effect)
        ? {
            base: effect.incumbentMedian,
            head: effect.candidateMedian,
            estimate: effect.estimate,
            low: effect.low,
            high: effect.high,
          }
        : {}),
    },
  };
}

function sloCheck({ slo, verdict, detail, value, low, high, windows }: SloVerdict): Check {
  return {
    name: `limit ${slo.text}`,
    title: slo.text,
    verdict,
    message: detail,
    details: [],
    numbers: {
      limit: slo.limit,
      windows,
      ...(value === undefined ? {} : { value }),
      ...(low === undefined ? {} : { low }),
      ...(high === undefined ? {} : { high }),
    },
  };
}

function noiseCheck(each: MetricNoise): Check {
  const { metric, ok, noise, detectable, margin, pairs, pairsForMargin } = each;
  const { title } = metricOf(metric);
  return {
    name: `noise ${metric}`,
    title,
    verdict: ok ? "pass" : "inconclusive",
    message: ok
      ? `${title}: its margin can be seen here`
      : `${title}: its margin is below what this machine can see`,
    details: [],
    numbers: {
      pairs,
      noise,
      detectable,
      margin,
      ...(pairsForMargin === null ? {} : { pairsForMargin }),
    },
  };
}

function windowsCheck(result: BenchResult): Check {
  const { windows } = result;
  const valid = windows.filter((window) => window.valid).length;
  const usable = benchVerdict({ ...result, slos: [] }) !== "invalid";
  return {
    name: "windows",
    title: "windows",
    verdict: usable ? "pass" : "invalid",
    message: `${valid} of ${countOf(windows.length, "window")} valid`,
    details: windows.flatMap(({ invalidBecause }, index) =>
      invalidBecause.length === 0 ? [] : [`window ${index + 1}: ${invalidBecause.join("; ")}`],
    ),
    numbers: { valid, windows: windows.length },
  };
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
