/** Two arms of one target made alike again: windows that only one of them had (a search, a look, saturation) left rows in its database alone. */
import type { Client } from "pg";
import {
  objectsAtFirst,
  openDatabase,
  openSession,
  stageArm,
  stopArmService,
  type Arm,
  type ArmOptions,
} from "./arm.ts";
import { tidyTables, type DatabaseObject } from "./arm-database.ts";
import { cloneDatabase, cloneName, endSessions } from "./clone.ts";
import type { Arms } from "./pair.ts";
import { copyContents, emptyRedis } from "./redis-server.ts";
import { databaseOf, numberOf, rowsOf, withConnection, withDatabase } from "./sql.ts";
import type { Undo } from "./stand.ts";

/** Of a table: less than this is lost in what vacuums happen to leave. */
const DIFFERENCE_SHARE = 0.02;
const DIFFERENCE_BYTES = 1024 ** 2;

/** Of a table, against its size when the bench was opened. */
const GROWTH_SHARE = 0.1;

/** The database as it was when the bench was opened; nobody writes to it. */
export interface Origin {
  readonly url: string;
  readonly bytes: ReadonlyMap<string, number>;
}

export async function openOrigin(options: ArmOptions, undo: Undo[]): Promise<Origin> {
  const name = cloneName(options.runId, "o");
  await openDatabase(name, options, undo);
  const url = withDatabase(options.source.adminUrl, name);
  return { url, bytes: await withConnection(url, tableBytes) };
}

/**
 * Where a table of one arm has come to be of another size than the other's, the candidate's database becomes a copy of the incumbent's;
 * with an origin both become copies of that, also when both have grown beyond it: a service is not measured on what its own measurement
 * wrote. Both then have the changes that they are told to have, and fresh processes. To be called between blocks of pairs: within one both
 * arms get the same requests.
 */
export async function levelArms(arms: Arms, origin: Origin | undefined): Promise<void> {
  const { incumbent, candidate } = arms;
  const sizes = [
    await tableBytes(incumbent.session.client),
    await tableBytes(candidate.session.client),
  ] as const;
  const grown = origin !== undefined && sizes.some((each) => hasOutgrown(each, origin.bytes));
  if (!grown && areAlike(...sizes)) return;
  await stopArmService(incumbent);
  await stopArmService(candidate);
  if (origin) {
    for (const arm of [incumbent, candidate])
      await copyInto(arm, origin.url, objectsAtFirst(arm.options));
  } else await copyFrom(incumbent, candidate);
  const staged = [
    await stageArm(incumbent, incumbent.changes),
    await stageArm(candidate, candidate.changes),
  ];
  const tables = [...new Set(staged.flatMap((each) => each.tables))];
  await tidyTables(incumbent, tables);
  await tidyTables(candidate, tables);
  if (!incumbent.redis || !candidate.redis) return;
  // What is cached is of a database that is gone.
  if (origin) await emptyRedis(incumbent.redis.client);
  await copyContents(incumbent.redis, candidate.redis);
}

async function copyFrom(incumbent: Arm, candidate: Arm): Promise<void> {
  await incumbent.session.client.end();
  try {
    await endSessions(incumbent.adminUrl);
    await copyInto(candidate, incumbent.adminUrl, incumbent.objects);
  } finally {
    incumbent.session.client = await openSession(incumbent.adminUrl);
  }
}

async function copyInto(
  arm: Arm,
  adminUrl: string,
  objects: readonly DatabaseObject[],
): Promise<void> {
  await arm.session.client.end();
  const { owner } = arm.options.source;
  await cloneDatabase({ adminUrl, owner }, databaseOf(arm.adminUrl));
  arm.session.client = await openSession(arm.adminUrl);
  arm.objects = objects;
  arm.settings = {};
}

function hasOutgrown(
  now: ReadonlyMap<string, number>,
  before: ReadonlyMap<string, number>,
): boolean {
  return [...now].some(([name, bytes]) => {
    const was = before.get(name) ?? 0;
    return bytes - was > Math.max(DIFFERENCE_BYTES, GROWTH_SHARE * was);
  });
}

/** Without indexes, which are a candidate's to have. */
async function tableBytes(client: Client): Promise<ReadonlyMap<string, number>> {
  const rows = await rowsOf(
    client,
    `SELECT c.oid::regclass::text AS name, pg_relation_size(c.oid)::float8 AS bytes
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'm') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'`,
  );
  return new Map(rows.map((row) => [String(row["name"]), numberOf(row, "bytes")]));
}

function areAlike(left: ReadonlyMap<string, number>, right: ReadonlyMap<string, number>): boolean {
  return [...new Set([...left.keys(), ...right.keys()])].every((name) => {
    const [a, b] = [left.get(name) ?? 0, right.get(name) ?? 0];
    return Math.abs(a - b) <= Math.max(DIFFERENCE_BYTES, DIFFERENCE_SHARE * Math.max(a, b));
  });
}
