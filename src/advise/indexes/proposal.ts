/** The chosen set as a proposal to be proven by execution, and what remains of the study when some of it is taken out. */
import type { Verification } from "../../core/advice.ts";
import type { VerifyIndex, VerifyStatement } from "../../core/verification.ts";
import type { Studied } from "./studied.ts";
import type { PricedStatement } from "./search/input.ts";
import type { Plan } from "./what-if.ts";

export interface Proposal {
  readonly indexes: readonly VerifyIndex[];
  readonly statements: readonly VerifyStatement[];
}

/** Builds and times a proposal somewhere else than in the database that is advised. */
export type Prove = (proposal: Proposal) => Promise<Verification>;

export function proposalOf({ found, weighed }: Studied): Proposal {
  const priced = new Map(found.statements.map((each) => [each.id, each]));
  return {
    indexes: found.selected.map(({ index, bytes }) => ({
      index,
      estimatedBytes: bytes,
      statements: found.statements.flatMap(({ id, after }) =>
        after?.indexes.includes(index.name) ? [id] : [],
      ),
    })),
    statements: weighed.statements.map(({ statement, weight }) => ({
      ...statement,
      weight,
      estimated: factorOf(priced.get(statement.id)),
    })),
  };
}

/** Priced anew without these indexes; what the others gain beside them is as it was estimated before. */
export async function withoutIndexes(
  studied: Studied,
  removed: readonly string[],
): Promise<Studied> {
  if (removed.length === 0) return studied;
  const { found, weighed, input } = studied;
  const gone = new Set(removed);
  const selected = found.selected.filter(({ index }) => !gone.has(index.name));
  const names = selected.map(({ index }) => index.name);
  const statements: PricedStatement[] = [];
  for (const { statement } of weighed.statements) {
    const known = found.statements.find(({ id }) => id === statement.id);
    if (!known) continue;
    statements.push(
      reads(known.after, gone)
        ? { ...known, after: await planOf(studied, known.id, names) }
        : known,
    );
  }
  const maintenance = selected.reduce((sum, { maintenanceShare }) => sum + maintenanceShare, 0);
  const share = new Map(weighed.statements.map((each) => [each.statement.id, each.weight]));
  const planned = statements.filter((each) => factorOf(each) !== undefined);
  const total = planned.reduce((sum, { id }) => sum + (share.get(id) ?? 0), 0);
  const cost = planned.reduce(
    (sum, each) => sum + (share.get(each.id) ?? 0) * (factorOf(each) ?? 1),
    0,
  );
  input.onProgress?.(`${removed.length} of the indexes taken out`);
  return {
    ...studied,
    found: {
      ...found,
      selected,
      statements,
      relativeCost: (total > 0 ? cost / total : 1) + maintenance,
    },
  };
}

async function planOf(
  { weighed, input }: Studied,
  id: string,
  names: readonly string[],
): Promise<Plan | undefined> {
  const statement = weighed.statements.find((each) => each.statement.id === id)?.statement;
  const explained = statement && (await input.engine.whatIf.plan(statement, { with: names }));
  return explained?.kind === "plan" ? explained.plan : undefined;
}

function reads(plan: Plan | undefined, names: ReadonlySet<string>): boolean {
  return plan?.indexes.some((name) => names.has(name)) ?? false;
}

function factorOf(priced: PricedStatement | undefined): number | undefined {
  if (!priced?.before || !priced.after || priced.before.cost <= 0) return undefined;
  return priced.after.cost / priced.before.cost;
}
