/** Partitioning by time for large tables whose statements ask for ranges of it; and why a table cannot, or should not, be split. */
import { qualifiedName, quoteName, shortName } from "../../core/index-definition.ts";
import type { StructurePlan, StructureRefusal, StructureRewrite } from "../../core/structure.ts";
import type { TableInfo } from "../indexes/catalog.ts";
import type { WorkloadStatement } from "../indexes/statement.ts";
import type { PlanNode } from "../indexes/what-if.ts";
import { weightOf } from "../indexes/workload/heaviest.ts";
import type { StructureStudy } from "./input.ts";
import { freeName } from "./names.ts";
import { swapSteps } from "./partition-steps.ts";
import { readPartitionUses, type PartitionUse } from "./partition-uses.ts";
import {
  boundSql,
  PARTITIONS,
  rangeName,
  rangesOf,
  timeColumn,
  type TimeColumn,
  type TimeRanges,
} from "./time-ranges.ts";

/** Statements that are measured with and without, of each kind. */
const SHOWN_MAX = 4;
/** Reading this share of the rows or more, nothing is pruned that matters. */
const READ_SHARE_MAX = 0.7;

export interface PartitionPlans {
  readonly plans: readonly StructurePlan[];
  readonly refused: readonly StructureRefusal[];
}

export async function partitionPlans(
  statements: readonly WorkloadStatement[],
  study: StructureStudy,
): Promise<PartitionPlans> {
  const plans: StructurePlan[] = [];
  const refused: StructureRefusal[] = [];
  for (const table of study.catalog.tables) {
    if (table.kind !== "table" || table.partOf !== undefined) continue;
    if ((table.rows ?? 0) < study.limits.partitionedRowsLeast) continue;
    const found = await planFor(table, statements, study, plans.length + 1);
    if (typeof found === "string")
      refused.push({ kind: "partitioning", of: `${table.schema}.${table.name}`, because: found });
    else if (plans.length < study.limits.plansMax) plans.push(found);
  }
  return { plans, refused };
}

/** A text says why there is none. */
async function planFor(
  table: TableInfo,
  statements: readonly WorkloadStatement[],
  study: StructureStudy,
  number: number,
): Promise<StructurePlan | string> {
  const { uses, leftOut } = await readPartitionUses(table, statements, study.catalog);
  const weights = new Map<string, number>();
  for (const { statement, ranges } of uses) {
    for (const name of ranges) {
      const weight = weightOf(statement, study.workload.weights);
      weights.set(name, (weights.get(name) ?? 0) + weight);
    }
  }
  const times = table.columns
    .filter(({ name }) => weights.has(name))
    .flatMap((column) => timeColumn(column) ?? [])
    .toSorted((a, b) => (weights.get(b.column.name) ?? 0) - (weights.get(a.column.name) ?? 0));
  const [time] = times;
  if (!time)
    return `no statement asks for a range of a column that tells a time${untriedInWords(leftOut)}`;
  const objection = objectionTo(table, time, study);
  if (objection !== undefined) return objection;
  const ranges = rangesOf(time);
  if (!ranges)
    return `${time.column.name} spans a time that no usual interval splits into ${PARTITIONS.least} to ${PARTITIONS.most} parts`;
  const made = {
    schema: table.schema,
    name: freeName(study.snapshot, table.schema, `${table.name}_partitioned`),
  };
  const tried = await rewritesOf(table, made, time, ranges, uses, study);
  const untried = [...leftOut, ...tried.leftOut];
  if (!tried.rewrites.some(({ expected }) => expected === "faster"))
    return `its statements with a range of ${time.column.name} read most of the table, or find their rows by an index: less would not be read${untriedInWords(untried)}`;
  return planOf(table, made, time, ranges, { ...tried, leftOut: untried }, study, number);
}

const UNTRIED_SHOWN = 6;

/** Nothing, or `; not tried: ...`. */
function untriedInWords(leftOut: readonly string[]): string {
  if (leftOut.length === 0) return "";
  const more = leftOut.length - UNTRIED_SHOWN;
  return `; statements that use it, too, and were not tried: ${leftOut.slice(0, UNTRIED_SHOWN).join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
}

/** What PostgreSQL does not allow, or what would be lost. */
function objectionTo(
  table: TableInfo,
  { column }: TimeColumn,
  { catalog, snapshot }: StructureStudy,
): string | undefined {
  const unique = table.indexes.find(
    (index) =>
      index.unique &&
      (index.where !== undefined || !index.keys.some(({ name }) => name === column.name)),
  );
  if (unique) {
    const keys = unique.keys.map(({ name, expression }) => name ?? expression).join(", ");
    return `its ${unique.constraint ? "key" : "unique index"} ${unique.name} (${keys}) does not hold ${column.name}: a partitioned table can only tell that rows are unique together with the column that it is split by, so the key could not be kept`;
  }
  const original = qualifiedName(table.schema, table.name);
  const exclusion = snapshot.constraints.find(
    (each) => each.kind === "exclusion" && each.table === original,
  );
  if (exclusion)
    return `its exclusion constraint ${exclusion.name} would not hold across partitions`;
  const referring = catalog.tables.flatMap((other) =>
    other.foreignKeys.some(
      ({ referencedSchema, referencedTable }) =>
        referencedSchema === table.schema && referencedTable === table.name,
    )
      ? [other.name]
      : [],
  );
  if (referring.length > 0)
    return `foreign keys of ${referring.join(", ")} refer to it: each would have to be made anew, and partitions could not be dropped while rows refer to them`;
  if (!column.notNull)
    return `${column.name} may be NULL, and such rows would all be in the default partition`;
  const described = snapshot.tables.find(
    ({ schema, name }) => schema === table.schema && name === table.name,
  );
  if (described?.columns.some(({ generated }) => generated !== "no"))
    return "it has generated columns, which this plan does not copy";
  return undefined;
}

interface Tried {
  readonly rewrites: readonly StructureRewrite[];
  /** What was assumed for them, each once. */
  readonly caveats: readonly string[];
  /** `id: why`. */
  readonly leftOut: readonly string[];
}

interface Made {
  readonly schema: string;
  readonly name: string;
}

async function rewritesOf(
  table: TableInfo,
  target: Made,
  time: TimeColumn,
  ranges: TimeRanges,
  uses: readonly PartitionUse[],
  study: StructureStudy,
): Promise<Tried> {
  const rewrites: StructureRewrite[] = [];
  const caveats = new Set<string>();
  const leftOut: string[] = [];
  for (const use of uses) {
    const leave = (because: string) => void leftOut.push(`${use.statement.id}: ${because}`);
    const after = use.rewrittenTo(target);
    if (after === undefined) {
      leave("its grammar is not one that is written back faithfully");
      continue;
    }
    const forms = use.fills.map((each) => ({ before: each(use.sql), after: each(after) }));
    const [first, ...others] = forms;
    if (!first) continue;
    const planned = await study.plan(
      { id: use.statement.id, sql: first.before, valuesFrom: "statistics" },
      { with: [] },
    );
    if (planned.kind === "failed") {
      leave(`it cannot be planned: ${planned.because}`);
      continue;
    }
    const { cost, root } = planned.plan;
    const asksForRange = use.ranges.has(time.column.name);
    const share = Math.min(1, use.share(time) + 1 / (ranges.boundsMs.length - 1));
    const costAfter = readsWhole(root, table.name) ? cost * share : cost;
    const faster = asksForRange && costAfter <= READ_SHARE_MAX * cost;
    const sameKind = rewrites.filter(({ expected }) => (expected === "faster") === faster);
    if (sameKind.length >= SHOWN_MAX) {
      leave(`${SHOWN_MAX} others of its kind are tried`);
      continue;
    }
    for (const each of use.caveats) caveats.add(each);
    rewrites.push({
      statement: use.statement.id,
      expected: faster ? "faster" : "slower",
      ...first,
      others,
      ...(faster ? { predicted: { costBefore: cost, costAfter } } : {}),
    });
  }
  return { rewrites, caveats: [...caveats], leftOut };
}

/** Row after row: what is pruned is not read. An index finds the rows of a range as well. */
function readsWhole(node: PlanNode, table: string): boolean {
  const own = node["Relation Name"] === table && node["Node Type"] === "Seq Scan";
  return own || (node.Plans ?? []).some((each) => readsWhole(each, table));
}

function planOf(
  table: TableInfo,
  { schema, name }: Made,
  time: TimeColumn,
  ranges: TimeRanges,
  { rewrites, caveats, leftOut }: Tried,
  { snapshot }: StructureStudy,
  number: number,
): StructurePlan {
  const made = qualifiedName(schema, name);
  const column = quoteName(time.column.name);
  const original = qualifiedName(table.schema, table.name);
  const count = ranges.boundsMs.length - 1;
  const faster = rewrites.filter(({ expected }) => expected === "faster");
  return {
    id: `partitioning-${number}`,
    kind: "partitioning",
    table: `${table.schema}.${table.name}`,
    makes: made,
    title: `${table.schema}.${table.name} split by ${time.column.name} into ${count} partitions, one a ${ranges.interval}, for ${faster.length === 1 ? "statement" : "statements"} ${faster.map(({ statement }) => statement).join(", ")}`,
    statements: faster.map(({ statement }) => statement),
    apply: [
      // Rows first and indexes afterwards would be faster; so all are made as the original has them, keys too.
      `CREATE TABLE ${made} (LIKE ${original} INCLUDING ALL EXCLUDING IDENTITY EXCLUDING STATISTICS) PARTITION BY RANGE (${column})`,
      ...ranges.boundsMs.slice(0, -1).map((from, index) => {
        const part = qualifiedName(
          schema,
          shortName(`${table.name}_p${rangeName(ranges.interval, from)}`),
        );
        const to = ranges.boundsMs[index + 1] ?? from;
        return `CREATE TABLE ${part} PARTITION OF ${made} FOR VALUES FROM (${boundSql(from, time.scale)}) TO (${boundSql(to, time.scale)})`;
      }),
      `CREATE TABLE ${qualifiedName(schema, shortName(`${table.name}_default`))} PARTITION OF ${made} DEFAULT`,
      `INSERT INTO ${made} (${table.columns.map((each) => quoteName(each.name)).join(", ")}) SELECT ${table.columns.map((each) => quoteName(each.name)).join(", ")} FROM ONLY ${original}`,
    ],
    revert: [`DROP TABLE IF EXISTS ${made}`],
    steps: swapSteps(table, { schema, name }, snapshot),
    upkeep: `somebody makes the next ${ranges.interval}'s partition before it begins, and drops the oldest ones as whole tables instead of by DELETE: pg_partman does it, or a job; rows without a partition go into the default one, and a partition cannot be added for rows that lie there`,
    estimated: { partitions: count, ofRows: table.rows ?? 0 },
    rewrites,
    caveats: [
      "rows are unique together with the column that the table is split by, as its keys say already",
      `statements without a range of ${time.column.name} look into every partition`,
      "rows that are copied while others write are missed: copy once more, or by logical replication, before the names are changed",
      "inserts and updates were not measured: each finds its partition first; and the copy is freshly written, without the original's bloat and triggers",
      ...caveats,
      ...(leftOut.length === 0 ? [] : [untriedInWords(leftOut).replace(/^; /, "")]),
    ],
  };
}
