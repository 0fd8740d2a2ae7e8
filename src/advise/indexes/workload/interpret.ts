/** One text as a statement to plan: what it is, which others are the same, or why it is left out. */
import { deparseSync } from "pgsql-deparser";
import { fingerprintSync, parseSync } from "libpg-query";
import type { Node } from "libpg-query";
import { messageOf } from "../../../core/errors.ts";
import { fillLimits } from "./limits.ts";
import { bareStatement, parametersOf, readPlaceholders, readReplaced } from "./text.ts";

export type Interpreted =
  | {
      readonly kind: "statement";
      /** What EXPLAIN takes: no comment, no semicolon, a cursor's or a copy's query alone. */
      readonly sql: string;
      /** The same for statements that differ in constants, comments, spelling, the length of lists, and no more. */
      readonly key: string;
      readonly fingerprint: string;
      readonly hasParameters: boolean;
      /** Placeholders of a driver were read as parameters. */
      readonly translated: boolean;
      /** The text with the parameters of its limits filled in for so many rows a call. */
      readonly withLimits: (rowsPerCall: number | undefined) => string;
    }
  | {
      readonly kind: "left out";
      readonly because: string;
      /** Every workload has such texts: they are counted, not listed. */
      readonly usual: boolean;
    };

/** The parser has to be loaded (loadModule of libpg-query). */
export function interpret(text: string): Interpreted {
  const sql = readReplaced(bareStatement(text));
  if (sql === "") return leftOut("no statement");
  if (sql.includes("<insufficient privilege>")) {
    return leftOut("its text is hidden from this role, which needs pg_read_all_stats to see it");
  }
  const asItIs = parsed(sql);
  if (asItIs.kind === "parsed") return read(sql, asItIs.statement, false);
  const translated = readPlaceholders(sql);
  const again = translated === undefined ? asItIs : parsed(translated);
  if (translated !== undefined && again.kind === "parsed") {
    return read(translated, again.statement, true);
  }
  // pg_stat_statements writes $1 for the name of a savepoint, which the grammar has no parameter for.
  if (TRANSACTION.test(sql)) return usual("it is a utility statement without a plan (TRANSACTION)");
  return leftOut(isCutOff(sql, asItIs.because) ? CUT_OFF : asItIs.because);
}

const TRANSACTION = /^(?:savepoint|release|rollback|prepare transaction|commit prepared)\b/i;
const CUT_OFF =
  "its text is cut off (track_activity_query_size, or a limit of the tool that exported it)";

function isCutOff(sql: string, because: string): boolean {
  return /at end of input|unterminated/.test(because) || /(?:\.\.\.|…)\s*$/.test(sql);
}

type Parsed =
  | { readonly kind: "parsed"; readonly statement: Node }
  | { readonly kind: "failed"; readonly because: string };

function parsed(sql: string): Parsed {
  try {
    const { stmts = [] } = parseSync(sql);
    const statement = stmts[0]?.stmt;
    return statement && stmts.length === 1
      ? { kind: "parsed", statement }
      : { kind: "failed", because: "it is not one statement" };
  } catch (error) {
    return { kind: "failed", because: `PostgreSQL's parser: ${messageOf(error)}` };
  }
}

function read(sql: string, statement: Node, translated: boolean): Interpreted {
  const inner = planned(sql, statement);
  if (!inner) return usual(`it is a utility statement without a plan (${kindOf(statement)})`);
  const mentions = mentionsIn(inner.statement);
  const tables = mentions.tables.filter(
    (each) => each.schema !== undefined || !mentions.withQueries.has(each.name),
  );
  if (tables.length === 0) {
    return usual(
      mentions.calls
        ? "it names no table; what its functions run is seen with pg_stat_statements.track = all or auto_explain.log_nested_statements"
        : "it names no table",
    );
  }
  if (tables.every(isSystem)) return usual("it reads the system catalogs alone");
  const fingerprint = fingerprintSync(inner.sql);
  return {
    kind: "statement",
    sql: inner.sql,
    key: [fingerprint, ...mentions.shape].join(" "),
    fingerprint,
    hasParameters: parametersOf(inner.sql).length > 0,
    translated,
    withLimits: (rowsPerCall) => fillLimits(inner.sql, inner.statement, rowsPerCall),
  };
}

/** The part that has a plan which an index can change; undefined for utility statements. */
function planned(
  sql: string,
  statement: Node,
): { readonly sql: string; readonly statement: Node } | undefined {
  if ("SelectStmt" in statement && statement.SelectStmt.intoClause) {
    const { intoClause: _, ...select } = statement.SelectStmt;
    const query: Node = { SelectStmt: select };
    return { sql: deparseSync([query]), statement: query };
  }
  if (
    "SelectStmt" in statement ||
    "InsertStmt" in statement ||
    "UpdateStmt" in statement ||
    "DeleteStmt" in statement ||
    "MergeStmt" in statement
  ) {
    return { sql, statement };
  }
  const query =
    "DeclareCursorStmt" in statement
      ? statement.DeclareCursorStmt.query
      : "CopyStmt" in statement
        ? (statement.CopyStmt.query ?? copiedInto(statement.CopyStmt))
        : "CreateTableAsStmt" in statement
          ? statement.CreateTableAsStmt.query
          : "PrepareStmt" in statement
            ? statement.PrepareStmt.query
            : undefined;
  return query && planned(deparseSync([query]), query);
}

/** COPY FROM writes rows as INSERT does; EXPLAIN takes only the latter. */
function copiedInto(copy: Extract<Node, { CopyStmt: unknown }>["CopyStmt"]): Node | undefined {
  if (copy.is_from !== true || !copy.relation) return undefined;
  return { InsertStmt: { relation: copy.relation, override: "OVERRIDING_NOT_SET" } };
}

interface Mentions {
  readonly tables: { readonly schema: string | undefined; readonly name: string }[];
  readonly withQueries: Set<string>;
  /** What the fingerprint does not tell apart and a plan does: schemas, numbered tables, lists, the start of patterns. */
  readonly shape: string[];
  calls: boolean;
}

function mentionsIn(statement: Node): Mentions {
  const mentions: Mentions = { tables: [], withQueries: new Set(), shape: [], calls: false };
  collect(statement, mentions);
  return mentions;
}

function collect(node: unknown, into: Mentions): void {
  if (Array.isArray(node)) {
    for (const each of node) collect(each, into);
    return;
  }
  if (typeof node !== "object" || node === null) return;
  noteNode(node, into);
  for (const each of Object.values(node)) collect(each, into);
}

/** The parser's nodes are objects whose only key is their kind; a table that is written to stands without that wrapping. */
function noteNode(node: object, into: Mentions): void {
  if ("relname" in node && typeof node.relname === "string") {
    const schema =
      "schemaname" in node && typeof node.schemaname === "string" ? node.schemaname : undefined;
    into.tables.push({ schema, name: node.relname });
    if (schema !== undefined && schema !== "public") into.shape.push(`schema:${schema}`);
    // The fingerprint leaves digits out of names, which suits partitions and nothing else.
    if (/\d/.test(node.relname)) into.shape.push(`table:${node.relname}`);
  }
  if ("ctename" in node && typeof node.ctename === "string") into.withQueries.add(node.ctename);
  if ("FuncCall" in node) into.calls = true;
  if (isExpression(node)) {
    const shape = shapeOf(node.A_Expr);
    if (shape !== undefined) into.shape.push(shape);
  }
}

function isExpression(node: object): node is Extract<Node, { A_Expr: unknown }> {
  return "A_Expr" in node;
}

function shapeOf(expression: Extract<Node, { A_Expr: unknown }>["A_Expr"]): string | undefined {
  const { kind, rexpr } = expression;
  if (kind === "AEXPR_OP_ANY") return "list";
  if (kind === "AEXPR_IN" && rexpr && "List" in rexpr) {
    return (rexpr.List.items ?? []).length > 1 ? "list" : undefined;
  }
  if (kind !== "AEXPR_LIKE" && kind !== "AEXPR_ILIKE") return undefined;
  const pattern = rexpr && "A_Const" in rexpr ? rexpr.A_Const : undefined;
  if (!pattern || !("sval" in pattern)) return undefined;
  return /^[%_]/.test(pattern.sval?.sval ?? "") ? "pattern:any" : "pattern:start";
}

function isSystem(table: { readonly schema: string | undefined; readonly name: string }): boolean {
  return table.schema === undefined
    ? table.name.startsWith("pg_")
    : table.schema === "information_schema" || table.schema.startsWith("pg_");
}

/** `TransactionStmt` as people say it. */
function kindOf(statement: Node): string {
  return (Object.keys(statement)[0] ?? "unknown")
    .replace(/Stmt$/, "")
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ")
    .toUpperCase();
}

function leftOut(because: string): Interpreted {
  return { kind: "left out", because, usual: false };
}

function usual(because: string): Interpreted {
  return { kind: "left out", because, usual: true };
}
