/** What keeps the planner's estimates wrong: statistics that are old or missing, and columns that depend on each other. */
import type { Finding } from "../../../core/advice.ts";
import { indexName, qualifiedName, quoteName } from "../../../core/index-definition.ts";
import { equalityKinds } from "../../statistics/kinds.ts";
import { uniqueIndexWithin, type ColumnInfo, type TableInfo } from "../catalog.ts";
import type { PlanNode } from "../what-if.ts";
import type { FindingBounds, FindingsInput, ReadStatement } from "./input.ts";
import { counted, countersAge, readableAge } from "./words.ts";

/** Each column has to leave many rows for two together to be estimated too low by much. */
const DISTINCT_SHARE_MOST = 0.1;

export function statisticsFindings(
  input: FindingsInput,
  bounds: FindingBounds,
): readonly Finding[] {
  return [
    ...input.catalog.tables.flatMap((table) => stale(input, table, bounds) ?? []),
    ...dependentColumns(input, bounds),
  ];
}

function stale(input: FindingsInput, table: TableInfo, bounds: FindingBounds): Finding | undefined {
  if (table.kind === "other") return undefined;
  const detail = staleness(input, table, bounds);
  if (detail === undefined) return undefined;
  return {
    kind: "stale-statistics",
    table: `${table.schema}.${table.name}`,
    detail,
    sql: `ANALYZE ${qualifiedName(table.schema, table.name)};`,
  };
}

function staleness(
  input: FindingsInput,
  table: TableInfo,
  bounds: FindingBounds,
): string | undefined {
  const { activity } = table;
  const known = table.columns.some(({ distinct }) => distinct !== undefined);
  if (table.kind === "partitioned") {
    const parts = input.catalog.tables.filter(
      (each) => each.partOf === `${table.schema}.${table.name}`,
    );
    const rows = parts.reduce((sum, each) => sum + (each.rows ?? 0), 0);
    if (known || rows < bounds.rowsLeast) return undefined;
    return `it is partitioned and was never analysed as a whole: autovacuum analyses partitions only, so plans over several of them guess. Repeat ANALYZE when its data has changed much`;
  }
  if (!known && table.rows === undefined) {
    const rows = activity?.liveRows;
    if (rows !== undefined && rows < bounds.rowsLeast) return undefined;
    if (rows === undefined && table.bytes === 0) return undefined;
    return "it was never analysed: the planner guesses, and so does this advice";
  }
  if (!activity) return undefined;
  const rows = Math.max(table.rows ?? 0, activity.liveRows);
  const changed = activity.changedSinceAnalyze;
  if (changed < bounds.rowsLeast || changed < bounds.staleShare * rows) return undefined;
  const age =
    activity.analyzedAt === undefined
      ? undefined
      : countersAge({
          ...input,
          catalog: { ...input.catalog, countersSince: activity.analyzedAt },
        });
  const when = age === undefined ? "the last ANALYZE" : `ANALYZE ${readableAge(age)} ago`;
  return `${counted(changed, "row")} changed since ${when}, and it has ${counted(rows, "row")}: plans and this advice rest on old statistics`;
}

function dependentColumns(input: FindingsInput, bounds: FindingBounds): readonly Finding[] {
  const seen = new Set<string>();
  return input.statements.flatMap((read) => {
    const [use, ...more] = read.uses;
    if (!use || more.length > 0) return [];
    const { table } = use;
    const columns = dependentCandidates(table, use.equal);
    const estimate = rowsEstimate(read);
    if (columns.length < 2 || !estimate) return [];
    const factor = Math.max(estimate.returned, 1) / Math.max(estimate.planned, 1);
    if (factor < bounds.misestimateLeast && factor > 1 / bounds.misestimateLeast) return [];
    const names = columns.map(({ name }) => name);
    const key = `${table.schema}.${table.name} ${names.join("\0")}`;
    if (seen.has(key)) return [];
    seen.add(key);
    return [dependence(read, table, columns, estimate)];
  });
}

interface RowsEstimate {
  readonly planned: number;
  /** Mean of the calls. */
  readonly returned: number;
}

function dependence(
  { statement }: ReadStatement,
  table: TableInfo,
  columns: readonly ColumnInfo[],
  { planned, returned }: RowsEstimate,
): Finding {
  const names = columns.map((each) => each.name);
  const name = indexName({
    schema: table.schema,
    table: table.name,
    columns: names.map((each) => ({ name: each })),
  });
  const generic =
    statement.valuesFrom === "statement"
      ? ""
      : " The plan is for typical values, so calls for frequent ones alone can make such a difference too.";
  return {
    kind: "missing-statistics",
    table: `${table.schema}.${table.name}`,
    statement: statement.id,
    detail: `${names.join(" and ")} are filtered together: the planner expects ${counted(planned, "row")}, and a call returns or changes ${counted(returned, "row")} (mean of ${counted(statement.calls ?? 0, "call")}). If one column's values depend on the other's, statistics on both mend the estimate.${generic}`,
    sql: `CREATE STATISTICS ${qualifiedName(table.schema, name)} (${equalityKinds(columns).join(", ")}) ON ${names.map(quoteName).join(", ")} FROM ${qualifiedName(table.schema, table.name)};\nANALYZE ${qualifiedName(table.schema, table.name)};`,
  };
}

/** Columns compared for equality that leave many rows each, and that no statistics have together. */
function dependentCandidates(table: TableInfo, equal: ReadonlySet<string>): readonly ColumnInfo[] {
  const rows = table.rows ?? 0;
  // A row found by a key is one row, whatever the planner expects.
  if (uniqueIndexWithin(table, equal)) return [];
  const columns = table.columns.filter(
    ({ name, distinct }) =>
      equal.has(name) && distinct !== undefined && distinct <= DISTINCT_SHARE_MOST * rows,
  );
  const known = table.statisticsOn.some(
    (names) => columns.filter(({ name }) => names.includes(name)).length >= 2,
  );
  return known ? [] : columns;
}

/** Rows of the one scan of a statement as planned, and as counted; undefined where they cannot be compared. */
function rowsEstimate({ statement, plan }: ReadStatement): RowsEstimate | undefined {
  const { calls, rows } = statement;
  if (!plan || calls === undefined || rows === undefined || calls <= 0) return undefined;
  const returned = rows / calls;
  const [top, limited] = withoutLimit(plan.root);
  // A page that is full says only that there are at least so many rows.
  const atLeast = limited !== undefined && returned >= 0.9 * limited;
  const scan = onlyScan(top);
  if (!scan) return undefined;
  const planned = scan["Plan Rows"];
  return atLeast && planned >= returned ? undefined : { planned, returned };
}

/** The node under LIMIT, and how many rows LIMIT leaves. */
function withoutLimit(root: PlanNode): readonly [PlanNode, number | undefined] {
  const [child] = root.Plans ?? [];
  if (root["Node Type"] === "ModifyTable" && child) return [child, undefined];
  if (root["Node Type"] !== "Limit" || !child) return [root, undefined];
  return [child, root["Plan Rows"]];
}

/** The node that gives a scan's rows, through nodes that leave their number as it is; undefined for joins and aggregates. */
function onlyScan(node: PlanNode): PlanNode | undefined {
  const [child, ...more] = node.Plans ?? [];
  const type = node["Node Type"];
  if (type.endsWith("Scan") && type !== "Subquery Scan") return node;
  const passes = ["Sort", "Incremental Sort", "Gather", "Gather Merge", "LockRows", "Result"];
  // A parallel worker's share is not the whole: the rows are those of the node that gathers them.
  if (!passes.includes(type) || !child || more.length > 0) return undefined;
  return onlyScan(child) && node;
}
