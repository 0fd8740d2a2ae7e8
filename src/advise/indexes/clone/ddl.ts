/** A snapshot's schema as statements, in an order in which each can succeed, so that a database without rows gets it. */
import { qualifiedName, quoteName, quoteText } from "../../../core/index-definition.ts";
import type {
  Snapshot,
  SnapshotConstraint,
  SnapshotTable,
  SnapshotType,
} from "../snapshot/snapshot.ts";

/** One statement and what it makes, for the message when it fails. */
export interface Step {
  readonly sql: string;
  readonly makes: string;
  /** `schema.table`, unquoted, of the table that is not modelled without it. */
  readonly table?: string;
  /** Tried when it fails. */
  readonly otherwise?: string;
}

/** Phases one after another; within one, statements that fail are tried again after the others. */
export function schemaSteps(snapshot: Snapshot): readonly (readonly Step[])[] {
  return [
    snapshot.schemas.map((name) => ({
      sql: `CREATE SCHEMA IF NOT EXISTS ${quoteName(name)}`,
      makes: `schema ${name}`,
    })),
    snapshot.extensions.filter(({ name }) => !IRRELEVANT_EXTENSIONS.has(name)).map(extensionStep),
    [
      ...(snapshot.sequences ?? []).map(sequenceStep),
      ...snapshot.types.map(typeStep),
      ...snapshot.functions.map((sql) => ({ sql, makes: functionName(sql) })),
      ...snapshot.tables.filter(isModelled).map(tableStep),
    ],
    snapshot.tables.filter(isModelled).flatMap(attachmentSteps),
    snapshot.constraints.filter(({ kind }) => kind !== "foreign key").map(constraintStep),
    snapshot.constraints.filter(({ kind }) => kind === "foreign key").map(constraintStep),
    // An index of a partitioned table takes over those of the partitions that are there already, under their own names.
    indexSteps(snapshot, true),
    indexSteps(snapshot, false),
    [
      ...snapshot.extendedStatistics.map(({ definition, name }) => ({
        sql: definition,
        makes: `statistics ${name}`,
      })),
      ...snapshot.views.map(({ schema, name, definition }) => ({
        sql: `CREATE VIEW ${qualifiedName(schema, name)} AS ${definition}`,
        makes: `view ${schema}.${name}`,
      })),
    ],
  ];
}

/** Foreign tables are planned by their wrapper, which asks the other side. */
export function isModelled(table: SnapshotTable): boolean {
  return table.kind !== "foreign table";
}

/** No plan depends on these. */
const IRRELEVANT_EXTENSIONS = new Set([
  "plpgsql",
  "hypopg",
  "pg_stat_statements",
  "pg_qualstats",
  "pg_stat_kcache",
  "pg_wait_sampling",
  "pg_buffercache",
  "pg_cron",
  "pg_repack",
  "pgstattuple",
  "pageinspect",
  "powa",
]);

function extensionStep({ name, schema }: Snapshot["extensions"][number]): Step {
  const create = `CREATE EXTENSION IF NOT EXISTS ${quoteName(name)}`;
  return {
    sql: `${create} SCHEMA ${quoteName(schema)} CASCADE`,
    otherwise: `${create} CASCADE`,
    makes: `extension ${name}`,
  };
}

/** Empty: no statement is run. */
function sequenceStep({ schema, name }: { schema: string; name: string }): Step {
  return {
    sql: `CREATE SEQUENCE IF NOT EXISTS ${qualifiedName(schema, name)}`,
    makes: `sequence ${schema}.${name}`,
  };
}

/** Names of types come quoted where they have to be. */
function typeStep(type: SnapshotType): Step {
  const makes = `type ${type.name}`;
  switch (type.kind) {
    case "enum":
      return {
        sql: `CREATE TYPE ${type.name} AS ENUM (${type.labels.map(quoteText).join(", ")})`,
        makes,
      };
    case "domain":
      return { sql: `CREATE DOMAIN ${type.name} AS ${type.base}`, makes };
    case "composite": {
      const fields = type.fields.map((field) => `${quoteName(field.name)} ${field.type}`);
      return { sql: `CREATE TYPE ${type.name} AS (${fields.join(", ")})`, makes };
    }
  }
}

function functionName(sql: string): string {
  return /^CREATE (?:OR REPLACE )?(FUNCTION [^(]+)/i.exec(sql)?.[1]?.toLowerCase() ?? "a function";
}

function tableStep(table: SnapshotTable): Step {
  const columns = table.columns.map((column) =>
    [
      quoteName(column.dropped ? droppedName(column.number) : column.name),
      column.type,
      ...(column.collation === null ? [] : [`COLLATE ${column.collation}`]),
      ...(column.generated === "no" || column.expression === null
        ? []
        : [`GENERATED ALWAYS AS (${column.expression}) ${column.generated.toUpperCase()}`]),
      ...(column.notNull && !column.dropped ? ["NOT NULL"] : []),
    ].join(" "),
  );
  const drops = table.columns
    .filter(({ dropped }) => dropped)
    .map(({ number }) => `DROP COLUMN ${quoteName(droppedName(number))}`);
  const name = qualifiedName(table.schema, table.name);
  const options = table.options.filter((option) => /^(parallel_workers|fillfactor)=/.test(option));
  const partitioned = table.partitionKey === null ? "" : ` PARTITION BY ${table.partitionKey}`;
  const settings = options.length > 0 && partitioned === "" ? ` WITH (${options.join(", ")})` : "";
  return {
    sql: [
      `CREATE TABLE ${name} (${columns.join(", ")})${partitioned}${settings}`,
      // Statistics name columns by number, so that dropped ones have to be there first.
      ...(drops.length > 0 ? [`ALTER TABLE ${name} ${drops.join(", ")}`] : []),
    ].join(";\n"),
    makes: `table ${table.schema}.${table.name}`,
    table: `${table.schema}.${table.name}`,
  };
}

function droppedName(number: number): string {
  return `dropped ${number}`;
}

function attachmentSteps(table: SnapshotTable): readonly Step[] {
  const name = qualifiedName(table.schema, table.name);
  const key = `${table.schema}.${table.name}`;
  return table.parents.map((parent) => ({
    sql:
      table.partitionBound === null
        ? `ALTER TABLE ${name} INHERIT ${parent}`
        : `ALTER TABLE ${parent} ATTACH PARTITION ${name} ${table.partitionBound}`,
    makes: `${key} as a part of ${parent}`,
    table: key,
  }));
}

/**
 * A foreign key that is checked when it is made plans a query, which would read the indexes before their pages are
 * written: it is made unchecked, and marked as valid afterwards. Partitioned tables cannot have that before PostgreSQL 18.
 */
function constraintStep({ table, name, kind, definition }: SnapshotConstraint): Step {
  const add = `ALTER TABLE ${table} ADD CONSTRAINT ${quoteName(name)} ${definition}`;
  const makes = `constraint ${name} of ${table}`;
  if (kind !== "foreign key" || definition.endsWith(" NOT VALID")) return { sql: add, makes };
  return { sql: `${add} NOT VALID`, otherwise: add, makes };
}

function indexSteps(snapshot: Snapshot, inherited: boolean): readonly Step[] {
  return snapshot.indexes
    .filter((index) => index.valid && !index.constraint && index.inherited === inherited)
    .map(({ definition, schema, name }) => ({
      // pg_get_indexdef says ONLY of a partitioned table.
      sql: definition.replace(/^(CREATE (?:UNIQUE )?INDEX (?:"(?:[^"]|"")*"|\S+) ON) ONLY /, "$1 "),
      makes: `index ${schema}.${name}`,
    }));
}
