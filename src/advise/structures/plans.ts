/** Plans for materialised views and partitioning: from statements and what is known of the database. Nothing is ever applied by them. */
import type { StructureAdvice, StructurePlan, StructureRefusal } from "../../core/structure.ts";
import { catalogOf } from "../indexes/snapshot/catalog-of.ts";
import { defaultStructureLimits, type StructureInput, type StructureStudy } from "./input.ts";
import { partitionPlans } from "./partition-plans.ts";
import { viewPlanOf } from "./view-plans.ts";

/**
 * Reads no clock and no database: costs and numbers of rows are asked of `plan`. The heaviest statements first; for each that makes few
 * rows of many there is a plan or a reason, and so for each large table.
 */
export async function structuresOf(input: StructureInput): Promise<StructureAdvice> {
  const limits = { ...defaultStructureLimits, ...input.limits };
  const study: StructureStudy = { ...input, limits, catalog: catalogOf(input.snapshot) };
  const statements = input.workload.statements.slice(0, limits.statementsMax);
  const plans: StructurePlan[] = [];
  const refused: StructureRefusal[] = [];
  for (const statement of statements) {
    if (plans.length >= limits.plansMax) break;
    const found = await viewPlanOf(statement, study, plans.length + 1);
    if (found.kind === "plan") addPlan(plans, found.plan);
    else if (found.kind === "refused") refused.push(found.refusal);
  }
  const partitioned = await partitionPlans(statements, study);
  return {
    plans: [...plans, ...partitioned.plans],
    refused: [...refused, ...partitioned.refused],
  };
}

/** One view may answer several statements. */
function addPlan(plans: StructurePlan[], plan: StructurePlan): void {
  const at = plans.findIndex((each) => filling(each) === filling(plan));
  const same = plans[at];
  if (!same) {
    plans.push(plan);
    return;
  }
  const over = (sql: string): string => sql.replaceAll(nameIn(plan.makes), nameIn(same.makes));
  const added = plan.rewrites.map((each) => ({
    ...each,
    after: over(each.after),
    others: each.others.map(({ before, after }) => ({ before, after: over(after) })),
  }));
  plans[at] = {
    ...same,
    title: `${same.title} and ${plan.statements.join(", ")}`,
    statements: [...same.statements, ...plan.statements],
    rewrites: [...same.rewrites, ...added],
    caveats: [...new Set([...same.caveats, ...plan.caveats])],
  };
}

/** The query of a view, whatever the view is called. */
function filling({ apply, makes, kind }: StructurePlan): string {
  return `${kind} ${apply[0]?.replace(makes, "")}`;
}

/** A name with a number of its own, written with quotes or without. */
function nameIn(makes: string): string {
  return makes.split('"').at(-2) ?? makes;
}
