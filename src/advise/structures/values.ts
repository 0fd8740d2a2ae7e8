/** Values for the parameters of a statement: those that decide its shape are assumed and said, those that it asks for are drawn from statistics. */
import type { Node } from "libpg-query";
import type { Catalog, ColumnInfo } from "../indexes/catalog.ts";
import { lastName } from "../indexes/expression-types.ts";
import { isNode } from "../indexes/node.ts";
import { readParameters, type ParameterUse } from "../indexes/workload/parameters.ts";
import { fillParameters, literalOf, parametersOf } from "../indexes/workload/text.ts";

/** How often a statement is compared with its rewritten form. */
const SAMPLES = 3;
/** Of a range, the shares of rows at which its window begins and ends, for each sample: the latest, some in the middle, nearly all. */
const WINDOWS = [
  [0.9, 1],
  [0.4, 0.6],
  [0.02, 0.98],
] as const;

/** Of the rows, those in the first window. */
export const WINDOWS_FIRST_SHARE = 0.1;

const LIMIT = "100";

const DAY_MS = 86_400_000;
const MS_PER_S = 1_000;
const FRACTIONS = ["0.5", "0.95", "0.99"];

export interface Shaped {
  readonly sql: string;
  /** One clause each: which value is assumed. */
  readonly assumed: readonly string[];
}

/**
 * pg_stat_statements keeps no constants, so that `date_trunc('day', at)` is `date_trunc($1, at)`. What a view holds depends on them: a
 * usual value is taken, and said. Others stay parameters.
 */
export function shapeOf(sql: string, statement: Node): Shaped {
  const values = new Map<number, string>();
  let fraction = 0;
  const assume = (node: Node | undefined, value: string): void => {
    if (node && "TypeCast" in node) assume(node.TypeCast.arg, value);
    const number = node && "ParamRef" in node ? node.ParamRef.number : undefined;
    if (number !== undefined && !values.has(number)) values.set(number, value);
  };
  visitNodes(statement, (node) => {
    if ("FuncCall" in node) {
      const { funcname, args = [] } = node.FuncCall;
      const name = lastName(funcname);
      if (name === "date_trunc") {
        assume(args[0], "'day'");
        assume(args[2], "'UTC'");
      }
      if (name === "date_part") assume(args[0], "'epoch'");
      if (name === "to_timestamp") for (const each of args) assumeScale(each, assume);
      if (name === "percentile_cont" || name === "percentile_disc") {
        visitNodes(args, (each) => {
          if (!("ParamRef" in each)) return;
          assume(each, FRACTIONS[fraction % FRACTIONS.length] ?? "0.5");
          fraction += 1;
        });
      }
    }
    if (!("A_Expr" in node)) return;
    const { name, lexpr, rexpr } = node.A_Expr;
    const operator = lastName(name);
    if (operator === "/" || operator === "%") assume(rexpr, String(DAY_MS));
    const divided = lexpr && "A_Expr" in lexpr ? lexpr.A_Expr : undefined;
    if (operator === "*" && lastName(divided?.name) === "/") assume(rexpr, String(DAY_MS));
  });
  const assumed = [...values].map(([number, value]) => `$${number} is ${value}`);
  return { sql: fillParameters(sql, (number) => values.get(number)), assumed };
}

/** `to_timestamp(at / 1000)`: from milliseconds. */
function assumeScale(node: Node, assume: (node: Node | undefined, value: string) => void): void {
  if (!("A_Expr" in node) || lastName(node.A_Expr.name) !== "/") return;
  assume(node.A_Expr.rexpr, `${MS_PER_S}.0`);
}

/** From the outside inwards: what stands further in is assumed later, and does not change what was. */
function visitNodes(value: unknown, visit: (node: Node) => void): void {
  if (Array.isArray(value)) {
    for (const each of value) visitNodes(each, visit);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  if (isNode(value)) visit(value);
  for (const each of Object.values(value)) visitNodes(each, visit);
}

/** Gives the text with one set of values; undefined where nothing is known of a parameter. */
export type Fill = (sql: string) => string;

export interface Samples {
  /** Several; one where the statement has its own values. */
  readonly fills: readonly Fill[];
  /** One sentence each: whose values these are, and what is not known of them. */
  readonly caveats: readonly string[];
}

/** Sets of values for the parameters of a statement; a text says for which one none is known. */
export function samplesOf(sql: string, statement: Node, catalog: Catalog): Samples | string {
  const numbers = parametersOf(sql);
  if (numbers.length === 0) return { fills: [(text) => text], caveats: [] };
  const uses = readParameters(statement, catalog);
  const limits = limitParameters(statement);
  const guessed = numbers.filter((number) => !limits.has(number) && isGuess(uses.get(number)));
  const fills: Fill[] = [];
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const values = new Map<number, string>();
    for (const number of numbers) {
      const value = limits.get(number) ?? drawn(uses.get(number), sample);
      if (value === undefined)
        return `no value is known for $${number}: it is compared with no column by =, a range or a list`;
      values.set(number, value);
    }
    fills.push((text) => fillParameters(text, (number) => values.get(number)));
  }
  return { fills, caveats: sampleCaveats(guessed) };
}

function sampleCaveats(guessed: readonly number[]): readonly string[] {
  const list = guessed.map((number) => `$${number}`).join(", ");
  return [
    `the source of the statements does not tell what was asked for: costs, rows and times are of values drawn from the columns' statistics (a range holds a tenth of the rows, a LIMIT is ${LIMIT}); with others they may gain less, or lose`,
    ...(guessed.length === 0 ? [] : [`nothing is known of ${list}: '1' was taken`]),
  ];
}

/** LIMIT and OFFSET, wherever they stand, and what a count is compared with. */
function limitParameters(statement: Node): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  const note = (node: Node | undefined, value: string): void => {
    if (node && "TypeCast" in node) note(node.TypeCast.arg, value);
    else if (node && "ParamRef" in node) found.set(node.ParamRef.number ?? 0, value);
  };
  visitNodes(statement, (node) => {
    if ("SelectStmt" in node) {
      note(node.SelectStmt.limitCount, LIMIT);
      note(node.SelectStmt.limitOffset, "0");
    }
    if (!("A_Expr" in node)) return;
    const { lexpr, rexpr } = node.A_Expr;
    if (lexpr && "FuncCall" in lexpr && lastName(lexpr.FuncCall.funcname) === "count")
      note(rexpr, "1");
  });
  return found;
}

/** A literal that is a text, a number or JSON as it is needed: for what is given out as it is, or computed with outside of conditions. */
const GUESS = "'1'";

function isGuess(use: ParameterUse | undefined): boolean {
  return use !== undefined && use.kind !== "compared";
}

function drawn(use: ParameterUse | undefined, sample: number): string | undefined {
  if (use === undefined) return undefined;
  if (use.kind !== "compared") return GUESS;
  const { column, role } = use;
  const [from, to] = WINDOWS[sample % WINDOWS.length] ?? WINDOWS[0];
  if (role.kind === "from") return literal(boundAt(column, from));
  if (role.kind === "to") return literal(boundAt(column, role.paired ? to : 1 - from));
  const values = valuesOf(column);
  if (values.length === 0) return undefined;
  if (role.kind === "equal")
    return literal(values[(sample + role.index) % Math.min(values.length, SAMPLES + role.of)]);
  const some = values
    .slice(0, sample + 2)
    .map((each) => `"${each.replaceAll(/["\\]/g, String.raw`\$&`)}"`);
  return literal(`{${some.join(",")}}`);
}

function literal(value: string | undefined): string | undefined {
  return value === undefined ? undefined : literalOf(value);
}

/** The most frequent ones first. */
function valuesOf(column: ColumnInfo): readonly string[] {
  const { common, histogram } = column;
  const others = [0.5, 0.25, 0.75].flatMap(
    (place) => histogram[Math.floor(place * (histogram.length - 1))] ?? [],
  );
  return [...new Set([...common.map(({ value }) => value), ...others])];
}

/** The value below which such a share of the rows is. */
function boundAt(column: ColumnInfo, place: number): string | undefined {
  const { common, histogram } = column;
  const values =
    histogram.length > 1 ? histogram : common.map(({ value }) => value).toSorted(compareValues);
  return values[Math.round(place * (values.length - 1))];
}

/** Numbers by their size, all else as text: dates are written so that both are one. */
function compareValues(left: string, right: string): number {
  const difference = Number(left) - Number(right);
  if (!Number.isNaN(difference)) return difference;
  return left < right ? -1 : 1;
}
