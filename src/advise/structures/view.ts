/** A materialised view for one query, and the query as it would ask the view. */
import type { Node } from "libpg-query";
import { qualifiedName, quoteName } from "../../core/index-definition.ts";
import { mapNodes } from "../indexes/expressions.ts";
import { decomposed, isAggregate, isCollecting, plainType } from "./aggregates.ts";
import { distinctNodes, type Block } from "./block.ts";
import { columnIn, columnRef, type FoundColumn } from "./sources.ts";
import {
  conjunctsOf,
  expressionFrom,
  expressionSql,
  formOf,
  hasConstant,
  PLAIN_SELECT,
  selectFrom,
  statementSql,
  type Call,
  type Select,
} from "./tree.ts";

export interface ViewColumn {
  readonly name: string;
  readonly node: Node;
}

export interface ViewDesign {
  /** The query that fills the view. */
  readonly sql: string;
  /** Of the unique index, those first that a statement gives a value for. */
  readonly keys: readonly ViewColumn[];
  /** Columns of the tables that the statement compares with one value each, with their names in the view. */
  readonly pinned: readonly { readonly name: string; readonly found: FoundColumn }[];
  readonly columns: readonly string[];
  /** What stands in the place of the block. */
  readonly select: Select;
  /** Each row is of one row of the view; otherwise several are aggregated again. */
  readonly lookup: boolean;
}

/** Of the view in the rewritten query. */
const ALIAS = "v";

/** A text says why the block cannot be answered from a view. */
export function designView(
  block: Block,
  view: { readonly schema: string; readonly name: string },
): ViewDesign | string {
  const filters = block.aggregates.flatMap(({ FuncCall: { agg_filter } }) =>
    agg_filter && hasConstant(agg_filter) ? [agg_filter] : [],
  );
  const pinnedColumns = block.asked.flatMap(pinnedBy);
  const added = distinctNodes([
    ...columnsOutside(block.asked, block.keys),
    ...columnsOutside(filters, block.keys),
  ]);
  const isPinned = (node: Node): boolean =>
    pinnedColumns.some((each) => formOf(each) === formOf(node));
  const lookup = block.grouped && filters.length === 0 && added.every(isPinned);
  const names = newNames();
  const keyNodes = distinctNodes([...added, ...block.keys]);
  const keys = keyNodes.map((node): ViewColumn => ({ node, name: names(keyName(node, block)) }));
  if (block.aggregates.some(isCollecting))
    return "it collects values, so that a view would be as large as what it is made of";
  const parts: ViewColumn[] = [];
  const answers = new Map<string, Node>();
  for (const call of block.aggregates) {
    const problem = lookup
      ? holdWhole(call, block, names, parts, answers)
      : holdParts(call, block, { names, parts, answers, keys });
    if (problem !== undefined) return problem;
  }
  const sql = viewSql(block, keys, parts);
  const select = rewritten(block, { keys, answers, lookup, view });
  if (sql === undefined || select === undefined)
    return "its grammar is not one that is written back faithfully";
  return {
    sql,
    keys: keys.toSorted((a, b) => Number(isPinned(b.node)) - Number(isPinned(a.node))),
    pinned: keys.flatMap(({ name, node }) => {
      const found = isPinned(node) ? columnIn(node, block.sources) : undefined;
      return found ? [{ name, found }] : [];
    }),
    columns: [...keys, ...parts].map(({ name }) => name),
    select,
    lookup,
  };
}

/** `column = value`: for one value there is one group. */
function pinnedBy(condition: Node): readonly Node[] {
  if (!("A_Expr" in condition) || condition.A_Expr.kind !== "AEXPR_OP") return [];
  const { name, lexpr, rexpr } = condition.A_Expr;
  const operator = name?.length === 1 && name[0] && "String" in name[0] ? name[0].String.sval : "";
  if (operator !== "=" || !lexpr || !rexpr) return [];
  if ("ColumnRef" in lexpr) return columnsOutside([rexpr], []).length === 0 ? [lexpr] : [];
  if ("ColumnRef" in rexpr) return columnsOutside([lexpr], []).length === 0 ? [rexpr] : [];
  return [];
}

/** Columns in conditions that are not part of a key that the condition holds whole. */
function columnsOutside(conditions: readonly Node[], keys: readonly Node[]): readonly Node[] {
  const known = new Set(keys.map(formOf));
  const found: Node[] = [];
  for (const condition of conditions) {
    mapNodes(condition, (each) => {
      if (known.has(formOf(each))) return each;
      if (!("ColumnRef" in each)) return undefined;
      found.push(each);
      return each;
    });
  }
  return distinctNodes(found);
}

type Names = (wanted: string) => string;

function newNames(): Names {
  const taken = new Set<string>();
  return (wanted) => {
    const base =
      wanted
        .toLowerCase()
        .replaceAll(/[^a-z0-9_]+/g, "_")
        .slice(0, 50) || "column";
    let name = base;
    for (let number = 2; taken.has(name); number += 1) name = `${base}_${number}`;
    taken.add(name);
    return name;
  };
}

function keyName(node: Node, block: Block): string {
  const given = block.targets.find(({ value }) => formOf(value) === formOf(node))?.name;
  if (given !== undefined && given !== "?column?") return given;
  return columnIn(node, block.sources)?.column.name ?? "key";
}

function nameFor(call: Call, block: Block): string {
  const given = block.targets.find(({ value }) => formOf(value) === formOf(call))?.name;
  const last = call.FuncCall.funcname?.at(-1);
  return given ?? (last && "String" in last ? last.String.sval : undefined) ?? "value";
}

function holdWhole(
  call: Call,
  block: Block,
  names: Names,
  parts: ViewColumn[],
  answers: Map<string, Node>,
): string | undefined {
  const unknown = block.aggregates.includes(call) && hasUnknown(call);
  if (unknown) return "an aggregate is computed with a value that is not known";
  const name = names(nameFor(call, block));
  parts.push({ name, node: call });
  answers.set(formOf(call), columnRef(ALIAS, name));
  return undefined;
}

function hasUnknown(call: Call): boolean {
  return JSON.stringify(call).includes('"ParamRef"');
}

interface Holding {
  readonly names: Names;
  readonly parts: ViewColumn[];
  readonly answers: Map<string, Node>;
  readonly keys: readonly ViewColumn[];
}

function holdParts(
  call: Call,
  block: Block,
  { names, parts, answers, keys }: Holding,
): string | undefined {
  const { agg_filter } = call.FuncCall;
  const filtered = agg_filter !== undefined && hasConstant(agg_filter);
  const typeOf = (node: Node): string | undefined =>
    plainType(node, (each) => columnIn(each, block.sources)?.column.type);
  const found = decomposed(call, typeOf, filtered);
  if (typeof found === "string") return found;
  const columns = found.parts.map((part) => {
    const same = parts.find(({ node }) => formOf(node) === formOf(part.call));
    const name = same?.name ?? names(partName(part.name, call));
    if (!same) parts.push({ name, node: part.call });
    return `${quoteName(ALIAS)}.${quoteName(name)}`;
  });
  const filter = filtered ? expressionSql(overView(agg_filter, keys, answers)) : "";
  if (filter === undefined) return "a FILTER of it is not written back faithfully";
  const sql = found.combine(columns, filtered ? ` FILTER (WHERE ${filter})` : "");
  answers.set(formOf(call), expressionFrom(sql));
  return undefined;
}

function partName(name: string, { FuncCall: { args = [] } }: Call): string {
  const [argument] = args;
  const last = argument && "ColumnRef" in argument ? argument.ColumnRef.fields?.at(-1) : undefined;
  return last && "String" in last ? `${name}_${last.String.sval}` : name;
}

function viewSql(
  { from, kept }: Block,
  keys: readonly ViewColumn[],
  parts: readonly ViewColumn[],
): string | undefined {
  const first = conjunction(kept);
  // An index over all rows needs a column, even where there is one row.
  const columns =
    keys.length > 0 ? keys : [{ name: "only_row", node: expressionFrom("1") } satisfies ViewColumn];
  return statementSql({
    SelectStmt: {
      ...PLAIN_SELECT,
      targetList: [...columns, ...parts].map(({ name, node }) => ({
        ResTarget: { name, val: node },
      })),
      fromClause: [...from],
      ...(first ? { whereClause: first } : {}),
      ...(keys.length > 0 ? { groupClause: keys.map(({ node }) => node) } : {}),
    },
  });
}

interface Rewriting {
  readonly keys: readonly ViewColumn[];
  readonly answers: ReadonlyMap<string, Node>;
  readonly lookup: boolean;
  readonly view: { readonly schema: string; readonly name: string };
}

function rewritten(block: Block, { keys, answers, lookup, view }: Rewriting): Select | undefined {
  const over = (node: Node): Node => overView(node, keys, answers);
  const having = block.having.map(over);
  const where = conjunction([...block.asked.map(over), ...(lookup ? having : [])]);
  const condition = lookup ? undefined : conjunction(having);
  const groups = lookup || !block.grouped ? [] : block.keys.map(over);
  const { sortClause, limitCount, limitOffset, limitOption } = block.select;
  const { fromClause } = selectFrom(
    `SELECT FROM ${qualifiedName(view.schema, view.name)} AS ${quoteName(ALIAS)}`,
  );
  const select: Select = {
    ...PLAIN_SELECT,
    targetList: block.targets.map(({ name, value }) => ({ ResTarget: { name, val: over(value) } })),
    ...(fromClause ? { fromClause } : {}),
    ...(where ? { whereClause: where } : {}),
    ...(groups.length > 0 ? { groupClause: groups } : {}),
    ...(condition ? { havingClause: condition } : {}),
    ...(sortClause ? { sortClause: sortClause.map((each) => sortedOver(each, block, over)) } : {}),
    ...(limitCount ? { limitCount } : {}),
    ...(limitOffset ? { limitOffset } : {}),
    ...(limitOption ? { limitOption } : {}),
  };
  return statementSql({ SelectStmt: select }) === undefined ? undefined : select;
}

/** Names of what is given out, and positions, mean the same as before. */
function sortedOver(node: Node, block: Block, over: (node: Node) => Node): Node {
  if (!("SortBy" in node) || !node.SortBy.node) return node;
  const by = node.SortBy.node;
  const field =
    "ColumnRef" in by && by.ColumnRef.fields?.length === 1 ? by.ColumnRef.fields[0] : undefined;
  const name = field && "String" in field ? field.String.sval : undefined;
  if (name !== undefined && block.outputs.has(name)) return node;
  if ("A_Const" in by) return node;
  return { SortBy: { ...node.SortBy, node: over(by) } };
}

/** What was a key is a column of the view; what was an aggregate is computed from its columns. */
function overView(
  node: Node,
  keys: readonly ViewColumn[],
  answers: ReadonlyMap<string, Node>,
): Node {
  const columns = new Map(keys.map((key) => [formOf(key.node), columnRef(ALIAS, key.name)]));
  return mapNodes(node, (each) => {
    const form = formOf(each);
    return columns.get(form) ?? (isAggregate(each) ? answers.get(form) : undefined);
  });
}

function conjunction(parts: readonly Node[]): Node | undefined {
  const all = parts.flatMap(conjunctsOf);
  const [first] = all;
  if (!first || all.length === 1) return first;
  return { BoolExpr: { boolop: "AND_EXPR", args: all } };
}
