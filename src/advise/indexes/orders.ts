/** ORDER BY, GROUP BY, DISTINCT, windows, and the least and greatest: what a use is wanted in order for. */
import type { Node } from "libpg-query";
import type { IndexKey } from "../../core/index-definition.ts";
import { lastName } from "./expression-types.ts";
import { keyed } from "./keys.ts";
import type { Keyed } from "./keys.ts";
import { outermost } from "./node.ts";
import { targetOf } from "./outputs.ts";
import type { Targets } from "./outputs.ts";
import { nearest } from "./patterns.ts";
import { resolveColumn } from "./scope.ts";
import type { Scope, SortColumn } from "./scope.ts";
import type { Walk } from "./usage.ts";

type Select = Extract<Node, { SelectStmt: unknown }>["SelectStmt"];
type Window = Extract<Node, { WindowDef: unknown }>["WindowDef"];
type Key = Extract<Keyed, { kind: "key" }>;
type Term = { readonly found: Key } & Direction;

interface Direction {
  readonly descending: boolean;
  readonly nullsFirst: boolean | undefined;
}

export function readSorting(walk: Walk, select: Select, targets: Targets, scope: Scope): void {
  const { sortClause = [], groupClause = [], distinctClause = [] } = select;
  if (sortClause.length > 0) readOrder(sortClause, targets, scope);
  else readExtreme(select, scope);
  const distinctOn = distinctClause.filter((node) => Object.keys(node).length > 0);
  const distinct = distinctOn.length > 0 ? distinctOn : [...targets].flatMap(termAtPosition);
  if (groupClause.length > 0) readGroup(walk, groupClause, targets, scope);
  else if (distinctClause.length > 0) readGroup(walk, distinct, targets, scope);
  const named = (select.windowClause ?? []).flatMap((each) =>
    "WindowDef" in each ? each.WindowDef : [],
  );
  for (const window of [...named, ...windowsIn(select.targetList)]) {
    const { partitionClause = [], orderClause = [] } = window;
    readOrder(
      [...partitionClause.map((node) => ({ SortBy: { node } })), ...orderClause],
      new Map(),
      scope,
    );
  }
}

/** As many keys as are of one use, from the first on. */
function readOrder(clause: readonly Node[], targets: Targets, scope: Scope): void {
  const terms: Term[] = [];
  for (const item of clause) {
    if (!("SortBy" in item) || item.SortBy.sortby_dir === "SORTBY_USING") break;
    const { node, sortby_dir: direction, sortby_nulls: nulls } = item.SortBy;
    const meant = node && (targetOf(node, targets) ?? node);
    if (terms.length === 0 && meant && readNearest(meant, scope)) return;
    const found = keyed(meant, scope);
    if (found?.kind !== "key" || found.unfit !== undefined) break;
    if (found.use !== (terms[0]?.found.use ?? found.use)) break;
    const descending = direction === "SORTBY_DESC";
    const nullsFirst =
      nulls === "SORTBY_NULLS_FIRST" ? true : nulls === "SORTBY_NULLS_LAST" ? false : descending;
    terms.push({
      found,
      descending,
      nullsFirst: nullsFirst === descending ? undefined : nullsFirst,
    });
  }
  const use = terms[0]?.found.use;
  if (!use) return;
  const columns = terms.flatMap(sortColumn);
  if (columns.length === terms.length) use.orders.push(columns);
  else {
    use.filters.push({
      kind: "order",
      keys: terms.map(sortKey),
      columns: [...new Set(terms.flatMap(({ found }) => found.columns))],
    });
  }
}

function sortColumn({ found, descending, nullsFirst }: Term): readonly SortColumn[] {
  const { name } = found.key;
  if (name === undefined) return [];
  return [{ name, descending, ...(nullsFirst === undefined ? {} : { nullsFirst }) }];
}

function sortKey({ found, descending, nullsFirst }: Term): IndexKey {
  return {
    ...found.key,
    ...(descending ? { descending } : {}),
    ...(nullsFirst === undefined ? {} : { nullsFirst }),
  };
}

/** Whether the order is by distance, which only GiST keeps. */
function readNearest(node: Node, scope: Scope): boolean {
  if (!("A_Expr" in node) || lastName(node.A_Expr.name) !== "<->") return false;
  const { lexpr, rexpr } = node.A_Expr;
  for (const special of [...nearest(lexpr, rexpr, scope), ...nearest(rexpr, lexpr, scope)]) {
    if (special.kind === "filter") special.key.use.filters.push(special.filter);
  }
  return true;
}

/** `SELECT max(x)` reads one end of an index. */
function readExtreme(select: Select, scope: Scope): void {
  if (select.groupClause) return;
  for (const target of select.targetList ?? []) {
    const value = "ResTarget" in target ? target.ResTarget.val : undefined;
    const call = value && firstCall(value);
    const name = lastName(call?.funcname);
    const argument = name === "max" || name === "min" ? call?.args?.[0] : undefined;
    const column = argument && resolveColumn(argument, scope);
    if (column?.kind !== "column") continue;
    column.column.use.orders.push([{ name: column.column.column.name, descending: false }]);
  }
}

function readGroup(walk: Walk, clause: readonly Node[], targets: Targets, scope: Scope): void {
  const keys = clause.map((node) => keyed(targetOf(node, targets) ?? node, scope));
  for (const key of keys) if (key?.kind === "refused") walk.note(key.because);
  const found = keys.flatMap((key) => (key?.kind === "key" && !key.unfit ? key : []));
  const use = found[0]?.use;
  if (!use || found.length < clause.length || found.some((key) => key.use !== use)) return;
  use.grouped = found.flatMap(({ key }) => key.name ?? []);
  for (const { key, columns, distinct } of found) {
    if (key.name !== undefined) continue;
    use.filters.push({ kind: "expression", as: "group", key, columns, distinct });
  }
}

/** max(x), or a call around it such as coalesce(max(x), 0) + 1. */
function firstCall(node: Node): Extract<Node, { FuncCall: unknown }>["FuncCall"] | undefined {
  if ("FuncCall" in node) return node.FuncCall;
  const inside =
    "CoalesceExpr" in node
      ? node.CoalesceExpr.args?.[0]
      : "A_Expr" in node
        ? node.A_Expr.lexpr
        : undefined;
  return inside && firstCall(inside);
}

function termAtPosition([at, node]: readonly [string | number, Node]): readonly Node[] {
  return typeof at === "number" ? [node] : [];
}

/** `OVER (...)` anywhere in the select list, not looking into subqueries. */
function windowsIn(targets: readonly Node[] | undefined): readonly Window[] {
  return outermost(targets, "FuncCall").flatMap(({ FuncCall: { over } }) => over ?? []);
}
