/** A statement as uses of tables: what each mention of a table is filtered, joined, ordered and grouped by; and what is written. */
import type { Node } from "libpg-query";
import { findTable } from "./catalog.ts";
import type { Catalog, TableInfo } from "./catalog.ts";
import { readCondition, readSubqueries } from "./conditions.ts";
import type { ConditionContext } from "./conditions.ts";
import { readSorting } from "./orders.ts";
import { outputsOf, targetsOf } from "./outputs.ts";
import { markRead, readAll } from "./scope.ts";
import type { Outputs, Scope, TableUse } from "./scope.ts";
import { readFrom, renamed, usesIn } from "./sources.ts";

export interface StatementUse {
  readonly uses: readonly TableUse[];
  readonly writes: readonly Write[];
  /** What was seen that no index can serve, or that is not analysed. */
  readonly notes: readonly string[];
}

export interface Write {
  readonly table: TableInfo;
  readonly kind: "insert" | "update" | "delete";
  /** Columns that an UPDATE sets: an index on one costs the cheap in-place (HOT) update. */
  readonly columns: readonly string[];
}

/** What one statement's walk has found so far. */
export interface Walk extends ConditionContext {
  readonly catalog: Catalog;
  /** Definitions of views by `schema.name`, and by name alone. */
  readonly views: ReadonlyMap<string, Node>;
  readonly uses: TableUse[];
  readonly writes: Write[];
  readonly nullable: Set<TableUse>;
  readonly query: (node: Node, outer: Scope | undefined) => Outputs;
}

type Select = Extract<Node, { SelectStmt: unknown }>["SelectStmt"];
type Merge = Extract<Node, { MergeStmt: unknown }>["MergeStmt"];
type Conflict = Extract<Node, { OnConflictClause: unknown }>["OnConflictClause"];
type Range = Extract<Node, { RangeVar: unknown }>["RangeVar"];

const EMPTY: Outputs = new Map();

export function readStatement(
  statement: Node,
  catalog: Catalog,
  known: { readonly views: ReadonlyMap<string, Node>; readonly borrowed: WeakSet<object> },
): StatementUse {
  const notes = new Set<string>();
  const walk: Walk = {
    catalog,
    views: known.views,
    uses: [],
    writes: [],
    note: (text) => notes.add(text),
    subquery: (node, scope) => readQuery(walk, node, scope),
    query: (node, outer) => readQuery(walk, node, outer),
    into: (use) => use,
    preserved: new Set(),
    nullable: new Set(),
    borrowed: known.borrowed,
  };
  readQuery(walk, statement, undefined);
  return { uses: walk.uses, writes: walk.writes, notes: [...notes] };
}

function readQuery(walk: Walk, node: Node, outer: Scope | undefined): Outputs {
  if ("SelectStmt" in node) return readSelect(walk, node.SelectStmt, outer);
  if ("InsertStmt" in node) {
    const { relation, selectStmt, withClause, onConflictClause, returningClause } = node.InsertStmt;
    const scope = scopeWith(walk, withClause?.ctes, outer);
    addWrite(walk, relation, "insert", []);
    if (selectStmt) readQuery(walk, selectStmt, scope);
    readConflict(walk, relation, onConflictClause, scope);
    readSubqueries(returningClause, scope, walk);
    return EMPTY;
  }
  if ("UpdateStmt" in node) {
    const { relation, targetList, fromClause, whereClause, withClause, returningClause } =
      node.UpdateStmt;
    const scope = scopeWith(walk, withClause?.ctes, outer);
    addWrite(walk, relation, "update", namesSet(targetList));
    readChangedRows(walk, relation, fromClause, whereClause, scope);
    readRest(walk, [targetList, returningClause], scope);
    return EMPTY;
  }
  if ("DeleteStmt" in node) {
    const { relation, usingClause, whereClause, withClause, returningClause } = node.DeleteStmt;
    const scope = scopeWith(walk, withClause?.ctes, outer);
    addWrite(walk, relation, "delete", []);
    readChangedRows(walk, relation, usingClause, whereClause, scope);
    readRest(walk, [returningClause], scope);
    return EMPTY;
  }
  if ("MergeStmt" in node) {
    readMerge(walk, node.MergeStmt, outer);
    return EMPTY;
  }
  const inner =
    "CreateTableAsStmt" in node
      ? node.CreateTableAsStmt.query
      : "DeclareCursorStmt" in node
        ? node.DeclareCursorStmt.query
        : undefined;
  if (inner) return readQuery(walk, inner, outer);
  walk.note("this kind of statement is not analysed");
  return EMPTY;
}

function readSelect(walk: Walk, select: Select, outer: Scope | undefined): Outputs {
  const scope = scopeWith(walk, select.withClause?.ctes, outer);
  if (select.larg && select.rarg) {
    readSelect(walk, select.larg, scope);
    readSelect(walk, select.rarg, scope);
    return EMPTY;
  }
  for (const item of select.fromClause ?? []) readFrom(walk, item, scope);
  markRead(select.whereClause, scope);
  readCondition(select.whereClause, scope, walk);
  const { targetList, havingClause, groupClause, sortClause, windowClause, distinctClause } =
    select;
  const others = [targetList, havingClause, groupClause, sortClause, windowClause, distinctClause];
  readRest(walk, [...others, select.limitCount, select.valuesLists], scope);
  readSorting(walk, select, targetsOf(select), scope);
  // A row that is locked is read from the table.
  if (select.lockingClause) for (const source of scope.sources) usesIn(source).forEach(readAll);
  return outputsOf(select, scope);
}

/** What neither filters nor sorts, but reads. */
function readRest(walk: Walk, nodes: readonly unknown[], scope: Scope): void {
  markRead(nodes, scope);
  readSubqueries(nodes, scope, walk);
}

/** A new scope that knows these common table expressions, each read once. */
function scopeWith(
  walk: Walk,
  queries: readonly Node[] | undefined,
  outer: Scope | undefined,
): Scope {
  const known = new Map(outer?.withQueries);
  for (const query of queries ?? []) {
    if (!("CommonTableExpr" in query)) continue;
    const { ctename = "", ctequery, aliascolnames = [] } = query.CommonTableExpr;
    // A recursive query sees itself as something that is no base table.
    known.set(ctename, EMPTY);
    const scope: Scope = { sources: [], outer, withQueries: new Map(known) };
    if (ctequery) known.set(ctename, renamed(readQuery(walk, ctequery, scope), aliascolnames));
  }
  return { sources: [], outer, withQueries: known };
}

function readChangedRows(
  walk: Walk,
  relation: Range | undefined,
  from: readonly Node[] | undefined,
  where: Node | undefined,
  scope: Scope,
): void {
  readTarget(walk, relation, scope);
  for (const item of from ?? []) readFrom(walk, item, scope);
  markRead(where, scope);
  readCondition(where, scope, walk);
}

/** A row that is changed is always read from the table, so no index answers alone. */
function readTarget(walk: Walk, relation: Range | undefined, scope: Scope): void {
  if (!relation) return;
  const before = scope.sources.length;
  readFrom(walk, { RangeVar: relation }, scope);
  for (const source of scope.sources.slice(before)) usesIn(source).forEach(readAll);
}

/** The row in conflict is found by the unique index; only subqueries are looked for. */
function readConflict(
  walk: Walk,
  relation: Range | undefined,
  conflict: Conflict | undefined,
  scope: Scope,
): void {
  if (!conflict) return;
  if (conflict.action === "ONCONFLICT_UPDATE") {
    addWrite(walk, relation, "update", namesSet(conflict.targetList));
  }
  const alias = relation?.alias?.aliasname ?? relation?.relname ?? "";
  const sources = [alias, "excluded"].map((name) => {
    return { kind: "derived" as const, alias: name, outputs: EMPTY };
  });
  readRest(walk, [conflict.targetList, conflict.whereClause], { ...scope, sources });
}

function readMerge(walk: Walk, merge: Merge, outer: Scope | undefined): void {
  const scope = scopeWith(walk, merge.withClause?.ctes, outer);
  readTarget(walk, merge.relation, scope);
  const target = scope.sources.flatMap(usesIn);
  if (merge.sourceRelation) readFrom(walk, merge.sourceRelation, scope);
  const sources = scope.sources.flatMap(usesIn).filter((use) => !target.includes(use));
  const clauses = (merge.mergeWhenClauses ?? []).flatMap((each) =>
    "MergeWhenClause" in each ? each.MergeWhenClause : [],
  );
  // The source's rows stay where a clause is about those without a match.
  const keepsSource = clauses.some(
    ({ matchKind }) => matchKind === "MERGE_WHEN_NOT_MATCHED_BY_TARGET",
  );
  const keepsTarget = clauses.some(
    ({ matchKind }) => matchKind === "MERGE_WHEN_NOT_MATCHED_BY_SOURCE",
  );
  const preserved = new Set([...(keepsSource ? sources : []), ...(keepsTarget ? target : [])]);
  markRead(merge.joinCondition, scope);
  readCondition(merge.joinCondition, scope, { ...walk, preserved });
  for (const clause of clauses) {
    if (clause.commandType === "CMD_UPDATE") {
      addWrite(walk, merge.relation, "update", namesSet(clause.targetList));
    } else if (clause.commandType === "CMD_INSERT") addWrite(walk, merge.relation, "insert", []);
    else if (clause.commandType === "CMD_DELETE") addWrite(walk, merge.relation, "delete", []);
    readRest(walk, [clause.condition, clause.targetList, clause.values], scope);
  }
}

function addWrite(
  walk: Walk,
  relation: Range | undefined,
  kind: Write["kind"],
  columns: readonly string[],
): void {
  const table = relation?.relname && findTable(walk.catalog, relation.schemaname, relation.relname);
  if (table) walk.writes.push({ table, kind, columns });
}

function namesSet(targets: readonly Node[] | undefined): readonly string[] {
  return (targets ?? []).flatMap((each) =>
    "ResTarget" in each ? (each.ResTarget.name ?? []) : [],
  );
}
