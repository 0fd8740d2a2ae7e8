/** The entry: a result in, the text of every output out. Pure. */
import { redactSecrets } from "../../core/errors.ts";
import { benchDocument } from "../bench.ts";
import { gateDocument } from "../gate/gate.ts";
import { selfTestDocument } from "../gate/self-test.ts";
import { badgeJson } from "./badge.ts";
import type { AnyResult } from "./checks.ts";
import type { Document } from "./document.ts";
import { junitXml } from "./junit.ts";
import { COMMENT_LIMIT, renderDocument, summaryLimit } from "./markdown.ts";
import { benchmarkActionJson, bencherJson } from "./measures.ts";
import { terminalText, type Paint } from "./terminal.ts";

/** What can be written of a result. */
export type OutputKind =
  | "result"
  | "markdown"
  | "junit"
  | "bencher"
  | "benchmark-smaller"
  | "benchmark-bigger"
  | "badge";

/** Undefined where a result has nothing of the kind: a self-test measures noise, not a version. */
export function renderOutput(result: AnyResult, kind: OutputKind): string | undefined {
  const version = result.schema === "perfopt-self-test/v1" ? undefined : result;
  switch (kind) {
    case "result":
      return `${redactSecrets(JSON.stringify(result, null, 2))}\n`;
    case "markdown":
      return renderDocument(documentOf(result), COMMENT_LIMIT);
    case "junit":
      return junitXml(result);
    case "bencher":
      return version && bencherJson(version);
    case "benchmark-smaller":
      return version && benchmarkActionJson(version, "lower");
    case "benchmark-bigger":
      return version && benchmarkActionJson(version, "higher");
    case "badge":
      return version && badgeJson(version);
  }
}

/** For a person at a terminal. */
export function renderText(result: AnyResult, paint: Paint): string {
  return terminalText(documentOf(result), paint);
}

/** For the summary of a step that has this many bytes already; undefined when there is no room. */
export function renderStepSummary(result: AnyResult, bytesUsed: number): string | undefined {
  return renderDocument(documentOf(result), summaryLimit(bytesUsed));
}

function documentOf(result: AnyResult): Document {
  switch (result.schema) {
    case "perfopt-gate/v1":
      return gateDocument(result);
    case "perfopt-self-test/v1":
      return selfTestDocument(result);
    case "perfopt-result/v1":
      return benchDocument(result);
  }
}
