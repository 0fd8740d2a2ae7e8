/** Index advisor: proposes the indexes that the slowest statements' plans would use, as a set and then the best one alone. */
import { adviseIndexes } from "../advise/indexes/advise.ts";
import type { IndexAdvice, SelectedIndex } from "../advise/indexes/advise.ts";
import { describeIndex } from "../advise/indexes/name.ts";
import type { Change } from "../core/knob.ts";
import type { Ask, Past, Step, TargetView } from "../core/observation.ts";
import { formatBytes, formatDuration, formatRatio, significant } from "../core/units.ts";
import { done, erase, propose, trialsOf, wasTried } from "./tuner.ts";

export type IndexAdvisorObservation = IndexAdvice;

/** Below this share of the statements' time the planner's own error is larger than the promise. */
const GAIN_LEAST = 0.03;
const REASONS_SHOWN = 6;

export const indexAdvisor = erase<IndexAdvisorObservation>({
  id: "index-advisor",
  title: "Index advisor",
  rationale:
    "An index helps where a slow statement reads many rows to return few, or sorts what an index could return in order. It cannot help " +
    "small tables, statements that need most rows anyway, or expressions and patterns that a B-tree does not serve; every index makes writes dearer.",
  roles: [],
  observe: (view: TargetView) => adviseIndexes(view.database, view.statements),
  next,
});

function next(ask: Ask<IndexAdvisorObservation>): Step {
  const { observation: advice, history } = ask;
  if (advice.skipped !== undefined) return done(advice.skipped);
  const share = advice.totalMs > 0 ? advice.savedMs / advice.totalMs : 0;
  const last = trialsOf(history).at(-1);
  if (advice.selected.length === 0) return done(nothingToBuild(advice, last));
  if (share < GAIN_LEAST) {
    return done(
      `by the planner's costs indexes would save ${formatRatio(Math.max(0, share))} of the statements' time, less than ${formatRatio(GAIN_LEAST)}`,
    );
  }
  if (trialsOf(history).length >= ask.candidatesMax) return done("the candidates are used up");
  for (const indexes of [advice.selected, advice.selected.slice(0, 1)]) {
    const changes = indexes.map((each): Change => ({ kind: "create-index", index: each.index }));
    if (wasTried(history, changes)) continue;
    return propose("index-advisor", history, {
      hypothesis: hypothesisOf(indexes, advice),
      changes,
      evidence: [...indexes.flatMap(evidenceOf), ...advice.findings.map(describeFinding)],
    });
  }
  return done("the whole set and the best index alone were tried");
}

function hypothesisOf(indexes: readonly SelectedIndex[], advice: IndexAdvice): string {
  const names = indexes
    .map((each) => describeIndex(each.index.table, each.index.columns))
    .join(", ");
  const savedMs =
    indexes.length === advice.selected.length
      ? advice.savedMs
      : sum(indexes.map((each) => each.savedAloneMs));
  return `${indexes.length === 1 ? "an index on" : "indexes on"} ${names} take ${formatRatio(Math.min(1, savedMs / advice.totalMs))} off the statements' time, by the planner's costs`;
}

function evidenceOf(selected: SelectedIndex): readonly string[] {
  const { index, sizeBytes, statements, writes } = selected;
  const calls = sum(statements.map((each) => each.calls));
  const written = writes.inserts + writes.updates + writes.deletes;
  const inPlace =
    writes.updatesOfColumns > 0 ? `, ${writes.updatesOfColumns} of them set its columns` : "";
  const gains = statements.map(
    (each) =>
      `cost ${significant(each.costBefore)} to ${significant(each.costAfter)} for ${each.calls} calls of: ${each.sql}`,
  );
  return [
    `index on ${describeIndex(index.table, index.columns)}: ${formatBytes(sizeBytes)}, read by ${calls} and kept up to date by ${written} statements a window${inPlace}`,
    ...gains,
  ];
}

function describeFinding(finding: IndexAdvice["findings"][number]): string {
  return `reported only: ${finding.kind} index ${finding.index} on ${finding.table} (${formatBytes(finding.bytes)}): ${finding.detail}`;
}

function nothingToBuild(
  advice: IndexAdvice,
  last: Extract<Past, { kind: "trial" }> | undefined,
): string {
  if (last?.decision.verdict === "keep")
    return "with the kept indexes no further one is expected to pay";
  const reasons = advice.rejected
    .slice(0, REASONS_SHOWN)
    .map((each) => `${describeIndex(each.table, each.columns)}: ${each.reason}`);
  const more = advice.rejected.length - reasons.length;
  const seen = `${advice.statements.length} statements took ${formatDuration(advice.totalMs)} in the window`;
  const because =
    reasons.length > 0 ? ` ${reasons.join("; ")}${more > 0 ? `; and ${more} more` : ""}` : "";
  return `no index is expected to pay: ${seen}.${because}`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
