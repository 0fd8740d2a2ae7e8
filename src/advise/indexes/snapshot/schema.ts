/** What a snapshot's JSON has to look like, checked wherever one comes from a database or a file. */
import { z } from "zod";
import type { Snapshot } from "./snapshot.ts";

const text = z.string();
const number = z.number();
const flag = z.boolean();
const maybeText = text.nullable();

const locale = z
  .object({
    encoding: text,
    collate: text,
    ctype: text,
    provider: z.enum(["libc", "icu", "builtin"]),
    locale: text.optional(),
  })
  .transform(({ locale: own, ...rest }) => (own === undefined ? rest : { ...rest, locale: own }));

const setting = z.object({ name: text, value: text, unit: maybeText });

const type = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("enum"), name: text, labels: z.array(text) }),
  z.object({ kind: z.literal("domain"), name: text, base: text }),
  z.object({
    kind: z.literal("composite"),
    name: text,
    fields: z.array(z.object({ name: text, type: text })),
  }),
]);

const table = z.object({
  schema: text,
  name: text,
  kind: z.enum(["table", "partitioned", "materialized view", "foreign table"]),
  options: z.array(text),
  partitionKey: maybeText,
  partitionBound: maybeText,
  parents: z.array(text),
  columns: z.array(
    z.object({
      number,
      name: text,
      dropped: flag,
      type: text,
      notNull: flag,
      generated: z.enum(["no", "stored", "virtual"]),
      expression: maybeText,
      collation: maybeText,
      ordered: flag,
    }),
  ),
  rowSecurity: flag,
});

const constraint = z.object({
  table: text,
  name: text,
  kind: z.enum(["primary key", "unique", "exclusion", "check", "foreign key"]),
  definition: text,
  validated: flag,
  foreignKey: z
    .object({
      columns: z.array(text),
      referencedSchema: text,
      referencedTable: text,
      referencedColumns: z.array(text),
      onDelete: z.enum(["no action", "restrict", "cascade", "set null", "set default"]),
    })
    .nullable(),
});

const sequences = z.array(z.object({ schema: text, name: text }));

const indexWithFlags = z.object({
  schema: text,
  name: text,
  table: text,
  definition: text,
  valid: flag,
  constraint: flag,
  inherited: flag,
  parent: maybeText,
  method: text,
  unique: flag,
  keys: z.array(
    z.object({
      column: maybeText,
      expression: maybeText,
      attribute: text,
      type: maybeText,
      descending: flag,
      nullsFirst: flag,
      operators: maybeText,
    }),
  ),
  included: z.array(text),
  where: maybeText,
  replicaIdentity: flag.optional(),
  referenced: flag.optional(),
});

/** What is not so is not written down. */
const index = indexWithFlags.transform(({ replicaIdentity, referenced, ...rest }) => ({
  ...rest,
  ...(replicaIdentity === true ? { replicaIdentity } : {}),
  ...(referenced === true ? { referenced } : {}),
}));

const extendedData = z.object({
  inherited: flag,
  distinct: maybeText,
  dependencies: maybeText,
  mostCommon: maybeText,
});

const extendedStatistics = z.object({
  schema: text,
  name: text,
  table: text,
  definition: text,
  columns: z.array(text),
  expressions: flag,
  data: z.array(extendedData),
});

const relation = z.object({
  schema: text,
  name: text,
  kind: z.enum(["table", "partitioned", "materialized view", "index", "partitioned index"]),
  method: maybeText,
  pages: number,
  rows: number,
  allVisible: number,
  blocks: number,
});

const column = z.object({
  schema: text,
  table: text,
  column: text,
  inherited: flag,
  nullFraction: number,
  averageWidth: number,
  distinct: number,
  mostCommonValues: maybeText,
  mostCommonShares: maybeText,
  histogram: maybeText,
  correlation: number.nullable(),
  mostCommonElements: maybeText,
  mostCommonElementShares: maybeText,
  elementCountHistogram: maybeText,
  rangeLengthHistogram: maybeText,
  rangeEmptyShare: number.nullable(),
  rangeBoundsHistogram: maybeText,
});

const tableActivity = z.object({
  schema: text,
  name: text,
  inserts: number,
  updates: number,
  hotUpdates: number,
  deletes: number,
  sequentialScans: number,
  indexScans: number,
  liveRows: number,
  deadRows: number,
  changedSinceAnalyze: number,
  analyzedAt: maybeText,
});

const indexActivity = z.object({ schema: text, name: text, scans: number });

/** Rows of the parts, as the queries of parts.ts answer them. */
const partRows = {
  extensions: z.array(z.object({ name: text, version: text, schema: text })),
  schemas: z.array(z.object({ name: text })),
  types: z.array(type),
  otherTypes: z.array(z.object({ name: text })),
  /** A DBA's function that an earlier perfopt made does not read them. */
  sequences: sequences.optional(),
  functions: z.array(z.object({ definition: text })),
  tables: z.array(table),
  views: z.array(z.object({ schema: text, name: text, definition: text })),
  constraints: z.array(constraint),
  indexes: z.array(index),
  extendedStatistics: z.array(extendedStatistics),
  extendedData: z.array(extendedData.extend({ schema: text, name: text })),
  relations: z.array(relation),
  columns: z.array(column),
  activityTables: z.array(tableActivity),
  activityIndexes: z.array(indexActivity),
} as const;

const allParts = z.object(partRows);

export type PartRows = Readonly<z.infer<typeof allParts>>;

/** Something dropped in the moment of reading has a row left, and no definition any more. */
export function checkedParts(value: unknown): PartRows {
  const parts = z.record(z.string(), z.unknown()).parse(value);
  const present = Object.entries(parts).map(([name, rows]) => [
    name,
    Array.isArray(rows) ? rows.filter((row) => !isGone(row)) : rows,
  ]);
  return allParts.parse(Object.fromEntries(present));
}

function isGone(row: unknown): boolean {
  return typeof row === "object" && row !== null && "definition" in row && row.definition === null;
}

export const settingRows = z.array(setting);

const snapshotSchema = z.object({
  format: z.literal("perfopt-snapshot/1"),
  takenAt: text,
  serverVersion: number.int().min(120_000),
  database: text,
  locale,
  searchPath: z.array(text),
  redacted: z.enum(["nothing", "text", "all values"]),
  settings: settingRows,
  extensions: partRows.extensions,
  schemas: z.array(text),
  types: partRows.types,
  functions: z.array(text),
  sequences: sequences.exactOptional(),
  tables: partRows.tables,
  views: partRows.views,
  constraints: partRows.constraints,
  indexes: partRows.indexes,
  extendedStatistics: partRows.extendedStatistics,
  relations: partRows.relations,
  columns: partRows.columns,
  activity: z
    .object({
      since: maybeText,
      tables: partRows.activityTables,
      indexes: partRows.activityIndexes,
    })
    .optional(),
  caveats: z.array(text),
});

/** A snapshot without a `activity` field has none that was read. */
export function checkedSnapshot(value: unknown): Snapshot {
  const { activity, ...rest } = snapshotSchema.parse(value);
  return { ...rest, activity };
}
