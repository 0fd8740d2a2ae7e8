/** Index advice as candidates of a run, with their evidence: the whole set first, then its best index alone. */
import type { IndexAdvice, SelectedIndex } from "../../core/advice.ts";
import { describeIndex } from "../../core/index-definition.ts";
import type { Change } from "../../core/knob.ts";
import type { Candidate } from "../../core/trial.ts";
import { formatBytes, formatDuration, formatRatio, significant } from "../../core/units.ts";

/** Below this share of the statements' time the planner's own error is larger than the promise. */
const GAIN_LEAST = 0.03;
const REASONS_SHOWN = 6;
const STATEMENTS_SHOWN = 4;
const SQL_SHOWN = 200;

export type IndexTrial = Omit<Candidate, "id" | "tuner">;

/** In the order to try them; or why there are none. */
export function indexTrials(
  advice: IndexAdvice,
  keptBefore: boolean,
): readonly IndexTrial[] | string {
  if (advice.skipped !== undefined) return advice.skipped;
  const share = Math.max(0, 1 - advice.totals.relativeCost);
  if (advice.selected.length === 0) return nothingToBuild(advice, keptBefore);
  if (share < GAIN_LEAST) {
    return `by the planner's costs indexes would save ${formatRatio(share)} of the statements' time, less than ${formatRatio(GAIN_LEAST)}`;
  }
  const [best] = advice.selected.toSorted((a, b) => b.gain - a.gain);
  return [advice.selected, best ? [best] : []].map((indexes) => ({
    hypothesis: hypothesisOf(indexes, advice),
    changes: indexes.map((each): Change => ({ kind: "create-index", index: each.index })),
    evidence: [
      ...indexes.flatMap((each) => evidenceOf(each, advice)),
      ...advice.findings.map(describeFinding),
    ],
  }));
}

function hypothesisOf(indexes: readonly SelectedIndex[], advice: IndexAdvice): string {
  const names = indexes.map((each) => describeIndex(each.index)).join(", ");
  const whole = indexes.length === advice.selected.length;
  const saved = whole
    ? formatRatio(1 - advice.totals.relativeCost)
    : `at least ${formatRatio(Math.min(1, indexes[0]?.gain ?? 0))}`;
  return `${indexes.length === 1 ? "an index on" : "indexes on"} ${names} take ${saved} off the statements' time, by the planner's costs`;
}

function evidenceOf(selected: SelectedIndex, advice: IndexAdvice): readonly string[] {
  const { index, bytes, gaining, writes } = selected;
  const statements = new Map(advice.statements.map((each) => [each.id, each]));
  const calls = gaining.reduce((sum, each) => sum + (statements.get(each.id)?.calls ?? 0), 0);
  const written = Math.round(writes.inserts + writes.updates + writes.deletes);
  const inPlace = writes.hotLost > 0 ? `, ${Math.round(writes.hotLost)} no longer in place` : "";
  const gains = gaining.slice(0, STATEMENTS_SHOWN).map((each) => {
    const statement = statements.get(each.id);
    const sql = (statement?.sql ?? each.id).replace(/\s+/g, " ").trim();
    const shown = sql.length > SQL_SHOWN ? `${sql.slice(0, SQL_SHOWN - 1)}…` : sql;
    return `cost ${significant(each.costBefore)} to ${significant(each.costAfter)} for ${statement?.calls ?? "unknown"} calls of: ${shown}`;
  });
  return [
    `index on ${describeIndex(index)}: ${formatBytes(bytes)} (estimated), read by ${calls} statements of the window and kept up to date for ${written} written rows${inPlace}; ${selected.because}`,
    ...gains,
  ];
}

function describeFinding(finding: IndexAdvice["findings"][number]): string {
  const what = [finding.index, finding.table, finding.statement].filter(Boolean).join(" on ");
  return `reported only: ${finding.kind}${what === "" ? "" : ` ${what}`}: ${finding.detail}`;
}

function nothingToBuild(advice: IndexAdvice, keptBefore: boolean): string {
  if (keptBefore) return "with the kept indexes no further one is expected to pay";
  const reasons = advice.rejected
    .slice(0, REASONS_SHOWN)
    .map((each) => `${describeIndex(each.index)}: ${each.reason}`);
  const more = advice.rejected.length - reasons.length;
  const seen = `${advice.workload.statements} statements took ${formatDuration(advice.workload.totalMs ?? 0)} in the window`;
  const because =
    reasons.length > 0 ? ` ${reasons.join("; ")}${more > 0 ? `; and ${more} more` : ""}` : "";
  return `no index is expected to pay: ${seen}.${because}`;
}
