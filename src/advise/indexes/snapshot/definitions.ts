/** What CREATE INDEX, CREATE STATISTICS and constraints say, read by PostgreSQL's own grammar. */
import { loadModule, parseSync } from "libpg-query";
import type { Constraint, IndexElem, IndexStmt, Node } from "libpg-query";
import { deparseSync } from "pgsql-deparser";
import { quoteName } from "../../../core/index-definition.ts";
import type { SnapshotForeignKey, SnapshotIndex, SnapshotIndexKey } from "./snapshot.ts";

export type IndexFacts = Pick<
  SnapshotIndex,
  "method" | "unique" | "keys" | "included" | "where"
> & { readonly schema: string; readonly table: string; readonly name: string };

/** Has to be awaited once before anything else here. */
export const readyToParse: () => Promise<void> = loadModule;

/** Throws Error when it is no CREATE INDEX. `typeOf` knows the table's columns. */
export function readIndex(
  definition: string,
  typeOf: (schema: string, table: string, column: string) => string | null,
): IndexFacts {
  const statement = onlyStatement(definition);
  if (!("IndexStmt" in statement)) throw new Error(`not CREATE INDEX: ${definition}`);
  const index: IndexStmt = statement.IndexStmt;
  const schema = index.relation?.schemaname ?? "public";
  const table = index.relation?.relname ?? "";
  return {
    schema,
    table,
    name: index.idxname ?? "",
    method: index.accessMethod ?? "btree",
    unique: index.unique ?? false,
    keys: elementsOf(index.indexParams).map((element) =>
      keyOf(element, (column) => typeOf(schema, table, column)),
    ),
    included: elementsOf(index.indexIncludingParams).flatMap(({ name }) => name ?? []),
    where: index.whereClause ? deparseSync(index.whereClause) : null,
  };
}

function elementsOf(nodes: readonly Node[] | undefined): readonly IndexElem[] {
  return (nodes ?? []).flatMap((node) => ("IndexElem" in node ? [node.IndexElem] : []));
}

function keyOf(element: IndexElem, typeOf: (column: string) => string | null): SnapshotIndexKey {
  const descending = element.ordering === "SORTBY_DESC";
  const operators = namesIn(element.opclass);
  return {
    column: element.name ?? null,
    expression: element.expr ? deparseSync(element.expr) : null,
    attribute: element.name ?? attributeOf(element.expr),
    type: element.name === undefined ? null : typeOf(element.name),
    descending,
    nullsFirst:
      element.nulls_ordering === "SORTBY_NULLS_FIRST" ||
      (descending && element.nulls_ordering !== "SORTBY_NULLS_LAST"),
    operators: operators.length === 0 ? null : operators.map(plainName).join("."),
  };
}

/** As FigureIndexColname of parse_target.c does for a call; other expressions are mostly `expr`. */
function attributeOf(node: Node | undefined): string {
  if (node && "FuncCall" in node) return namesIn(node.FuncCall.funcname).at(-1) ?? "expr";
  return "expr";
}

function plainName(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : quoteName(name);
}

export interface ConstraintFacts {
  readonly foreignKey: SnapshotForeignKey | null;
  /** CREATE INDEX for the index that the constraint makes; undefined for one that makes none. */
  readonly index: string | undefined;
}

/** `definition` is what pg_get_constraintdef answers; `table` is quoted as SQL needs it. */
export function readConstraint(table: string, name: string, definition: string): ConstraintFacts {
  const sql = `ALTER TABLE ${table} ADD CONSTRAINT ${quoteName(name)} ${definition}`;
  const constraint = constraintIn(onlyStatement(sql));
  if (!constraint) throw new Error(`not a constraint: ${definition}`);
  return { foreignKey: foreignKeyOf(constraint), index: indexOf(table, name, constraint) };
}

function constraintIn(statement: Node): Constraint | undefined {
  const [command] = "AlterTableStmt" in statement ? (statement.AlterTableStmt.cmds ?? []) : [];
  const added = command && "AlterTableCmd" in command ? command.AlterTableCmd.def : undefined;
  return added && "Constraint" in added ? added.Constraint : undefined;
}

/** Letters of parsenodes.h (FKCONSTR_ACTION). */
const ON_DELETE: Readonly<Record<string, SnapshotForeignKey["onDelete"]>> = {
  r: "restrict",
  c: "cascade",
  n: "set null",
  d: "set default",
};

function foreignKeyOf(constraint: Constraint): SnapshotForeignKey | null {
  if (constraint.contype !== "CONSTR_FOREIGN") return null;
  return {
    columns: namesIn(constraint.fk_attrs),
    referencedSchema: constraint.pktable?.schemaname ?? "public",
    referencedTable: constraint.pktable?.relname ?? "",
    referencedColumns: namesIn(constraint.pk_attrs),
    onDelete: ON_DELETE[constraint.fk_del_action ?? ""] ?? "no action",
  };
}

function indexOf(table: string, name: string, constraint: Constraint): string | undefined {
  const unique = constraint.contype === "CONSTR_PRIMARY" || constraint.contype === "CONSTR_UNIQUE";
  if (!unique && constraint.contype !== "CONSTR_EXCLUSION") return undefined;
  const keys = unique
    ? namesIn(constraint.keys).map(quoteName)
    : (constraint.exclusions ?? []).map(exclusionKey);
  const included = namesIn(constraint.including).map(quoteName);
  return [
    `CREATE ${unique ? "UNIQUE " : ""}INDEX ${quoteName(name)} ON ${table}`,
    `USING ${constraint.access_method ?? "btree"} (${keys.join(", ")})`,
    ...(included.length === 0 ? [] : [`INCLUDE (${included.join(", ")})`]),
    ...(constraint.where_clause ? [`WHERE (${deparseSync(constraint.where_clause)})`] : []),
  ].join(" ");
}

/** An exclusion is a pair of a key and the operator that excludes. */
function exclusionKey(node: Node): string {
  const [key] = "List" in node ? (node.List.items ?? []) : [];
  const element = key && "IndexElem" in key ? key.IndexElem : undefined;
  const what =
    element?.name === undefined
      ? `(${element?.expr ? deparseSync(element.expr) : ""})`
      : quoteName(element.name);
  return [what, ...namesIn(element?.opclass).slice(-1)].join(" ");
}

export interface StatisticsFacts {
  readonly table: { readonly schema: string; readonly name: string };
  readonly columns: readonly string[];
  readonly expressions: boolean;
}

export function readStatistics(definition: string): StatisticsFacts {
  const statement = onlyStatement(definition);
  if (!("CreateStatsStmt" in statement)) throw new Error(`not CREATE STATISTICS: ${definition}`);
  const { exprs = [], relations = [] } = statement.CreateStatsStmt;
  const elements = exprs.flatMap((node) => ("StatsElem" in node ? [node.StatsElem] : []));
  const [relation] = relations;
  const table = relation && "RangeVar" in relation ? relation.RangeVar : {};
  return {
    table: { schema: table.schemaname ?? "public", name: table.relname ?? "" },
    columns: elements.flatMap(({ name }) => name ?? []),
    expressions: elements.some(({ expr }) => expr !== undefined),
  };
}

/** The names in `a."B"`, as the grammar reads them. */
export function readQualifiedName(text: string): {
  readonly schema: string;
  readonly name: string;
} {
  const statement = onlyStatement(`TABLE ${text}`);
  const [from] = "SelectStmt" in statement ? (statement.SelectStmt.fromClause ?? []) : [];
  if (!from || !("RangeVar" in from)) throw new Error(`not a table: ${text}`);
  return { schema: from.RangeVar.schemaname ?? "public", name: from.RangeVar.relname ?? "" };
}

function namesIn(nodes: readonly Node[] | undefined): readonly string[] {
  return (nodes ?? []).flatMap((node) => ("String" in node ? (node.String.sval ?? []) : []));
}

function onlyStatement(sql: string): Node {
  const { stmts = [] } = parseSync(sql);
  const statement = stmts[0]?.stmt;
  if (!statement || stmts.length > 1) throw new Error(`not one statement: ${sql}`);
  return statement;
}
