/** An OR: what all of its arms say of a use, and each arm by itself, since bitmaps of several index scans can be joined. */
import type { Node } from "libpg-query";
import type { ConditionContext } from "./conditions.ts";
import { newUse } from "./scope.ts";
import type { TableUse } from "./scope.ts";

/** The facts of one arm, by the use that they are about. */
type Arm = ReadonlyMap<TableUse, TableUse>;

export function readAlternatives(
  parts: readonly Node[],
  context: ConditionContext,
  read: (part: Node, context: ConditionContext) => void,
): void {
  const arms = parts.map((part): Arm => {
    const facts = new Map<TableUse, TableUse>();
    const into = (use: TableUse): TableUse => {
      const found = facts.get(use) ?? { ...newUse(use.table), read: use.read };
      facts.set(use, found);
      return found;
    };
    read(part, { ...context, into });
    return facts;
  });
  let served = false;
  for (const use of arms[0]?.keys() ?? []) {
    const facts = arms.flatMap((arm) => arm.get(use) ?? []);
    if (facts.length < arms.length || !facts.every(isServed)) continue;
    served = true;
    const target = context.into(use);
    liftCommon(facts, target);
    if (facts.every(isOneColumn) && new Set(facts.flatMap(columnsOf)).size === 1) continue;
    for (const fact of facts) target.filters.push({ kind: "alternative", use: fact });
  }
  if (!served) {
    context.note(
      "an OR over several tables, or with an arm that no index finds, is not served by an index",
    );
  }
}

function isServed(facts: TableUse): boolean {
  return columnsOf(facts).length > 0 || facts.filters.some(({ kind }) => kind !== "constant");
}

function isOneColumn(facts: TableUse): boolean {
  return facts.filters.every(({ kind }) => kind === "constant") && columnsOf(facts).length === 1;
}

function columnsOf(facts: TableUse): readonly string[] {
  const joined = [...facts.joins.values()].flatMap((names) => [...names]);
  return [...new Set([...facts.equal, ...facts.listed, ...facts.ranges, ...joined])];
}

/** A column that every arm compares narrows the whole: several equalities are a list, and a join in all arms is a join. */
function liftCommon(facts: readonly TableUse[], target: TableUse): void {
  const inAll = (namesOf: (fact: TableUse) => Iterable<string>): readonly string[] => {
    const [first, ...others] = facts.map((fact) => new Set(namesOf(fact)));
    return [...(first ?? [])].filter((name) => others.every((names) => names.has(name)));
  };
  const listed = inAll((fact) => [...fact.equal, ...fact.listed]);
  for (const name of listed) target.listed.add(name);
  for (const name of inAll((fact) => [...fact.equal, ...fact.listed, ...fact.ranges])) {
    if (!listed.includes(name)) target.ranges.add(name);
  }
  for (const partner of facts[0]?.joins.keys() ?? []) {
    const names = inAll((fact) => fact.joins.get(partner) ?? []);
    if (names.length > 0) {
      target.joins.set(partner, new Set([...(target.joins.get(partner) ?? []), ...names]));
    }
  }
}
