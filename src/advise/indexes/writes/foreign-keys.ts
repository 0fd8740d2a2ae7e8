/** Foreign keys as statements: what PostgreSQL's triggers run for deleted and renamed parents, so that a search prices it like any other. */
import { fingerprintSync, loadModule } from "libpg-query";
import { qualifiedName, quoteName } from "../../../core/index-definition.ts";
import { findTable } from "../catalog.ts";
import type { Catalog, ForeignKey, TableInfo } from "../catalog.ts";
import type { IndexWorkload, WorkloadStatement } from "../statement.ts";
import type { WhatIf } from "../what-if.ts";
import { statementWrites } from "./read-writes.ts";
import type { StatementWrite } from "./read-writes.ts";

/** A trigger of a foreign key that the workload's writes fire. */
export interface ForeignKeyTrigger {
  /** Of the statement in the workload. */
  readonly id: string;
  /** `schema.table` that references. */
  readonly table: string;
  readonly key: ForeignKey;
  /** Deleted or renamed parents, each of which runs the query once. */
  readonly rows: number;
  /** The planner's, of one run with the indexes that there are. */
  readonly cost: number;
  /** Ids of the statements that fire it. */
  readonly firedBy: readonly string[];
}

export interface ForeignKeyCosts {
  /** With the triggers' queries as statements; their time is taken from the statements that fire them. */
  readonly workload: IndexWorkload;
  /** The dearest first. */
  readonly triggers: readonly ForeignKeyTrigger[];
}

/**
 * DELETE of a parent, and UPDATE of its key, look for its children once a row, in a trigger that no plan shows: without an index
 * on the referencing columns that reads the whole child each time.
 */
export async function foreignKeyCosts(
  workload: IndexWorkload,
  catalog: Catalog,
  whatIf: Pick<WhatIf, "plan">,
): Promise<ForeignKeyCosts> {
  await loadModule();
  const fired = firedTriggers(workload, catalog);
  const found: Found[] = [];
  for (const trigger of fired.values()) {
    // With pg_stat_statements.track = all, or auto_explain's nested statements, the workload has it already.
    if (workload.statements.some(({ planSql }) => isTheQueryOf(trigger, planSql))) continue;
    const cost = await costOf(whatIf, trigger.id, trigger.sql);
    if (cost !== undefined) found.push({ ...trigger, cost });
  }
  if (found.length === 0) return { workload, triggers: [] };
  const statements = await sharedOut(workload, found, whatIf);
  const triggers = found.map(({ id, table, key, runs, cost }) => ({
    id,
    table: `${table.schema}.${table.name}`,
    key,
    rows: rowsOf(runs),
    cost,
    firedBy: [...runs.keys()],
  }));
  return {
    triggers: triggers.toSorted((a, b) => b.rows * b.cost - a.rows * a.cost),
    workload: {
      ...workload,
      statements,
      caveats: [
        ...workload.caveats,
        `${found.length} foreign keys are checked by triggers when parents are deleted or renamed: their queries are priced as statements of their own`,
      ],
    },
  };
}

interface Fired {
  readonly id: string;
  readonly sql: string;
  readonly table: TableInfo;
  readonly key: ForeignKey;
  /** Rows by the id of the statement that fires it. */
  readonly runs: Map<string, number>;
}

type Found = Fired & { readonly cost: number };

/** Cascades fire further ones; a cycle of foreign keys ends here. */
const CASCADES_MAX = 5;

function firedTriggers(workload: IndexWorkload, catalog: Catalog): ReadonlyMap<string, Fired> {
  const fired = new Map<string, Fired>();
  for (const statement of workload.statements) {
    for (const write of statementWrites(statement.planSql)) {
      const parent = findTable(catalog, write.schema, write.table);
      const rows = statement.rows ?? (statement.calls ?? 1) * write.rowsLeast;
      if (parent && rows > 0) fire(fired, catalog, parent, write, rows, statement.id, 0);
    }
  }
  return fired;
}

function fire(
  fired: Map<string, Fired>,
  catalog: Catalog,
  parent: TableInfo,
  write: Pick<StatementWrite, "kind" | "columns">,
  rows: number,
  by: string,
  depth: number,
): void {
  if (write.kind === "insert") return;
  for (const { table, key } of referencesTo(parent, catalog)) {
    const renames = key.referencedColumns.some((name) => write.columns.has(name));
    if (write.kind !== "delete" && !renames) continue;
    const deletes = write.kind === "delete";
    const sql = triggerSql(table, key, deletes);
    const trigger = fired.get(sql) ?? {
      id: `foreign key ${key.name} of ${table.name}${deletes ? "" : " (update)"}`,
      sql,
      table,
      key,
      runs: new Map<string, number>(),
    };
    fired.set(sql, trigger);
    trigger.runs.set(by, (trigger.runs.get(by) ?? 0) + rows);
    if (!deletes || key.onDelete !== "cascade" || depth >= CASCADES_MAX) continue;
    const children = rows * childrenOf(table, key, parent);
    if (children > 0) fire(fired, catalog, table, write, children, by, depth + 1);
  }
}

/** Of a partitioned child only the whole's key has triggers on the parent (ri_triggers.c, tablecmds.c: CloneForeignKeyConstraints). */
function referencesTo(
  parent: TableInfo,
  catalog: Catalog,
): readonly { readonly table: TableInfo; readonly key: ForeignKey }[] {
  return catalog.tables.flatMap((table) => {
    const whole = catalog.tables.find(
      (each) => each.kind === "partitioned" && `${each.schema}.${each.name}` === table.partOf,
    );
    return table.foreignKeys
      .filter(
        (key) =>
          key.referencedSchema === parent.schema &&
          key.referencedTable === parent.name &&
          !whole?.foreignKeys.some((each) => sameKey(each, key)),
      )
      .map((key) => ({ table, key }));
  });
}

function sameKey(a: ForeignKey, b: ForeignKey): boolean {
  return (
    a.columns.join("\0") === b.columns.join("\0") &&
    a.referencedSchema === b.referencedSchema &&
    a.referencedTable === b.referencedTable
  );
}

/** Children that a parent has on average. */
function childrenOf(table: TableInfo, key: ForeignKey, parent: TableInfo): number {
  const [name] = key.columns;
  const column = table.columns.find((each) => each.name === name);
  const referencing = (table.rows ?? 0) * (1 - (column?.nullFraction ?? 0));
  return parent.rows ? referencing / parent.rows : 0;
}

/** As ri_triggers.c writes it (RI_FKey_noaction_del, RI_FKey_cascade_del, ri_set), so that its fingerprint is that of the real one. */
export function triggerSql(
  table: Pick<TableInfo, "schema" | "name" | "kind">,
  key: Pick<ForeignKey, "columns" | "onDelete">,
  deletes: boolean,
): string {
  const only = table.kind === "partitioned" ? "" : "ONLY ";
  const name = `${only}${qualifiedName(table.schema, table.name)}`;
  const where = key.columns
    .map((column, index) => `$${index + 1} OPERATOR(pg_catalog.=) ${quoteName(column)}`)
    .join(" AND ");
  const action = deletes ? key.onDelete : "no action";
  if (action === "cascade") return `DELETE FROM ${name} WHERE ${where}`;
  if (action === "set null" || action === "set default") {
    const value = action === "set null" ? "NULL" : "DEFAULT";
    const set = key.columns.map((column) => `${quoteName(column)} = ${value}`).join(", ");
    return `UPDATE ${name} SET ${set} WHERE ${where}`;
  }
  return `SELECT 1 FROM ${name} x WHERE ${where} FOR KEY SHARE OF x`;
}

/** The statements with the triggers' added. Their time is part of the firing statement's: it is shared out by planned cost. */
async function sharedOut(
  workload: IndexWorkload,
  found: readonly Found[],
  whatIf: Pick<WhatIf, "plan">,
): Promise<readonly WorkloadStatement[]> {
  const timeOf = new Map<string, number>();
  const statements: WorkloadStatement[] = [];
  for (const statement of workload.statements) {
    const parts = found.flatMap((trigger) => {
      const rows = trigger.runs.get(statement.id);
      return rows === undefined ? [] : [{ id: trigger.id, cost: rows * trigger.cost }];
    });
    const { totalMs } = statement;
    const own =
      totalMs === undefined || parts.length === 0
        ? undefined
        : await costOf(whatIf, statement.id, statement.planSql, statement.valuesFrom);
    if (totalMs === undefined || own === undefined) {
      statements.push(statement);
      continue;
    }
    const ownCost = own * (statement.calls ?? 1);
    const whole = parts.reduce((sum, part) => sum + part.cost, ownCost);
    for (const { id, cost } of parts) {
      timeOf.set(id, (timeOf.get(id) ?? 0) + (totalMs * cost) / whole);
    }
    statements.push({ ...statement, totalMs: (totalMs * ownCost) / whole });
  }
  const added = found.map((trigger) => statementOf(trigger, timeOf.get(trigger.id)));
  const weigh = (each: WorkloadStatement): number =>
    (workload.weights === "time" ? each.totalMs : each.calls) ?? 0;
  return [...statements, ...added].toSorted((a, b) => weigh(b) - weigh(a));
}

function statementOf(trigger: Found, totalMs: number | undefined): WorkloadStatement {
  return {
    id: trigger.id,
    sql: trigger.sql,
    planSql: trigger.sql,
    valuesFrom: "generic",
    calls: rowsOf(trigger.runs),
    totalMs,
    rows: undefined,
    joined: [],
  };
}

function rowsOf(runs: ReadonlyMap<string, number>): number {
  return [...runs.values()].reduce((sum, each) => sum + each, 0);
}

async function costOf(
  whatIf: Pick<WhatIf, "plan">,
  id: string,
  sql: string,
  valuesFrom: WorkloadStatement["valuesFrom"] = "generic",
): Promise<number | undefined> {
  const explained = await whatIf.plan({ id, sql, valuesFrom }, { with: [] });
  return explained.kind === "plan" ? explained.plan.cost : undefined;
}

/** PostgreSQL quotes the table as it is quoted here; fingerprints alone leave digits out of names. */
function isTheQueryOf({ sql, table }: Fired, planSql: string): boolean {
  if (!planSql.includes(qualifiedName(table.schema, table.name))) return false;
  try {
    return fingerprintSync(planSql) === fingerprintSync(sql);
  } catch {
    return false;
  }
}
