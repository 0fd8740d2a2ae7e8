/** A query that makes few rows of many, taken apart: what it reads, which conditions stay the same, which ask for values, what it groups by. */
import type { Node } from "libpg-query";
import type { Catalog } from "../indexes/catalog.ts";
import { changingPart } from "../indexes/immutable.ts";
import { mapNodes } from "../indexes/expressions.ts";
import { aggregatesIn, isAggregate } from "./aggregates.ts";
import { columnIn, qualified, readFrom, type TableSource } from "./sources.ts";
import {
  conjunctsOf,
  formOf,
  has,
  hasConstant,
  hasParameter,
  hasSubquery,
  type Call,
  type Select,
} from "./tree.ts";

export interface Block {
  readonly select: Select;
  readonly sources: readonly TableSource[];
  readonly from: readonly Node[];
  /** Conditions that hold for every call of the statement. */
  readonly kept: readonly Node[];
  /** Conditions that compare with a value. */
  readonly asked: readonly Node[];
  /** What it groups by, and what it gives out that depends on that (a key's other columns). */
  readonly keys: readonly Node[];
  /** False: one row for all. */
  readonly grouped: boolean;
  readonly targets: readonly Target[];
  readonly having: readonly Node[];
  readonly aggregates: readonly Call[];
  /** Names under which ORDER BY finds what is given out. */
  readonly outputs: ReadonlySet<string>;
  readonly caveats: readonly string[];
}

export interface Target {
  /** As PostgreSQL calls the column. */
  readonly name: string;
  readonly value: Node;
}

/** Whether it is worth a look: it makes fewer rows of many. */
export function isReducing(select: Select): boolean {
  if (select.op !== undefined && select.op !== "SETOP_NONE") return false;
  return (
    select.groupClause !== undefined ||
    select.distinctClause !== undefined ||
    aggregatesIn(select.targetList).length > 0
  );
}

/** A text says why it cannot be taken apart. `named`: common table expressions of the statement. */
export function readBlock(
  select: Select,
  catalog: Catalog,
  named: ReadonlySet<string>,
): Block | string {
  const unfit = unfitPart(select);
  if (unfit !== undefined) return unfit;
  const read = readFrom(select.fromClause ?? [], catalog, named);
  if (typeof read === "string") return read;
  const { sources, moved } = read;
  const unknown = new Set<string>();
  const own = (node: Node): Node => qualified(node, sources, unknown);
  const targets = targetsIn(select).map(({ name, value }) => ({ name, value: own(value) }));
  const byName = new Map(targets.map(({ name, value }) => [name, value]));
  const groups = (select.groupClause ?? []).map((node) => groupOf(node, targets, byName, sources));
  const distinct = select.distinctClause !== undefined;
  const grouped = groups.length > 0 || distinct;
  const keysGiven = distinct ? targets.map(({ value }) => value) : groups.map(own);
  const having = conjunctsOf(select.havingClause).map(own);
  const conditions = [...conjunctsOf(select.whereClause), ...moved].map(own);
  const from = read.from.map((node) => qualifiedConditions(node, own));
  const [strange] = unknown;
  if (strange !== undefined) return `it names ${strange}, which is no column of its own tables`;
  const outside = grouped
    ? loose([...targets.map(({ value }) => value), ...having], keysGiven)
    : [];
  if (typeof outside === "string") return outside;
  const keys = distinctNodes([...keysGiven, ...outside]);
  if (keys.some(hasParameter)) return "it groups by a value that is not known";
  const sorted = (select.sortClause ?? []).map(own);
  const aggregates = distinctNodes(
    aggregatesIn([targets.map(({ value }) => value), having, sorted]),
  ).filter(isAggregate);
  const block = {
    select: { ...select, ...(sorted.length > 0 ? { sortClause: sortOf(select, own) } : {}) },
    sources,
    from,
    kept: conditions.filter((each) => !hasConstant(each)),
    asked: conditions.filter(hasConstant),
    keys,
    grouped,
    targets,
    having,
    aggregates,
    outputs: new Set(byName.keys()),
  };
  const caveats = changingIn(block);
  return typeof caveats === "string" ? caveats : { ...block, caveats };
}

/** Why a query is none that can be answered from a view, by its grammar alone. */
function unfitPart(select: Select): string | undefined {
  const { distinctClause = [], groupClause = [], targetList = [] } = select;
  if (select.valuesLists || select.intoClause) return "it is no plain query";
  if (select.lockingClause) return "it locks the rows that it reads";
  if (select.withClause) return "it computes tables of its own (WITH)";
  if (distinctClause.some((each) => Object.keys(each).length > 0))
    return "which of several rows DISTINCT ON takes is not always determined";
  if (distinctClause.length > 0 && groupClause.length > 0) return "it groups, and takes each once";
  if (distinctClause.length > 0 && aggregatesIn(targetList).length > 0)
    return "it aggregates, and takes each once";
  if (groupClause.some((each) => "GroupingSet" in each)) return "it groups in several ways at once";
  const { fromClause, whereClause, havingClause, sortClause, windowClause } = select;
  const parts = [targetList, whereClause, havingClause, sortClause, groupClause];
  if (windowClause || has(parts, (each) => "FuncCall" in each && hasWindow(each)))
    return "it has window functions";
  if (hasSubquery([parts, fromClause])) return "it has a subquery inside";
  if (has(targetList, (each) => "A_Star" in each)) return "it gives out all columns (*)";
  return undefined;
}

function hasWindow(node: object): boolean {
  return (
    "FuncCall" in node &&
    typeof node.FuncCall === "object" &&
    node.FuncCall !== null &&
    "over" in node.FuncCall
  );
}

function targetsIn({ targetList = [] }: Select): readonly Target[] {
  return targetList.flatMap((each) => {
    if (!("ResTarget" in each) || !each.ResTarget.val) return [];
    const { name, val } = each.ResTarget;
    return [{ name: name ?? columnName(val), value: val }];
  });
}

/** What PostgreSQL calls a column without AS (FigureColname in parse_target.c). */
function columnName(node: Node): string {
  if ("ColumnRef" in node) {
    const last = node.ColumnRef.fields?.at(-1);
    return last && "String" in last ? (last.String.sval ?? "") : "?column?";
  }
  if ("FuncCall" in node) {
    const last = node.FuncCall.funcname?.at(-1);
    return last && "String" in last ? (last.String.sval ?? "") : "?column?";
  }
  if ("TypeCast" in node && node.TypeCast.arg) {
    const inner = columnName(node.TypeCast.arg);
    const type = node.TypeCast.typeName?.names?.at(-1);
    if (inner !== "?column?") return inner;
    return type && "String" in type ? (type.String.sval ?? "") : inner;
  }
  if ("CoalesceExpr" in node) return "coalesce";
  return "CaseExpr" in node ? "case" : "?column?";
}

/** A position or an output's name means what is given out there; but a name is first of all a column's. */
function groupOf(
  node: Node,
  targets: readonly Target[],
  byName: ReadonlyMap<string, Node>,
  sources: readonly TableSource[],
): Node {
  if ("A_Const" in node) {
    const position = "ival" in node.A_Const ? (node.A_Const.ival?.ival ?? 0) : 0;
    return targets[position - 1]?.value ?? node;
  }
  if (!("ColumnRef" in node) || columnIn(node, sources)) return node;
  return byName.get(columnName(node)) ?? node;
}

/** A name in ORDER BY is first of all an output's, and a number is its position. */
function sortOf(select: Select, own: (node: Node) => Node): Node[] {
  const names = new Set(targetsIn(select).map(({ name }) => name));
  return (select.sortClause ?? []).map((each) => {
    if (!("SortBy" in each) || !each.SortBy.node) return each;
    const { node } = each.SortBy;
    const bare = "ColumnRef" in node && node.ColumnRef.fields?.length === 1;
    return bare && names.has(columnName(node)) ? each : own(each);
  });
}

function qualifiedConditions(item: Node, own: (node: Node) => Node): Node {
  if (!("JoinExpr" in item)) return item;
  const { larg, rarg, quals } = item.JoinExpr;
  return {
    JoinExpr: {
      ...item.JoinExpr,
      ...(larg ? { larg: qualifiedConditions(larg, own) } : {}),
      ...(rarg ? { rarg: qualifiedConditions(rarg, own) } : {}),
      ...(quals ? { quals: own(quals) } : {}),
    },
  };
}

/** Columns outside of aggregates and keys: PostgreSQL allows them where the keys determine them. */
function loose(nodes: readonly Node[], keys: readonly Node[]): readonly Node[] | string {
  const known = new Set(keys.map(formOf));
  const found: Node[] = [];
  let problem: string | undefined;
  const visit = (node: Node, inCall: boolean): void => {
    mapNodes(node, (each) => {
      if (known.has(formOf(each))) return each;
      if ("ColumnRef" in each) {
        if (inCall) problem = "a function of it takes what is not grouped by";
        found.push(each);
        return each;
      }
      if (!("FuncCall" in each)) return undefined;
      const { args = [] } = each.FuncCall;
      if (isAggregate(each)) return each;
      for (const argument of args) visit(argument, true);
      return each;
    });
  };
  for (const node of nodes) visit(node, false);
  return problem ?? found;
}

export function distinctNodes<T extends Node>(nodes: readonly T[]): readonly T[] {
  return [...new Map(nodes.map((node) => [formOf(node), node])).values()];
}

/** What a view would hold must be the same whoever asks; a time zone is said, anything else is refused. */
function changingIn(
  block: Pick<Block, "sources" | "kept" | "keys" | "aggregates">,
): readonly string[] | string {
  const typeOf = (node: Node): string | undefined => columnIn(node, block.sources)?.column.type;
  const held = [
    ...block.kept,
    ...block.keys,
    ...block.aggregates.flatMap(({ FuncCall: { args = [] } }) => args),
  ];
  const caveats = new Set<string>();
  for (const node of held) {
    const known = mapNodes(node, (each) =>
      "ParamRef" in each ? { A_Const: { isnull: true } } : undefined,
    );
    const changing = changingPart(known, typeOf);
    if (changing === undefined) continue;
    if (!changing.includes("time zone")) return changing;
    caveats.add(
      "a time bucket is one of the session's time zone: refresh the view under the same TimeZone as the application's",
    );
  }
  return [...caveats];
}
