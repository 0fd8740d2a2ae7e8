/** The select list: its terms by name and position, and what a query gives out to the one around it. */
import type { Node } from "libpg-query";
import { namesOf, resolveColumn, resolveName } from "./scope.ts";
import type { Outputs, Resolution, Scope } from "./scope.ts";

type Select = Extract<Node, { SelectStmt: unknown }>["SelectStmt"];

export type Targets = ReadonlyMap<string | number, Node>;

/** The select list by output name and by position. */
export function targetsOf(select: Select): Targets {
  const targets = new Map<string | number, Node>();
  for (const [index, target] of (select.targetList ?? []).entries()) {
    if (!("ResTarget" in target) || !target.ResTarget.val) continue;
    targets.set(index + 1, target.ResTarget.val);
    if (target.ResTarget.name !== undefined)
      targets.set(target.ResTarget.name, target.ResTarget.val);
  }
  return targets;
}

/** The term of the select list that ORDER BY or GROUP BY means by a position or an output name. */
export function targetOf(node: Node, targets: Targets): Node | undefined {
  if ("A_Const" in node) {
    const constant = node.A_Const;
    return "ival" in constant ? targets.get(constant.ival?.ival ?? 0) : undefined;
  }
  if (!("ColumnRef" in node) || node.ColumnRef.fields?.length !== 1) return undefined;
  const [field] = node.ColumnRef.fields;
  return field && "String" in field ? targets.get(field.String.sval ?? "") : undefined;
}

/** What a query gives out, so that conditions on a subquery reach the table below. The planner's costs decide whether that helps. */
export function outputsOf(select: Select, scope: Scope): Outputs {
  const outputs = new Map<string, Resolution>();
  for (const target of select.targetList ?? []) {
    if (!("ResTarget" in target)) continue;
    const { name, val } = target.ResTarget;
    if (val && "ColumnRef" in val && val.ColumnRef.fields?.some((field) => "A_Star" in field)) {
      const qualifier = val.ColumnRef.fields.findLast((field) => "String" in field);
      const alias = qualifier && "String" in qualifier ? qualifier.String.sval : undefined;
      for (const source of scope.sources) {
        if (alias !== undefined && source.alias !== alias) continue;
        for (const column of namesOf(source)) {
          outputs.set(column, resolveName(source.alias, column, scope));
        }
      }
      continue;
    }
    if (!val) continue;
    const last = "ColumnRef" in val ? val.ColumnRef.fields?.at(-1) : undefined;
    const own = last && "String" in last ? last.String.sval : undefined;
    const label = name ?? own ?? `column ${outputs.size + 1}`;
    outputs.set(
      label,
      resolveColumn(val, scope) ?? { kind: "derived", term: { node: val, scope } },
    );
  }
  return outputs;
}
