/**
 * What of a snapshot's schema may be made on the clone. The planner runs immutable and stable functions while it plans, as a superuser
 * of a server on this machine; so functions are made as they are only when they can do nothing but compute, and every text of a
 * snapshot has to be the one statement that it is meant to be.
 */
import { loadModule, parsePlPgSQLSync, parseSync } from "libpg-query";
import type { Node } from "libpg-query";
import { deparseSync } from "pgsql-deparser";
import { messageOf } from "../../../core/errors.ts";
import type { PlannerConnection } from "../../../core/planner.ts";
import type { Step } from "./ddl.ts";

export interface Vetted {
  readonly steps: readonly Step[];
  readonly refused: readonly { readonly step: Step; readonly message: string }[];
  readonly caveats: readonly string[];
}

/** Kinds of statements that make things and evaluate nothing, as the parser names them. */
const KINDS = new Set([
  "CreateSchemaStmt",
  "CreateExtensionStmt",
  "CreateEnumStmt",
  "CreateDomainStmt",
  "CompositeTypeStmt",
  "CreateFunctionStmt",
  "CreateSeqStmt",
  "CreateStmt",
  "AlterTableStmt",
  "IndexStmt",
  "CreateStatsStmt",
  "ViewStmt",
]);
const ALTERATIONS = new Set([
  "AT_DropColumn",
  "AT_AddInherit",
  "AT_AttachPartition",
  "AT_AddConstraint",
]);

/** Extensions are there already, so that their functions are known. */
export async function vetSteps(
  connection: PlannerConnection,
  steps: readonly Step[],
): Promise<Vetted> {
  await loadModule();
  const known = await computingFunctions(connection);
  const functions = steps.flatMap((step) => functionOf(step) ?? []);
  let accepted = new Set<string>();
  // Functions call each other: those that call only what is accepted are accepted too.
  for (;;) {
    const names = new Set([...known, ...accepted]);
    const more = new Set(
      functions.filter((each) => onlyComputes(each, names)).map(({ name }) => name),
    );
    if (more.size === accepted.size) break;
    accepted = more;
  }
  const computes = new Set([...known, ...accepted]);
  const vetted: Step[] = [];
  const refused: { step: Step; message: string }[] = [];
  const caveats: string[] = [];
  for (const step of steps) {
    const objection = objectionTo(step.sql) ?? (step.otherwise && objectionTo(step.otherwise));
    if (objection !== undefined) {
      refused.push({ step, message: objection });
      continue;
    }
    const written = functionOf(step);
    if (!written || onlyComputes(written, computes)) {
      vetted.push(step);
      continue;
    }
    const sql = standIn(written);
    if (sql === undefined) refused.push({ step, message: "its head could not be written anew" });
    else vetted.push({ ...step, sql });
    if (!written.volatile) {
      caveats.push(
        `${step.makes} is not run here, since it may do more than compute: statements whose plan depends on its value are not planned`,
      );
    }
  }
  return { steps: vetted, refused, caveats };
}

/** Names of which every function in the database is immutable or stable: none of PostgreSQL's own such ones writes, or reads files. */
export async function computingFunctions(
  connection: Pick<PlannerConnection, "query">,
): Promise<ReadonlySet<string>> {
  const rows = await connection.query(
    "SELECT proname::text AS name FROM pg_proc GROUP BY proname HAVING bool_and(provolatile IN ('i', 's') AND prokind IN ('f', 'a', 'w'))",
  );
  return new Set(rows.map((row) => String(row["name"])));
}

/** Why a text may not be run; undefined when it may. */
function objectionTo(sql: string): string | undefined {
  let statements: readonly (Node | undefined)[];
  try {
    statements = (parseSync(sql).stmts ?? []).map(({ stmt }) => stmt);
  } catch (error) {
    return `it is no statement: ${messageOf(error)}`;
  }
  const kinds = statements.map((statement) => (statement ? Object.keys(statement)[0] : undefined));
  const table = kinds.length === 2 && kinds[0] === "CreateStmt" && kinds[1] === "AlterTableStmt";
  if (kinds.length !== 1 && !table) return "it is more than one statement";
  for (const statement of statements) {
    const objection = statement && objectionToStatement(statement);
    if (objection !== undefined) return objection;
  }
  return undefined;
}

function objectionToStatement(statement: Node): string | undefined {
  const [kind = "nothing"] = Object.keys(statement);
  if (!KINDS.has(kind)) return `it is a ${kind}, which makes no part of a schema`;
  if ("CreateDomainStmt" in statement && statement.CreateDomainStmt.constraints?.length) {
    return "its domain has constraints, which loading statistics would run";
  }
  if (!("AlterTableStmt" in statement)) return undefined;
  for (const command of statement.AlterTableStmt.cmds ?? []) {
    const subtype = "AlterTableCmd" in command ? command.AlterTableCmd.subtype : undefined;
    if (subtype === undefined || !ALTERATIONS.has(subtype))
      return `it alters a table by ${subtype}`;
    // Bounds are evaluated at once, and are constants in every catalog.
    if (subtype === "AT_AttachPartition" && callsIn(command).length > 0) {
      return "a bound of its partition calls a function";
    }
  }
  return undefined;
}

interface WrittenFunction {
  readonly name: string;
  readonly language: string;
  readonly volatile: boolean;
  readonly body: string | undefined;
  readonly statement: Extract<Node, { CreateFunctionStmt: unknown }>;
  readonly sql: string;
}

function functionOf(step: Step): WrittenFunction | undefined {
  if (!/^\s*CREATE\b/i.test(step.sql) || !step.sql.includes("FUNCTION")) return undefined;
  let statement: Node | undefined;
  try {
    statement = parseSync(step.sql).stmts?.[0]?.stmt;
  } catch {
    return undefined;
  }
  if (!statement || !("CreateFunctionStmt" in statement)) return undefined;
  const { funcname = [], options = [] } = statement.CreateFunctionStmt;
  const last = funcname.at(-1);
  const option = (name: string): unknown =>
    options.flatMap((each) =>
      "DefElem" in each && each.DefElem.defname === name ? [each.DefElem.arg] : [],
    )[0];
  return {
    name: last && "String" in last ? (last.String.sval ?? "") : "",
    language: textsIn(option("language"))[0] ?? "sql",
    volatile: !["immutable", "stable"].includes(textsIn(option("volatility"))[0] ?? "volatile"),
    body: textsIn(option("as"))[0],
    statement,
    sql: step.sql,
  };
}

/** A function that reads and computes: no statement in it changes anything, and all that it calls is known to compute only. */
function onlyComputes(written: WrittenFunction, known: ReadonlySet<string>): boolean {
  const { language, body, statement } = written;
  try {
    if (statement.CreateFunctionStmt.sql_body) {
      return isQuery(statement.CreateFunctionStmt.sql_body, known);
    }
    if (body === undefined) return false;
    if (language === "sql") {
      const { stmts = [] } = parseSync(body);
      const [only] = stmts;
      return stmts.length === 1 && only?.stmt !== undefined && isQuery(only.stmt, known);
    }
    return language === "plpgsql" && isPlainPlpgsql(parsePlPgSQLSync(written.sql), known);
  } catch {
    return false;
  }
}

const WRITES =
  /^(?:InsertStmt|UpdateStmt|DeleteStmt|MergeStmt|CopyStmt|DoStmt|CallStmt|IntoClause|LockingClause)$/;

/** Whether a statement only reads, and calls nothing but what is known to compute only. */
export function isQuery(node: unknown, known: ReadonlySet<string>): boolean {
  const keys = keysIn(node);
  if ([...keys].some((key) => WRITES.test(key) || key === "intoClause")) return false;
  const top = typeof node === "object" && node !== null ? Object.keys(node)[0] : undefined;
  if (top !== "SelectStmt" && top !== "ReturnStmt") return false;
  return callsIn(node).every((name) => known.has(name));
}

const PLPGSQL = new Set([
  "PLpgSQL_function",
  "PLpgSQL_var",
  "PLpgSQL_type",
  "PLpgSQL_rec",
  "PLpgSQL_row",
  "PLpgSQL_expr",
  "PLpgSQL_stmt_block",
  "PLpgSQL_stmt_return",
  "PLpgSQL_stmt_if",
  "PLpgSQL_if_elsif",
  "PLpgSQL_stmt_case",
  "PLpgSQL_case_when",
  "PLpgSQL_stmt_assign",
]);

/** Declarations, assignments, IF, CASE and RETURN; their expressions are queries. */
function isPlainPlpgsql(tree: unknown, known: ReadonlySet<string>): boolean {
  if ([...keysIn(tree)].some((key) => key.startsWith("PLpgSQL_") && !PLPGSQL.has(key))) {
    return false;
  }
  return expressionsIn(tree).every((expression) => {
    const assigned = /^\s*[\w.$"]+\s*:?=(?!=)\s*([\s\S]*)$/.exec(expression)?.[1] ?? expression;
    const { stmts = [] } = parseSync(`SELECT ${assigned}`);
    const [only] = stmts;
    return stmts.length === 1 && only?.stmt !== undefined && isQuery(only.stmt, known);
  });
}

/** The same head with a body that only says why it is none; undefined when it cannot be written. */
function standIn({ statement }: WrittenFunction): string | undefined {
  const { options = [], sql_body: _, ...head } = statement.CreateFunctionStmt;
  const kept = options.filter(
    (each) => !("DefElem" in each) || !["language", "as"].includes(each.DefElem.defname ?? ""),
  );
  const body =
    "BEGIN RAISE EXCEPTION 'perfopt does not run this function, which may do more than compute'; END";
  try {
    return deparseSync({
      CreateFunctionStmt: {
        ...head,
        options: [
          ...kept,
          { DefElem: { defname: "language", arg: stringNode("plpgsql") } },
          { DefElem: { defname: "as", arg: { List: { items: [stringNode(body)] } } } },
        ],
      },
    });
  } catch {
    return undefined;
  }
}

function stringNode(sval: string): Node {
  return { String: { sval } };
}

/** Names, without their schemas, of all functions that are called anywhere in a tree. */
export function callsIn(node: unknown): readonly string[] {
  if (Array.isArray(node)) return node.flatMap(callsIn);
  if (typeof node !== "object" || node === null) return [];
  const own =
    "FuncCall" in node && typeof node.FuncCall === "object" && node.FuncCall !== null
      ? textsIn("funcname" in node.FuncCall ? node.FuncCall.funcname : undefined).slice(-1)
      : [];
  return [...own, ...Object.values(node).flatMap(callsIn)];
}

function expressionsIn(node: unknown): readonly string[] {
  if (Array.isArray(node)) return node.flatMap(expressionsIn);
  if (typeof node !== "object" || node === null) return [];
  const own = Object.entries(node).flatMap(([key, value]) =>
    key === "PLpgSQL_expr" &&
    typeof value === "object" &&
    value !== null &&
    "query" in value &&
    typeof value.query === "string"
      ? [value.query]
      : [],
  );
  return [...own, ...Object.values(node).flatMap(expressionsIn)];
}

function keysIn(node: unknown, keys = new Set<string>()): ReadonlySet<string> {
  if (Array.isArray(node)) for (const each of node) keysIn(each, keys);
  else if (typeof node === "object" && node !== null) {
    for (const [key, value] of Object.entries(node)) {
      keys.add(key);
      keysIn(value, keys);
    }
  }
  return keys;
}

/** The strings of a node or a list of them, in order. */
function textsIn(node: unknown): readonly string[] {
  if (Array.isArray(node)) return node.flatMap(textsIn);
  if (typeof node !== "object" || node === null) return [];
  if ("sval" in node && typeof node.sval === "string") return [node.sval];
  return Object.values(node).flatMap(textsIn);
}
