/** Plans for views and partitions that a phase's tuner had tried on a copy: in the report, and nowhere else. */
import type { StructureAdvice, StructurePlan, StructureProof } from "../../core/structure.ts";
import { cite } from "../format.ts";
import { blocks, codeBlock, list, plain, sentence, table } from "../markdown-text.ts";
import type { PhaseSummary } from "../phases.ts";
import {
  NEVER_APPLIED,
  planFacts,
  planSql,
  PROOF_HEADERS,
  proofOf,
  proofRows,
} from "../structures.ts";

const REFUSED_SHOWN = 8;

/** Undefined where the phase has no plans, and no reasons against any. */
export function structuresText({ observations }: PhaseSummary): string | undefined {
  for (const [later, { seq, event }] of observations.toReversed().entries()) {
    const advice = structuresIn(event.observation);
    if (advice) return textOf(advice, seq, later > 0);
  }
  return undefined;
}

/** `keptSince`: the phase has kept changes after it looked, which the measured forms did not have. */
function textOf(
  { plans, refused, proofs }: StructureAdvice,
  seq: number,
  keptSince: boolean,
): string | undefined {
  if (plans.length === 0 && refused.length === 0) return undefined;
  const shown = refused.slice(0, REFUSED_SHOWN);
  const more = refused.length - shown.length;
  return blocks([
    `Plans for another structure of the data (${cite([seq])}):`,
    plans.length === 0 ? "No view and no partitioning is expected to pay." : NEVER_APPLIED,
    plans.length > 0 && keptSince
      ? "They were tried before this phase kept its changes, and gain less where those help the same statements."
      : undefined,
    ...plans.map((plan) => planText(plan, proofOf(plan, proofs))),
    shown.length === 0
      ? undefined
      : list([
          ...shown.map(
            ({ of, because, kind }) =>
              `No ${kind === "partitioning" ? "partitioning" : "view"} for ${plain(of)}: ${sentence(plain(because))}`,
          ),
          ...(more > 0 ? [`and ${more} more in the journal`] : []),
        ]),
  ]);
}

function planText(plan: StructurePlan, outcome: StructureProof["outcome"] | undefined): string {
  return blocks([
    `**${plain(plan.id)}**: ${sentence(plain(plan.title))}`,
    table(
      [...PROOF_HEADERS],
      proofRows(plan, outcome).map((row) => row.map(plain)),
    ),
    list(planFacts(plan, outcome).map(plain)),
    codeBlock("sql", planSql(plan)),
  ]);
}

/** Observations are plain data whose shape their tuner knows: this part of it is agreed. */
function structuresIn(observation: unknown): StructureAdvice | undefined {
  if (typeof observation !== "object" || observation === null) return undefined;
  const found: unknown = "structures" in observation ? observation.structures : undefined;
  return isAdvice(found) ? found : undefined;
}

function isAdvice(value: unknown): value is StructureAdvice {
  return (
    typeof value === "object" &&
    value !== null &&
    "plans" in value &&
    Array.isArray(value.plans) &&
    "refused" in value &&
    Array.isArray(value.refused)
  );
}
