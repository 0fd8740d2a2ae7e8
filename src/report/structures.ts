/** Plans for views and partitions in words: what is predicted, what a copy showed, and that nobody applied them. */
import type {
  RewriteProof,
  StructurePlan,
  StructureProof,
  StructureRewrite,
} from "../core/structure.ts";
import { formatBytes, formatDuration, formatRatio, significant } from "../core/units.ts";
import { factorChange } from "./advice/words.ts";
import { NOT_MEASURED } from "./format.ts";

export const PROOF_HEADERS = [
  "statement",
  "predicted",
  "same rows",
  "before",
  "after",
  "change, with interval",
  "partitions read",
] as const;

/** Said once above all plans. */
export const NEVER_APPLIED =
  "Plans are never applied by perfopt: another structure of the data is a decision of its owners. What was measured was measured in a copy, which is gone.";

export function proofOf(
  plan: StructurePlan,
  proofs: readonly StructureProof[] | undefined,
): StructureProof["outcome"] | undefined {
  return proofs?.find((proof) => proof.plan === plan.id)?.outcome;
}

/** One row for each statement, measured or not, the cells of PROOF_HEADERS. */
export function proofRows(
  { rewrites }: StructurePlan,
  outcome: StructureProof["outcome"] | undefined,
): readonly (readonly string[])[] {
  const measured = outcome?.kind === "proven" ? outcome.rewrites : [];
  return rewrites.map((rewrite) => {
    const proof = measured.find(({ statement }) => statement === rewrite.statement);
    return [rewrite.statement, predictedInWords(rewrite), ...measuredCells(proof)];
  });
}

function predictedInWords({ predicted, expected }: StructureRewrite): string {
  if (!predicted) return expected === "slower" ? "no gain" : "not predicted";
  return `cost ${significant(predicted.costBefore)} to ${significant(predicted.costAfter)}`;
}

function measuredCells(proof: RewriteProof | undefined): readonly string[] {
  if (!proof) return ["not proven", NOT_MEASURED, NOT_MEASURED, NOT_MEASURED, ""];
  const { beforeMs, afterMs, ratio, executions, pruning } = proof;
  return [
    sameInWords(proof),
    formatDuration(beforeMs),
    formatDuration(afterMs),
    `${factorChange(ratio.estimate)} (${factorChange(ratio.low)} to ${factorChange(ratio.high)}; ${executions} pairs, ${formatRatio(ratio.confidence)})`,
    pruning ? `${pruning.read} of ${pruning.of}` : "",
  ];
}

function sameInWords({ sameRows, compared, rows }: RewriteProof): string {
  if (!sameRows) return "no";
  const values = `${compared} ${compared === 1 ? "set" : "sets"} of values`;
  // Two empty results are alike whatever a statement means.
  return rows === 0 ? `no rows came (${values})` : `yes (${values})`;
}

/** Sentences on one plan: proof, price, upkeep, caveats. */
export function planFacts(
  plan: StructurePlan,
  outcome: StructureProof["outcome"] | undefined,
): readonly string[] {
  return [
    proofInWords(outcome),
    ...priceOf(outcome),
    `Upkeep: ${plan.upkeep}.`,
    ...plan.caveats.map((each) => `Note: ${each}.`),
    ...plan.steps.map((step, index) => `Step ${index + 1}, by hand: ${step}.`),
  ];
}

function proofInWords(outcome: StructureProof["outcome"] | undefined): string {
  if (!outcome)
    return "Not proven: it was not tried on a copy; what is predicted is the planner's.";
  if (outcome.kind === "failed") return `Not proven: ${outcome.because}.`;
  const empty = outcome.rewrites.filter(({ rows }) => rows === 0);
  const left = [
    ...outcome.unmeasured.map(({ statement, because }) => `not timed: ${statement}: ${because}`),
    ...empty.map(({ statement }) => `${statement} gave no rows that could be compared`),
  ];
  return left.length === 0
    ? "Proven on a copy: both forms gave the same rows (floating-point numbers within 1e-9 of each other), and were timed in turns."
    : `Partly proven on a copy; ${left.join("; ")}.`;
}

function priceOf(outcome: StructureProof["outcome"] | undefined): readonly string[] {
  if (outcome?.kind !== "proven") return [];
  const { bytes, buildMs, upkeepMs } = outcome;
  const refresh = upkeepMs === undefined ? "" : `, refreshed in ${formatDuration(upkeepMs)}`;
  return [
    `Price on the copy: ${formatBytes(bytes)}, made in ${formatDuration(buildMs)}${refresh}.`,
  ];
}

/** SQL to apply and to undo, and each statement as it would be sent then. */
export function planSql(plan: StructurePlan): readonly string[] {
  return [
    `-- ${plan.id}: to apply`,
    ...plan.apply.map(terminated),
    "-- to undo",
    ...plan.revert.map(terminated),
    ...(plan.kind === "materialised-view"
      ? plan.rewrites.flatMap(({ statement, after }) => [
          `-- statement ${oneLine(statement)} is then, for example`,
          terminated(after),
        ])
      : []),
  ];
}

function terminated(sql: string): string {
  return `${oneLine(sql)};`;
}

/** A comment of a statement would hide the rest of its line. */
function oneLine(sql: string): string {
  return sql.replaceAll(/\s+/g, " ").trim();
}
