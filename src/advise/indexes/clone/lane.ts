/** One database of a clone with its connection: several lanes are equal copies, so that they never wait for each other's locks. */
import type { PlannerConnection, PlannerServer, RelationFiles } from "../../../core/planner.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import type { Estimator } from "./estimate.ts";
import { loadExtendedStatistics } from "./extended-statistics.ts";
import { needsFreshFile, writeIndexFile, type IndexShape } from "./files.ts";
import { indexFactsOf, indexFactsSql } from "./index-facts.ts";
import { makeSchema } from "./schema.ts";
import { applySettings } from "./settings.ts";
import { loadStatistics } from "./statistics.ts";

export interface Lane {
  readonly connection: PlannerConnection;
  readonly files: RelationFiles;
  /** Relations without parts of their own, by `schema.name`. */
  readonly tables: ReadonlyMap<string, TableFacts>;
  /** Numbers of existing indexes by `schema.name`; a partitioned index has those of its parts. */
  readonly existing: ReadonlyMap<string, readonly number[]>;
  /** File number of an empty table. */
  readonly emptyFile: string;
  /** Numbers of hypothetical indexes that are made in this lane, by candidate. */
  readonly made: Map<number, readonly number[]>;
  /** Forgotten candidates whose indexes still have to go. */
  readonly dropping: Set<number>;
  /** What the transaction that is open shows; undefined when none is open. */
  shown: string | undefined;
}

export interface TableFacts {
  readonly oid: number;
  readonly file: string;
  readonly pages: number;
  readonly rows: number;
  readonly allVisible: number;
}

export interface OpenedLane {
  readonly lane: Lane;
  readonly missing: ReadonlyMap<string, string>;
  readonly caveats: readonly string[];
  /** Of existing indexes, by `schema.name`. */
  readonly shapes: ReadonlyMap<string, IndexShape>;
}

/** perfopt's own schema in the clone. A blank in it keeps it apart from every name that people choose. */
const OWN_SCHEMA = '"perfopt clone"';

export interface LaneOptions {
  readonly database: string;
  readonly statementTimeoutMs: number;
}

export async function openLane(
  server: PlannerServer,
  snapshot: Snapshot,
  estimator: Estimator,
  { database, statementTimeoutMs }: LaneOptions,
): Promise<OpenedLane> {
  const locale = await server.createDatabase(database, snapshot.locale);
  const connection = await server.connect(database);
  try {
    await connection.script(
      `SET statement_timeout = 0; SET max_parallel_maintenance_workers = 0; CREATE SCHEMA ${OWN_SCHEMA}; CREATE TABLE ${OWN_SCHEMA}.empty ()`,
    );
    const schema = await makeSchema(connection, snapshot);
    const statistics = await loadStatistics(connection, snapshot);
    const extended = await loadExtendedStatistics(connection, snapshot, server.major);
    const settings = await applySettings(connection, snapshot);
    await growTables(connection, server.files, snapshot);
    const shapes = await growIndexes(connection, server.files, snapshot, estimator);
    const lane = await readLane(connection, server.files);
    await connection.script(`SET statement_timeout = ${Math.ceil(statementTimeoutMs)}`);
    return {
      lane,
      missing: schema.missing,
      caveats: [...locale, ...schema.caveats, ...statistics, ...extended, ...settings],
      shapes,
    };
  } catch (error) {
    await connection.close().catch(() => {});
    throw error;
  }
}

const USER_SCHEMAS = `n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'perfopt clone')`;

async function growTables(
  connection: PlannerConnection,
  files: RelationFiles,
  snapshot: Snapshot,
): Promise<void> {
  const blocks = blocksByName(snapshot);
  const tables = await connection.query(
    `SELECT n.nspname || '.' || c.relname AS name, pg_relation_filepath(c.oid) AS path
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND ${USER_SCHEMAS}`,
  );
  for (const row of tables) {
    const count = blocks.get(String(row["name"])) ?? 0;
    if (count > 0) await files.setBlocks(String(row["path"]), count);
  }
}

async function growIndexes(
  connection: PlannerConnection,
  files: RelationFiles,
  snapshot: Snapshot,
  estimator: Estimator,
): Promise<ReadonlyMap<string, IndexShape>> {
  const blocks = blocksByName(snapshot);
  const rows = await connection.query(indexFactsSql(USER_SCHEMAS.replaceAll("n.", "cn.")));
  const shapes = new Map<string, IndexShape>();
  for (const facts of rows.map(indexFactsOf)) {
    const name = `${facts.schema}.${facts.name}`;
    const pages = blocks.get(name) ?? 0;
    if (pages === 0) continue;
    const shape = await estimator.existing(facts, pages, connection.query);
    const path = needsFreshFile(shape)
      ? await freshFile(connection, facts.oid, `existing ${facts.oid}`)
      : facts.path;
    await writeIndexFile(files, path, shape);
    shapes.set(name, shape);
  }
  return shapes;
}

/** Gives an index the file of a table that nothing has read. Returns its path. */
export async function freshFile(
  connection: PlannerConnection,
  index: number,
  name: string,
): Promise<string> {
  const table = `${OWN_SCHEMA}."${name}"`;
  const results = await connection.script(
    `CREATE TABLE ${table} ();
     UPDATE pg_class SET relfilenode = pg_relation_filenode('${table}') WHERE oid = ${index};
     SELECT pg_relation_filepath('${table}') AS path`,
  );
  return String(results.at(-1)?.[0]?.["path"]);
}

function blocksByName(snapshot: Snapshot): ReadonlyMap<string, number> {
  return new Map(
    snapshot.relations.map(({ schema, name, blocks }) => [`${schema}.${name}`, blocks]),
  );
}

async function readLane(connection: PlannerConnection, files: RelationFiles): Promise<Lane> {
  const tables = await connection.query(
    `SELECT n.nspname || '.' || c.relname AS name, c.oid::int8 AS oid, c.relfilenode::text AS file,
            c.relpages AS pages, c.reltuples::float8 AS rows, c.relallvisible AS visible
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND ${USER_SCHEMAS}`,
  );
  const indexes = await connection.query(
    `SELECT n.nspname || '.' || c.relname AS name, c.oid::int8 AS oid, i.inhparent::int8 AS parent
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
     WHERE c.relkind IN ('i', 'I') AND ${USER_SCHEMAS}`,
  );
  const [empty] = await connection.query(
    `SELECT pg_relation_filenode('${OWN_SCHEMA}.empty')::text AS file`,
  );
  const family = (oid: unknown): readonly number[] => [
    Number(oid),
    ...indexes.filter((row) => row["parent"] === oid).flatMap((row) => family(row["oid"])),
  ];
  return {
    connection,
    files,
    tables: new Map(
      tables.map((row) => [
        String(row["name"]),
        {
          oid: Number(row["oid"]),
          file: String(row["file"]),
          pages: Number(row["pages"]),
          rows: Number(row["rows"]),
          allVisible: Number(row["visible"]),
        },
      ]),
    ),
    existing: new Map(indexes.map((row) => [String(row["name"]), family(row["oid"])])),
    emptyFile: String(empty?.["file"]),
    made: new Map(),
    dropping: new Set(),
    shown: undefined,
  };
}
