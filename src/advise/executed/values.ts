/** Values for the parameters that statistics say nothing of: constants that pg_stat_statements has replaced, where one is as good as another. */
import type { Node } from "libpg-query";
import { parseStatement } from "../indexes/parse.ts";
import { fillParameters } from "../indexes/workload/text.ts";

/** By the function's name, what stands for its first argument: a unit of time, a share. */
const FIRST_ARGUMENTS: Readonly<Record<string, string>> = {
  date_trunc: "'day'",
  date_part: "'day'",
  extract: "'day'",
  date_bin: "'1 day'",
  percentile_cont: "0.5",
  percentile_disc: "0.5",
};

/** Arguments that nobody's estimate depends on: how a result is written, where it is null. */
const LAST_ARGUMENTS: Readonly<Record<string, string>> = {
  round: "3",
  to_char: "'YYYY-MM-DD'",
  // Of no type yet, so that it becomes that of the others.
  coalesce: "'0'",
  nullif: "'0'",
};

/** Of limits, wherever they stand: a page, from its beginning. */
const LIMIT = { count: "100", offset: "0" };

/**
 * The same statement with such parameters filled in. What it then counts by (days instead of months) may differ from what was asked for, so that
 * nothing is concluded about its expressions. The text comes back as it was where there are none.
 */
export async function withGuesses(sql: string): Promise<string> {
  const parsed = await parseStatement(sql);
  if (parsed.kind === "failed") return sql;
  const guesses = new Map<number, string>();
  collect(parsed.statement, guesses);
  return guesses.size === 0 ? sql : fillParameters(sql, (number) => guesses.get(number));
}

function collect(node: unknown, guesses: Map<number, string>): void {
  if (Array.isArray(node)) {
    for (const each of node) collect(each, guesses);
    return;
  }
  if (typeof node !== "object" || node === null) return;
  if (isCall(node)) {
    const { funcname = [], args = [] } = node.FuncCall;
    const last = funcname.at(-1);
    const name = last && "String" in last ? (last.String.sval ?? "") : "";
    for (const each of elementsOf(args[0])) note(each, FIRST_ARGUMENTS[name], guesses);
    if (args.length > 1) note(args.at(-1), LAST_ARGUMENTS[name], guesses);
    if (name === "date_trunc") note(args[2], "'UTC'", guesses);
    // Milliseconds are what is divided before it is made a time.
    if (name === "to_timestamp") note(divisorOf(args[0]), "1000.0", guesses);
  }
  if (isSelect(node)) {
    note(node.limitCount, LIMIT.count, guesses);
    note(node.limitOffset, LIMIT.offset, guesses);
  }
  if (isCoalesce(node)) note(node.CoalesceExpr.args?.at(-1), LAST_ARGUMENTS["coalesce"], guesses);
  for (const each of Object.values(node)) collect(each, guesses);
}

function elementsOf(node: Node | undefined): readonly Node[] {
  if (!node) return [];
  return "A_ArrayExpr" in node ? (node.A_ArrayExpr.elements ?? []) : [node];
}

function divisorOf(node: Node | undefined): Node | undefined {
  if (!node || !("A_Expr" in node)) return undefined;
  const [operator] = node.A_Expr.name ?? [];
  const divides = operator && "String" in operator && operator.String.sval === "/";
  return divides ? node.A_Expr.rexpr : undefined;
}

function note(
  argument: Node | undefined,
  guess: string | undefined,
  guesses: Map<number, string>,
): void {
  const bare = argument && "TypeCast" in argument ? argument.TypeCast.arg : argument;
  const number = bare && "ParamRef" in bare ? bare.ParamRef.number : undefined;
  if (guess !== undefined && number !== undefined) guesses.set(number, guess);
}

function isCall(node: object): node is Extract<Node, { FuncCall: unknown }> {
  return "FuncCall" in node;
}

type Select = Extract<Node, { SelectStmt: unknown }>["SelectStmt"];

/** A side of a UNION stands without its kind. */
function isSelect(node: object): node is Select {
  return "limitOption" in node;
}

function isCoalesce(node: object): node is Extract<Node, { CoalesceExpr: unknown }> {
  return "CoalesceExpr" in node;
}
