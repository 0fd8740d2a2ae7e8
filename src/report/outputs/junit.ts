/** Checks as JUnit XML, the test report that every CI reads: a suite for the workload, a case for each metric, counter and limit. */
import { nameOf } from "../gate/words.ts";
import { checksOf, type AnyResult, type Check } from "./checks.ts";
import { clean } from "./document.ts";

/** fail is a failure; inconclusive and invalid are skipped, with the reason; a pass is a pass. */
export function junitXml(result: AnyResult): string {
  const checks = checksOf(result);
  const name = nameOf(result);
  const failures = checks.filter(({ verdict }) => verdict === "fail").length;
  const skipped = checks.filter(({ verdict }) => isSkipped(verdict)).length;
  const counts = attributes({
    tests: checks.length,
    failures,
    errors: 0,
    skipped,
    time: (result.tookMs / 1_000).toFixed(3),
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${attributes({ name: "perfopt" })}${counts}>`,
    `  <testsuite${attributes({ name })}${counts}${attributes({ timestamp: result.startedAt })}>`,
    ...propertyLines(suiteProperties(result), "    "),
    ...checks.flatMap((check) => caseLines(check, name)),
    "  </testsuite>",
    "</testsuites>",
    "",
  ].join("\n");
}

function caseLines(check: Check, suite: string): readonly string[] {
  const start = `    <testcase${attributes({ classname: suite, name: check.name })}`;
  const body = [...propertyLines(check.numbers, "      "), ...outcomeLines(check)];
  return body.length === 0 ? [`${start}/>`] : [`${start}>`, ...body, "    </testcase>"];
}

function outcomeLines({ verdict, message, details }: Check): readonly string[] {
  if (verdict === "pass") return [];
  const text = (details.length === 0 ? [message] : details).map(escaped).join("\n");
  return verdict === "fail"
    ? [`      <failure${attributes({ type: "regression", message })}>${text}</failure>`]
    : [`      <skipped${attributes({ message: `${verdict}: ${message}` })}/>`];
}

function suiteProperties(result: AnyResult): Readonly<Record<string, string | number>> {
  const common = {
    schema: result.schema,
    target: result.target,
    workload: result.workload,
    seed: result.seed,
  };
  if (result.schema !== "perfopt-gate/v1") return { ...common, side: result.side.label };
  const { base, head, verdict } = result;
  return {
    ...common,
    verdict,
    base: base.commit ?? base.label,
    head: head.commit ?? head.label,
  };
}

function propertyLines(
  properties: Readonly<Record<string, string | number>>,
  indent: string,
): readonly string[] {
  const entries = Object.entries(properties).filter(
    ([, value]) => typeof value === "string" || Number.isFinite(value),
  );
  if (entries.length === 0) return [];
  return [
    `${indent}<properties>`,
    ...entries.map(([name, value]) => `${indent}  <property${attributes({ name, value })}/>`),
    `${indent}</properties>`,
  ];
}

function attributes(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${escaped(String(value))}"`)
    .join("");
}

function isSkipped(verdict: Check["verdict"]): boolean {
  return verdict === "inconclusive" || verdict === "invalid";
}

function escaped(text: string): string {
  return clean(text)
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
