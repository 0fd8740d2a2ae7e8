/** The conditions of a plan's node, as EXPLAIN writes them, as columns and expressions of its table that are compared with constants. */
import type { Node } from "libpg-query";
import { deparseSync } from "pgsql-deparser";
import { isNode, outermost } from "../indexes/node.ts";
import { parseStatement } from "../indexes/parse.ts";

/** One side of comparisons that extended statistics can tell about: a column, or an expression over columns of one table. */
export interface Term {
  readonly kind: "column" | "expression";
  /** The column's name, unquoted; or SQL that names columns without their table. */
  readonly text: string;
  /** Compared for equality, or for being null: what functional dependencies are about. */
  readonly equal: boolean;
}

export interface Conditions {
  /** Each once. */
  readonly terms: readonly Term[];
  /** Conditions that no extended statistics tell about: patterns, subqueries, other tables' columns. */
  readonly others: number;
}

const RANGES = new Set(["<", "<=", ">", ">="]);

/**
 * `texts`: Filter, Index Cond and Recheck Cond of one scan, which are all true of a row that it returns. `alias`: of its table. EXPLAIN
 * names columns with it or, of a plan with one table, without.
 */
export async function conditionsOf(texts: readonly string[], alias: string): Promise<Conditions> {
  const terms = new Map<string, Term>();
  let others = 0;
  for (const text of texts) {
    const parsed = await parseStatement(`SELECT 1 WHERE ${text}`);
    // `(hashed SubPlan 1)` and its like are no SQL.
    if (parsed.kind === "failed" || !("SelectStmt" in parsed.statement)) {
      others += 1;
      continue;
    }
    for (const conjunct of conjunctsOf(parsed.statement.SelectStmt.whereClause)) {
      const found = termsOf(conjunct, alias);
      if (found === undefined) others += 1;
      for (const term of found ?? []) {
        const key = `${term.kind} ${term.text}`;
        const known = terms.get(key);
        terms.set(key, known ? { ...term, equal: known.equal || term.equal } : term);
      }
    }
  }
  return { terms: [...terms.values()], others };
}

/** One expression of a Group Key, likewise; undefined when it is none over this table alone. */
export async function groupTerm(
  text: string,
  alias: string,
): Promise<Pick<Term, "kind" | "text"> | undefined> {
  const parsed = await parseStatement(`SELECT ${text}`);
  if (parsed.kind === "failed" || !("SelectStmt" in parsed.statement)) return undefined;
  const [target] = parsed.statement.SelectStmt.targetList ?? [];
  const value = target && "ResTarget" in target ? target.ResTarget.val : undefined;
  return value && sideOf(value, alias);
}

/** The alias that the columns of an expression name; undefined where they name none, or several. */
export async function qualifierOf(text: string): Promise<string | undefined> {
  const parsed = await parseStatement(`SELECT ${text}`);
  if (parsed.kind === "failed") return undefined;
  const names = new Set(referencesIn(parsed.statement).map(({ qualifier }) => qualifier ?? ""));
  const [only, ...more] = names;
  return more.length > 0 || only === "" ? undefined : only;
}

function conjunctsOf(node: Node | undefined): readonly Node[] {
  if (!node) return [];
  if (!("BoolExpr" in node) || node.BoolExpr.boolop !== "AND_EXPR") return [node];
  return (node.BoolExpr.args ?? []).flatMap(conjunctsOf);
}

/** Undefined for a condition that PostgreSQL's extended statistics are not asked about (statext_is_compatible_clause). */
function termsOf(node: Node, alias: string): readonly Term[] | undefined {
  if ("BoolExpr" in node) {
    const parts = (node.BoolExpr.args ?? []).map((each) => termsOf(each, alias));
    const known = parts.flatMap((each) => each ?? []);
    // Lists of most common values tell about OR and NOT, dependencies do not.
    return parts.includes(undefined) ? undefined : known.map((each) => ({ ...each, equal: false }));
  }
  if ("NullTest" in node) return oneTerm(node.NullTest.arg, alias, true);
  if ("BooleanTest" in node) return oneTerm(node.BooleanTest.arg, alias, true);
  if ("A_Expr" in node) return comparison(node.A_Expr, alias);
  // A boolean column is a condition by itself.
  return "ColumnRef" in node ? oneTerm(node, alias, true) : undefined;
}

function comparison(
  expression: Extract<Node, { A_Expr: unknown }>["A_Expr"],
  alias: string,
): readonly Term[] | undefined {
  const { kind, lexpr, rexpr, name } = expression;
  const last = name?.at(-1);
  const operator = last && "String" in last ? (last.String.sval ?? "") : "";
  const plain = kind === "AEXPR_OP" || kind === "AEXPR_OP_ANY" || kind === "AEXPR_IN";
  const equal = operator === "=";
  if (!plain || !(equal || RANGES.has(operator))) return undefined;
  if (isConstant(rexpr)) return oneTerm(lexpr, alias, equal);
  return isConstant(lexpr) ? oneTerm(rexpr, alias, equal) : undefined;
}

function oneTerm(
  node: Node | undefined,
  alias: string,
  equal: boolean,
): readonly Term[] | undefined {
  const side = node && sideOf(node, alias);
  return side && [{ ...side, equal }];
}

function sideOf(node: Node, alias: string): Pick<Term, "kind" | "text"> | undefined {
  const bare = withoutCast(node);
  const references = referencesIn(bare);
  const isOwn = references.every(({ qualifier }) => qualifier === undefined || qualifier === alias);
  if (references.length === 0 || !isOwn || outermost(bare, "SubLink").length > 0) return undefined;
  const [first] = references;
  if ("ColumnRef" in bare && first) return { kind: "column", text: first.name };
  try {
    return { kind: "expression", text: deparseSync(unqualified(bare), { pretty: false }) };
  } catch {
    return undefined;
  }
}

/** EXPLAIN casts varchar columns to text where they are compared. Other casts are expressions. */
function withoutCast(node: Node): Node {
  if (!("TypeCast" in node) || !node.TypeCast.arg || !("ColumnRef" in node.TypeCast.arg)) {
    return node;
  }
  const name = node.TypeCast.typeName?.names?.at(-1);
  const isText = name !== undefined && "String" in name && name.String.sval === "text";
  return isText ? node.TypeCast.arg : node;
}

interface Reference {
  readonly qualifier: string | undefined;
  readonly name: string;
}

function referencesIn(node: Node): readonly Reference[] {
  return outermost(node, "ColumnRef").map((each) => {
    const names = (each.ColumnRef.fields ?? []).flatMap((field) =>
      "String" in field ? [field.String.sval ?? ""] : [],
    );
    return { qualifier: names.at(-2), name: names.at(-1) ?? "" };
  });
}

/** Known while planning: a value that another part of the plan has yet to compute is not. */
function isConstant(node: Node | undefined): boolean {
  if (!node) return false;
  const text = JSON.stringify(node);
  return !["ColumnRef", "SubLink", "ParamRef"].some((kind) => text.includes(`"${kind}":`));
}

function unqualified(node: Node): Node {
  const changed = unqualifiedPart(node);
  return isNode(changed) ? changed : node;
}

function unqualifiedPart(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(unqualifiedPart);
  if (typeof part !== "object" || part === null) return part;
  return Object.fromEntries(
    Object.entries(part).map(([key, value]: [string, unknown]) => [
      key,
      key === "fields" && Array.isArray(value) ? value.slice(-1) : unqualifiedPart(value),
    ]),
  );
}
