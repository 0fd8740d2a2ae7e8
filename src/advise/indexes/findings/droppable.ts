/** Whether existing indexes can go: their drop is simulated with the planner, and the statements that would cost more are named. */
import type { DropSimulation, Finding, StatementEffect } from "../../../core/advice.ts";
import type { IndexSet, Plan, PlannableStatement, WhatIf } from "../what-if.ts";

export interface DropOptions {
  /** Indexes of this advice, which the planner is to have as well. */
  readonly with?: readonly string[];
  /** A statement's cost may grow by this factor before it is named. */
  readonly riseMost?: number;
}

/** The planner's own rounding of costs is far below. */
const RISE_MOST = 1.01;
const NAMED_MOST = 3;
const DROPPED: ReadonlySet<Finding["kind"]> = new Set(["unused", "duplicate", "redundant"]);

/**
 * The findings, those that would drop an index with what the planner makes of it. They are dropped one after another, so that what
 * is said of one holds with those before it gone; one whose drop would cost a statement stays for the rest, and loses its SQL.
 */
export async function droppable(
  whatIf: WhatIf,
  statements: readonly PlannableStatement[],
  findings: readonly Finding[],
  options: DropOptions = {},
): Promise<readonly Finding[]> {
  const gone: string[] = [];
  const simulated: Finding[] = [];
  for (const finding of findings) {
    const index = droppedIndex(finding);
    if (index === undefined) {
      simulated.push(finding);
      continue;
    }
    const simulation = await simulateDrop(whatIf, statements, [...gone, index], {
      ...options,
      before: gone,
    });
    // What nobody is told to drop stays for the others.
    if (isHarmless(simulation) && finding.sql !== undefined) gone.push(index);
    simulated.push(withSimulation(finding, simulation));
  }
  return simulated;
}

/** What statements cost without these existing indexes (`schema.name`), against the same without those of `before`. */
export async function simulateDrop(
  whatIf: WhatIf,
  statements: readonly PlannableStatement[],
  without: readonly string[],
  options: DropOptions & { readonly before?: readonly string[] } = {},
): Promise<DropSimulation> {
  const base: IndexSet = { with: options.with ?? [], without: options.before ?? [] };
  const rises: StatementEffect[] = [];
  const failed: string[] = [];
  let planned = 0;
  let using = 0;
  const names = new Set(without.map(unqualified));
  for (const statement of statements) {
    const before = await planOf(whatIf, statement, base);
    if (!before) continue;
    planned += 1;
    // A plan that does not read the index stays the cheapest one without it.
    if (!before.indexes.some((name) => names.has(name))) continue;
    using += 1;
    const after = await planOf(whatIf, statement, { ...base, without });
    if (!after) failed.push(statement.id);
    else if (after.cost > before.cost * (options.riseMost ?? RISE_MOST))
      rises.push({ id: statement.id, costBefore: before.cost, costAfter: after.cost });
  }
  return {
    statements: planned,
    using,
    rises: rises.toSorted((a, b) => factor(b) - factor(a)),
    failed,
  };
}

async function planOf(
  whatIf: WhatIf,
  statement: PlannableStatement,
  set: IndexSet,
): Promise<Plan | undefined> {
  const explained = await whatIf.plan(statement, set);
  return explained.kind === "plan" ? explained.plan : undefined;
}

function droppedIndex({ kind, table, index }: Finding): string | undefined {
  if (!DROPPED.has(kind) || table === undefined || index === undefined) return undefined;
  return `${table.slice(0, table.indexOf("."))}.${index}`;
}

function withSimulation(finding: Finding, simulated: DropSimulation): Finding {
  const { rises, statements, using, failed } = simulated;
  if (isHarmless(simulated)) {
    const reading =
      using === 0
        ? `no plan of ${statements} statements reads it`
        : `${using} of ${statements} statements read it, and plan as cheaply without it`;
    return { ...finding, simulated, detail: `${finding.detail}. The drop simulated: ${reading}` };
  }
  const named = rises
    .slice(0, NAMED_MOST)
    .map((each) => `${each.id} (${factor(each).toFixed(1)} times the cost)`);
  const { sql: _, ...rest } = finding;
  if (rises.length === 0) {
    const detail = `${finding.detail}. The drop could not be simulated for ${failed.join(", ")}`;
    return { ...rest, simulated, detail };
  }
  const more = rises.length > NAMED_MOST ? ` and ${rises.length - NAMED_MOST} more` : "";
  return {
    ...rest,
    simulated,
    detail: `${finding.detail}. The drop simulated: keep it, for without it ${named.join(", ")}${more} would cost more by the planner's estimate`,
  };
}

function isHarmless({ rises, failed }: DropSimulation): boolean {
  return rises.length === 0 && failed.length === 0;
}

function factor({ costBefore, costAfter }: StatementEffect): number {
  return costAfter / Math.max(costBefore, Number.MIN_VALUE);
}

function unqualified(name: string): string {
  return name.slice(name.indexOf(".") + 1);
}
