/** Values for statements that were seen without theirs, drawn from the statistics of the columns that their parameters are compared with. */
import type { Catalog, ColumnInfo } from "../catalog.ts";
import { withGuesses } from "../../executed/values.ts";
import { parseStatement } from "../parse.ts";
import type { IndexWorkload, WorkloadStatement } from "../statement.ts";
import { readParameters } from "./parameters.ts";
import type { ParameterUse } from "./parameters.ts";
import { fillParameters, literalOf, parametersOf } from "./text.ts";

/**
 * `generic` leaves $1 to the generic plan of the planner, but for constants without which there is none (the unit of a time, the share of a
 * percentile): usual ones stand for them. `statistics` fills in what rows of the table commonly hold, where every
 * parameter of a statement is compared with a column that has statistics; other statements stay generic, which is said. `plans` says
 * whether a statement can be planned, for parameters whose type has to be guessed.
 */
export async function withValues(
  workload: IndexWorkload,
  catalog: Catalog,
  how: "generic" | "statistics",
  plans: Plans = () => Promise.resolve(false),
): Promise<IndexWorkload> {
  if (how === "generic") return withUsualConstants(workload, plans);
  const statements: WorkloadStatement[] = [];
  const counts = { filled: 0, generic: 0 };
  for (const statement of workload.statements) {
    const filled =
      statement.valuesFrom === "generic" ? await drawn(statement, catalog, plans) : undefined;
    if (filled !== undefined) counts.filled += 1;
    else if (statement.valuesFrom === "generic") counts.generic += 1;
    statements.push(
      filled === undefined
        ? statement
        : { ...statement, planSql: filled, valuesFrom: "statistics" },
    );
  }
  const caveat = `${counts.filled} statements are planned with values drawn from statistics, which may not be those that the application asks for`;
  return {
    ...workload,
    statements,
    caveats: [
      ...workload.caveats,
      ...(counts.filled > 0 ? [caveat] : []),
      ...(counts.generic > 0
        ? [
            `${counts.generic} statements keep their generic plan: a parameter is not compared with a column that has statistics`,
          ]
        : []),
    ],
  };
}

type Plans = (sql: string, how: "generic" | "statistics") => Promise<boolean>;

async function withUsualConstants(workload: IndexWorkload, plans: Plans): Promise<IndexWorkload> {
  const statements: WorkloadStatement[] = [];
  let assumed = 0;
  for (const statement of workload.statements) {
    const { planSql, valuesFrom } = statement;
    const usual = valuesFrom === "generic" ? await withGuesses(planSql) : planSql;
    const isNeeded = usual !== planSql && !(await plans(planSql, "generic"));
    const isTaken = isNeeded && (await plans(usual, "generic"));
    if (isTaken) assumed += 1;
    statements.push(isTaken ? { ...statement, planSql: usual } : statement);
  }
  if (assumed === 0) return workload;
  const caveat = `${assumed} ${assumed === 1 ? "statement has" : "statements have"} constants that their source does not tell and that a plan needs: usual ones stand for them (a day, a median)`;
  return { ...workload, statements, caveats: [...workload.caveats, caveat] };
}

/** For parameters of unknown type inside what is given out: a literal that is a text, a number or JSON as it is needed; a number; nothing. */
const GUESSES = ["'1'", "1", "NULL"];

async function drawn(
  statement: WorkloadStatement,
  catalog: Catalog,
  plans: Plans,
): Promise<string | undefined> {
  const planSql = await withGuesses(statement.planSql);
  const parsed = await parseStatement(planSql);
  if (parsed.kind === "failed") return undefined;
  const uses = readParameters(parsed.statement, catalog);
  const compared = [...uses.values()].filter((use) => use.kind === "compared").length;
  const { rows, calls } = statement;
  // What came back says how selective the value was only when there is one value and nothing else.
  const rowsPerCall = compared === 1 && rows !== undefined && calls ? rows / calls : undefined;
  const values = new Map<number, string>();
  const guessed: number[] = [];
  for (const number of parametersOf(planSql)) {
    const use = uses.get(number);
    const value = use && valueFor(use, rowsPerCall);
    if (value !== undefined) values.set(number, value);
    else if (use?.kind === "given") guessed.push(number);
    else return undefined;
  }
  if (guessed.length === 0) return fillParameters(planSql, (number) => values.get(number));
  for (const guess of GUESSES) {
    const sql = fillParameters(planSql, (number) => values.get(number) ?? guess);
    if (await plans(sql, "statistics")) return sql;
  }
  return undefined;
}

/** A window of a range between two bounds begins here: what was written late is asked for most. */
const LATE = 0.9;
/** Of the rows behind one bound, where nothing is known of how many came back. */
const BEHIND_ONE_BOUND = 0.1;
const LIST_LENGTH = 5;

function valueFor(use: ParameterUse, rowsPerCall: number | undefined): string | undefined {
  if (use.kind === "assigned") return "NULL";
  if (use.kind === "given") return undefined;
  const { column, role } = use;
  const share =
    rowsPerCall !== undefined && use.alone && use.tableRows
      ? Math.min(1, rowsPerCall / use.tableRows)
      : undefined;
  if (role.kind === "equal") {
    return quoted(
      share === undefined
        ? valueAt(column, (role.index + 0.5) / role.of)
        : valueOfShare(column, share),
    );
  }
  if (role.kind === "list") {
    const values = Array.from({ length: LIST_LENGTH }, (_, index) =>
      valueAt(column, (index + 0.5) / LIST_LENGTH),
    ).filter((value) => value !== undefined);
    return values.length === 0 ? undefined : literalOf(arrayOf([...new Set(values)]));
  }
  const behind = share ?? BEHIND_ONE_BOUND;
  if (role.kind === "from") return quoted(boundAt(column, role.paired ? LATE : 1 - behind, 0));
  return quoted(boundAt(column, role.paired ? LATE : behind, role.paired ? 1 : 0));
}

function quoted(value: string | undefined): string | undefined {
  return value === undefined ? undefined : literalOf(value);
}

/** The value at a place of the rows in the order of the statistics: common values first, then the histogram. */
function valueAt(column: ColumnInfo, place: number): string | undefined {
  const common = column.common.reduce((sum, each) => sum + each.share, 0);
  const others = column.histogram.length > 0 ? Math.max(0, 1 - common - column.nullFraction) : 0;
  let left = place * (common + others);
  for (const { value, share } of column.common) {
    if (left < share) return value;
    left -= share;
  }
  const last = column.histogram.length - 1;
  const index = others > 0 ? Math.floor((left / others) * last) : 0;
  // A bound in the middle of its bucket is as good as any; the outermost ones are extremes.
  return (
    column.histogram[Math.min(Math.max(index, Math.min(1, last)), last)] ??
    column.common.at(-1)?.value
  );
}

/** The value that such a share of the rows has, as nearly as statistics know. */
function valueOfShare(column: ColumnInfo, wanted: number): string | undefined {
  const common = column.common.reduce((sum, each) => sum + each.share, 0);
  const rest = (column.distinct ?? 0) - column.common.length;
  const middle = column.histogram[Math.floor(column.histogram.length / 2)];
  const values = [
    ...column.common,
    ...(middle !== undefined && rest > 0
      ? [{ value: middle, share: Math.max(0, 1 - common - column.nullFraction) / rest }]
      : []),
  ];
  const distance = (share: number): number =>
    Math.abs(Math.log(Math.max(share, 1e-12)) - Math.log(Math.max(wanted, 1e-12)));
  return values.toSorted((a, b) => distance(a.share) - distance(b.share))[0]?.value;
}

function boundAt(column: ColumnInfo, place: number, further: number): string | undefined {
  const last = column.histogram.length - 1;
  const index = Math.min(last, Math.round(place * last) + further);
  return column.histogram[index] ?? column.common[0]?.value;
}

function arrayOf(values: readonly string[]): string {
  const quoted = values.map((value) => `"${value.replaceAll(/["\\]/g, String.raw`\$&`)}"`);
  return `{${quoted.join(",")}}`;
}
