/** Plans for views and partitions in the advisor's document, and why there are no more. */
import type { StructureAdvice } from "../../core/structure.ts";
import { list, table, type Block } from "../outputs/document.ts";
import {
  NEVER_APPLIED,
  planFacts,
  planSql,
  PROOF_HEADERS,
  proofOf,
  proofRows,
} from "../structures.ts";
import { ended, idOf } from "./words.ts";

const WIDTHS = [12, 16, 10, 9, 9, 20, 10];

export function structureBlocks(
  advice: StructureAdvice | undefined,
): readonly (Block | undefined)[] {
  if (!advice) return [];
  const { plans, proofs } = advice;
  if (plans.length === 0)
    return [{ kind: "text", text: "No view and no partitioning is expected to pay." }];
  return [
    { kind: "text", text: NEVER_APPLIED },
    ...plans.flatMap((plan) => {
      const outcome = proofOf(plan, proofs);
      return [
        { kind: "text", text: `${plan.id}: ${ended(plan.title)}` } satisfies Block,
        table(
          PROOF_HEADERS,
          proofRows(plan, outcome).map(([statement = "", ...cells]) => [
            { text: idOf(statement), code: true },
            ...cells,
          ]),
          WIDTHS,
        ),
        list(planFacts(plan, outcome)),
      ];
    }),
  ];
}

export function structureSql(advice: StructureAdvice | undefined): Block | undefined {
  if (!advice || advice.plans.length === 0) return undefined;
  return { kind: "code", language: "sql", lines: advice.plans.flatMap(planSql) };
}

export function refusedStructures(advice: StructureAdvice | undefined): Block | undefined {
  return list(
    (advice?.refused ?? []).map(
      ({ kind, of, because }) =>
        `${idOf(of)}: no ${kind === "partitioning" ? "partitioning" : "view"}: ${ended(because)}`,
    ),
  );
}
