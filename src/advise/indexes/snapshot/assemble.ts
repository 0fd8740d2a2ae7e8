/** Makes one snapshot of the parts that were read, and of nothing that was read in part. */
import { qualifiedName } from "../../../core/index-definition.ts";
import type { DatabaseLocale } from "../../../core/planner.ts";
import { checkedSnapshot, type PartRows } from "./schema.ts";
import type { Snapshot, SnapshotSetting, SnapshotTable } from "./snapshot.ts";

const BLOCK_BYTES = 8192;
const NAMES_MAX = 5;

/** What is true of the session and the database, whoever reads the rest. */
export interface Facts {
  readonly serverVersion: number;
  readonly database: string;
  readonly role: string;
  readonly locale: DatabaseLocale;
  readonly searchPath: readonly string[];
  readonly since: string | null;
  /** The role may read everybody's statistics. */
  readonly readsAll: boolean;
  readonly blockBytes: number;
}

export interface Frame extends Facts {
  readonly takenAt: string;
  readonly settings: readonly SnapshotSetting[];
  readonly caveats: readonly string[];
}

export function assemble(frame: Frame, rows: PartRows): Snapshot {
  const tables = wholeTables(rows);
  const kept = new Set(tables.map(nameOf));
  const indexes = rows.indexes.filter(({ schema, table }) =>
    kept.has(qualifiedName(schema, table)),
  );
  const keptIndexes = new Set(indexes.map(nameOf));
  const isKept = (name: string) => kept.has(name) || keptIndexes.has(name);
  return checkedSnapshot({
    format: "perfopt-snapshot/1",
    takenAt: frame.takenAt,
    serverVersion: frame.serverVersion,
    database: frame.database,
    locale: frame.locale,
    searchPath: frame.searchPath,
    redacted: "nothing",
    settings: frame.settings,
    extensions: rows.extensions,
    schemas: rows.schemas.map(({ name }) => name),
    types: rows.types,
    functions: rows.functions.map(({ definition }) => definition),
    ...(rows.sequences === undefined ? {} : { sequences: rows.sequences }),
    tables: parentsFirst(tables),
    views: rows.views,
    constraints: rows.constraints.filter(
      ({ table, foreignKey: to }) =>
        kept.has(table) &&
        (to === null || kept.has(qualifiedName(to.referencedSchema, to.referencedTable))),
    ),
    indexes,
    extendedStatistics: rows.extendedStatistics
      .filter(({ table }) => kept.has(table))
      .map((each) => ({
        ...each,
        data: rows.extendedData.filter(
          ({ schema, name }) => schema === each.schema && name === each.name,
        ),
      })),
    relations: rows.relations.filter((each) => isKept(nameOf(each))),
    columns: rows.columns.filter(({ schema, table }) => isKept(qualifiedName(schema, table))),
    activity: {
      since: frame.since,
      tables: rows.activityTables.filter((each) => kept.has(nameOf(each))),
      indexes: rows.activityIndexes.filter((each) => keptIndexes.has(nameOf(each))),
    },
    caveats: [...frame.caveats, ...ownCaveats(frame, rows, kept)],
  });
}

function ownCaveats(frame: Facts, rows: PartRows, kept: ReadonlySet<string>): readonly string[] {
  const lost = rows.relations
    .filter(({ kind }) => kind !== "index" && kind !== "partitioned index")
    .filter((each) => !kept.has(nameOf(each)))
    .map(({ schema, name }) => `${schema}.${name}`);
  const unknown = rows.otherTypes.map(({ name }) => name);
  return [
    ...(frame.blockBytes === BLOCK_BYTES
      ? []
      : [`the server has blocks of ${frame.blockBytes} bytes: sizes of files are in those`]),
    ...(rows.sequences === undefined
      ? [
          "the function that the snapshot was taken by is of an earlier perfopt and knows neither sequences nor what indexes replication and foreign keys need: make it again with `perfopt snapshot --print-function`",
        ]
      : []),
    ...(unknown.length === 0
      ? []
      : [`tables that use these cannot be rebuilt: ${listed(unknown)}`]),
    ...(lost.length === 0
      ? []
      : [
          `left out, since somebody had a lock on them: ${listed(lost)}; take the snapshot again when no DDL runs`,
        ]),
  ];
}

/** A few names for a sentence. */
export function listed(names: readonly string[]): string {
  const more = names.length - NAMES_MAX;
  return `${names.slice(0, NAMES_MAX).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

function nameOf(each: { readonly schema: string; readonly name: string }): string {
  return qualifiedName(each.schema, each.name);
}

/** Without those whose parent, or whose size, was not read: a table may be locked or dropped while its parts are not. */
function wholeTables(rows: PartRows): readonly SnapshotTable[] {
  const sized = new Set(rows.relations.map(nameOf));
  let tables: readonly SnapshotTable[] = rows.tables.filter(
    (table) => table.kind === "foreign table" || sized.has(nameOf(table)),
  );
  for (let before = -1; before !== tables.length;) {
    before = tables.length;
    const names = new Set(tables.map(nameOf));
    tables = tables.filter(({ parents }) => parents.every((parent) => names.has(parent)));
  }
  return tables;
}

/** A partition is attached to a table that exists. */
function parentsFirst(tables: readonly SnapshotTable[]): readonly SnapshotTable[] {
  const byName = new Map(tables.map((table) => [nameOf(table), table]));
  const done = new Set<SnapshotTable>();
  const visit = (table: SnapshotTable) => {
    if (done.has(table)) return;
    for (const parent of table.parents) {
      const found = byName.get(parent);
      if (found && found !== table) visit(found);
    }
    done.add(table);
  };
  for (const table of tables) visit(table);
  return [...done];
}
