/** Everything wrong that the advisor sees beside missing indexes: reported with the SQL that would mend it, and never changed. */
import type { Finding } from "../../../core/advice.ts";
import { brokenIndexes } from "./broken.ts";
import { needlessIndexes } from "./needless.ts";
import { unindexedForeignKeys } from "./foreign-keys.ts";
import { findingBounds } from "./input.ts";
import type { FindingsInput } from "./input.ts";
import { remedyFindings } from "./remedies.ts";
import { statisticsFindings } from "./statistics.ts";

export function findingsOf(input: FindingsInput): readonly Finding[] {
  const bounds = { ...findingBounds, ...input.bounds };
  return [
    ...largestFirst([...brokenIndexes(input, bounds), ...needlessIndexes(input, bounds)]),
    ...unindexedForeignKeys(input, bounds),
    ...statisticsFindings(input, bounds),
    ...remedyFindings(input),
  ];
}

function largestFirst(findings: readonly Finding[]): readonly Finding[] {
  return findings.toSorted((a, b) => (b.bytes ?? 0) - (a.bytes ?? 0));
}
