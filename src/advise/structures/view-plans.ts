/** Materialised views for the statements that make few rows of many: proposed where a view is much smaller than what it is made of. */
import type { Node } from "libpg-query";
import { qualifiedName, quoteName, shortName } from "../../core/index-definition.ts";
import type { StructurePlan, StructureRefusal } from "../../core/structure.ts";
import { significant } from "../../core/units.ts";
import type { TableInfo } from "../indexes/catalog.ts";
import { mapNodes } from "../indexes/expressions.ts";
import { parseStatement } from "../indexes/parse.ts";
import type { WorkloadStatement } from "../indexes/statement.ts";
import type { PlanNode } from "../indexes/what-if.ts";
import { bareStatement } from "../indexes/workload/text.ts";
import { isReducing, readBlock, type Block } from "./block.ts";
import { groupsMost } from "./groups.ts";
import type { StructureStudy } from "./input.ts";
import { has, selectsIn, statementSql, type Select } from "./tree.ts";
import { samplesOf, shapeOf, type Fill, type Samples } from "./values.ts";
import { freeName } from "./names.ts";
import { designView, type ViewDesign } from "./view.ts";

/** The planner's defaults (cost.h): what reading a row of the view is taken to cost. */
const COST = { row: 0.01, operator: 0.0025, page: 1, randomPage: 4 };
const PAGE_BYTES = 8192;
const ROW_BYTES = 64;
/** PostgreSQL's own limit of columns in an index (INDEX_MAX_KEYS). */
const KEYS_MAX = 32;

export type Planned =
  | { readonly kind: "plan"; readonly plan: StructurePlan }
  | { readonly kind: "refused"; readonly refusal: StructureRefusal }
  /** It makes no fewer rows, or it writes: nothing to say of it. */
  | { readonly kind: "none" };

export async function viewPlanOf(
  statement: WorkloadStatement,
  study: StructureStudy,
  number: number,
): Promise<Planned> {
  const read = await readAsShaped(statement);
  if (read === undefined) return { kind: "none" };
  const reducing = selectsIn(read.tree).filter(isReducing);
  if (reducing.length === 0) return { kind: "none" };
  let because: string | undefined;
  for (const select of reducing) {
    const found = await planForBlock({ ...read, statement, select, study, number });
    if (typeof found !== "string") return { kind: "plan", plan: found };
    because ??= found;
  }
  return {
    kind: "refused",
    refusal: { kind: "materialised-view", of: statement.id, because: because ?? "" },
  };
}

interface Shaped {
  readonly sql: string;
  readonly tree: Node;
  readonly assumed: readonly string[];
  /** Common table expressions by name. */
  readonly named: ReadonlySet<string>;
}

/** Undefined for what is no query that only reads. */
async function readAsShaped({ planSql }: WorkloadStatement): Promise<Shaped | undefined> {
  const bare = bareStatement(planSql);
  const first = await parseStatement(bare);
  if (first.kind === "failed" || !("SelectStmt" in first.statement)) return undefined;
  const { sql, assumed } = shapeOf(bare, first.statement);
  const parsed = await parseStatement(sql);
  if (parsed.kind === "failed") return undefined;
  const tree = parsed.statement;
  const named = new Set<string>();
  const writes = has(tree, (node) => {
    if ("CommonTableExpr" in node) named.add(cteName(node));
    return "InsertStmt" in node || "UpdateStmt" in node || "DeleteStmt" in node;
  });
  return writes ? undefined : { sql, tree, assumed, named };
}

function cteName(node: object): string {
  const inner: unknown = "CommonTableExpr" in node ? node.CommonTableExpr : undefined;
  return typeof inner === "object" && inner !== null && "ctename" in inner
    ? String(inner.ctename)
    : "";
}

interface Asked extends Shaped {
  readonly statement: WorkloadStatement;
  readonly select: Select;
  readonly study: StructureStudy;
  readonly number: number;
}

/** A text says why there is none. */
async function planForBlock(asked: Asked): Promise<StructurePlan | string> {
  const { select, study, sql, tree, named, number } = asked;
  const block = readBlock(select, study.catalog, named);
  if (typeof block === "string") return `not rewritten because ${block}`;
  const main = largest(block.sources.map(({ table }) => table));
  const guarded = guardedTable(block, study);
  if (guarded !== undefined)
    return `${guarded} has row level security, which a view of its rows would not know`;
  const name = freeName(study.snapshot, main.schema, `perfopt_view_${main.name}_${number}`);
  const view = { schema: main.schema, name };
  const design = designView(block, view);
  if (typeof design === "string") return `not rewritten because ${design}`;
  if (design.keys.length > KEYS_MAX) return "its view would need too many keys";
  const samples = samplesOf(sql, tree, study.catalog);
  if (typeof samples === "string") return samples;
  const rewritten = statementSql(
    mapNodes(tree, (node) =>
      "SelectStmt" in node && node.SelectStmt === select
        ? { SelectStmt: design.select }
        : undefined,
    ),
  );
  if (rewritten === undefined)
    return "not rewritten because its grammar is not one that is written back faithfully";
  const predicted = await predict(asked, block, design, samples.fills);
  if (typeof predicted === "string") return predicted;
  return planOf(asked, { block, main, name, design, samples, rewritten, predicted });
}

/** A table whose rows are not everybody's: what a view holds is read by whoever may read the view. */
function guardedTable({ sources }: Block, { snapshot }: StructureStudy): string | undefined {
  const guarded = sources.find(({ table }) =>
    snapshot.tables.some(
      ({ schema, name, rowSecurity }) =>
        rowSecurity && schema === table.schema && name === table.name,
    ),
  );
  return guarded?.table.name;
}

interface Predicted {
  readonly viewRows: number;
  readonly sourceRows: number;
  readonly costBefore: number;
  readonly costAfter: number;
}

/** By the planner of the clone; a text says why the view would not be worth it. */
async function predict(
  { study, sql, statement, tree, select }: Asked,
  block: Block,
  design: ViewDesign,
  [fill]: readonly Fill[],
): Promise<Predicted | string> {
  const { plan, limits } = study;
  const planned = (text: string): ReturnType<typeof plan> =>
    plan(
      { id: statement.id, sql: fill ? fill(text) : text, valuesFrom: "statistics" },
      { with: [] },
    );
  const before = await planned(sql);
  if (before.kind === "failed") return `it cannot be planned: ${before.because}`;
  const whole = await plan(
    { id: `${statement.id} view`, sql: design.sql, valuesFrom: "statement" },
    { with: [] },
  );
  if (whole.kind === "failed") return `its view cannot be planned: ${whole.because}`;
  // The planner knows nothing of how many values an expression has.
  const viewRows = Math.min(whole.plan.root["Plan Rows"], groupsMost(block.sources, design.keys));
  const sourceRows = rowsBelow(whole.plan.root);
  const { cost } = before.plan;
  if (sourceRows < limits.sourceRowsLeast)
    return `its view would be made of ${words(sourceRows)} rows only`;
  if (viewRows > limits.viewShareMax * sourceRows) {
    const keys = design.keys.map(({ name }) => name).join(", ");
    return `its view would hold about ${words(viewRows)} rows of ${words(sourceRows)}, one for each ${keys}`;
  }
  const isWhole = "SelectStmt" in tree && tree.SelectStmt === select;
  const own = isWhole ? undefined : await planned(statementSql({ SelectStmt: select }) ?? sql);
  // What is around the block stays as dear as it is.
  const around = own?.kind === "plan" ? Math.max(0, cost - own.plan.cost) : isWhole ? 0 : cost;
  const costAfter = around + costOver(design, viewRows);
  if (costAfter > limits.costShareMax * cost)
    return `its cost would hardly fall: ${significant(cost)} now, about ${significant(costAfter)} with a view of ${words(viewRows)} rows`;
  return { viewRows, sourceRows, costBefore: cost, costAfter };
}

/** The rows that the aggregate reads: the most of any node of the plan. */
function rowsBelow(node: PlanNode): number {
  return Math.max(node["Plan Rows"], ...(node.Plans ?? []).map(rowsBelow));
}

/** Rows that the pinned keys leave, found by the view's index, or all of them read in order. */
function costOver({ pinned }: ViewDesign, viewRows: number): number {
  const perRow = COST.row + 2 * COST.operator;
  const scan = viewRows * perRow + Math.ceil((viewRows * ROW_BYTES) / PAGE_BYTES) * COST.page;
  if (pinned.length === 0) return scan;
  const values = pinned.reduce((product, { found }) => product * (found.column.distinct ?? 1), 1);
  const rows = Math.max(1, viewRows / Math.max(1, values));
  const pages = Math.ceil((rows * ROW_BYTES) / PAGE_BYTES);
  return Math.min(scan, 2 * COST.randomPage + rows * perRow + pages * COST.randomPage);
}

interface Found {
  readonly block: Block;
  readonly main: TableInfo;
  readonly name: string;
  readonly design: ViewDesign;
  readonly samples: Samples;
  readonly rewritten: string;
  readonly predicted: Predicted;
}

function planOf({ statement, sql, assumed, number }: Asked, found: Found): StructurePlan {
  const { block, main, name, design, samples, rewritten, predicted } = found;
  const { viewRows, sourceRows, costBefore, costAfter } = predicted;
  const view = qualifiedName(main.schema, name);
  const keys = design.keys.length > 0 ? design.keys.map((key) => key.name) : ["only_row"];
  const forms = samples.fills.map((fill) => ({ before: fill(sql), after: fill(rewritten) }));
  const [first = { before: sql, after: rewritten }, ...others] = forms;
  return {
    id: `materialised-view-${number}`,
    kind: "materialised-view",
    table: `${main.schema}.${main.name}`,
    makes: view,
    title: `a materialised view of ${block.sources.map(({ table }) => table.name).join(", ")} by ${keys.join(", ")}: about ${words(viewRows)} rows instead of ${words(sourceRows)}, for statement ${statement.id}`,
    statements: [statement.id],
    apply: [
      `CREATE MATERIALIZED VIEW ${view} AS ${design.sql}`,
      `CREATE UNIQUE INDEX ${quoteName(shortName(`${name}_key`))} ON ${view} (${keys.map(quoteName).join(", ")})`,
    ],
    revert: [`DROP MATERIALIZED VIEW IF EXISTS ${view}`],
    refresh: `REFRESH MATERIALIZED VIEW CONCURRENTLY ${view}`,
    steps: [],
    upkeep: `REFRESH MATERIALIZED VIEW CONCURRENTLY ${view}, as often as answers have to be fresh: they are as old as the last refresh. It reads all of the source each time, without stopping readers of the view`,
    estimated: { rows: viewRows, ofRows: sourceRows },
    rewrites: [
      {
        statement: statement.id,
        expected: "faster",
        ...first,
        others,
        predicted: { costBefore, costAfter },
      },
    ],
    caveats: [...caveatsOf(block, assumed), ...samples.caveats],
  };
}

function caveatsOf(block: Block, assumed: readonly string[]): readonly string[] {
  const sums = block.aggregates.some(({ FuncCall: { funcname } }) =>
    /"sval":"(?:sum|avg)"/.test(JSON.stringify(funcname)),
  );
  return [
    "PostgreSQL does not use the view by itself: the application has to send the other statement",
    "answers are as old as the last refresh; and whoever may read the view reads all of it, whatever rights the tables have",
    ...(assumed.length === 0
      ? []
      : [
          `the source of the statement does not tell its constants, and usual ones were assumed: ${assumed.join(", ")}; give the statement with its own (--queries) where they are others`,
        ]),
    ...(sums
      ? [
          "sums of floating-point numbers may differ in their last digits, since they are added in another order",
        ]
      : []),
    ...block.caveats,
  ];
}

function largest(tables: readonly TableInfo[]): TableInfo {
  const [first, ...others] = tables;
  if (!first) throw new Error("a block without tables was read");
  return others.reduce((most, each) => ((each.rows ?? 0) > (most.rows ?? 0) ? each : most), first);
}

function words(rows: number): string {
  return String(Math.round(rows));
}
