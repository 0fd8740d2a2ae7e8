/** An import whose service is killed when a third of it is there, and the same import sent again to a new one: what is lost, what is there twice. */
import { once } from "node:events";
import { createReadStream, statSync } from "node:fs";
import { writeFile as writeText } from "node:fs/promises";
import { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import type { Client } from "pg";
import { request } from "undici";
import { API_BASE } from "../../src/registry/endpoint.ts";
import { startService } from "./service.ts";
import type { Service } from "./service.ts";

export interface KillResult {
  readonly kind: string;
  readonly rows: number;
  /** Rows that were committed when the service was killed. */
  readonly committed: number;
  readonly lost: number;
  readonly twice: number;
  readonly answer: string;
}

export interface KillPlan {
  readonly client: Client;
  readonly environment: Record<string, string>;
  readonly imports: readonly KilledImport[];
}

export interface KilledImport {
  readonly kind: "metrics" | "model-versions";
  readonly path: string;
  readonly rows: number;
  /** Counts rows, and rows that are different from each other. */
  readonly countSql: string;
}

/** Of the file; what is sent before the kill, so that no machine is too fast for it. */
const SENT_SHARE = 1 / 2;
/** Of the rows; what is there when the kill comes. */
const WRITTEN_SHARE = 1 / 3;

const LOOK_EVERY_MS = 5;
const TIMEOUT_MS = 300_000;

/** All imports at once to one service that is killed, then to another. */
export async function playKill({
  client,
  environment,
  imports,
}: KillPlan): Promise<readonly KillResult[]> {
  const first = await startService(environment);
  const killed = new AbortController();
  const sending = imports.map((each) => sendPart(first, each.path, queryOf(each), killed.signal));
  try {
    await untilWritten(client, imports);
  } finally {
    await first.kill();
    killed.abort();
    await Promise.all(sending);
  }
  const before = await Promise.all(imports.map(({ countSql }) => count(client, countSql)));
  const second = await startService(environment);
  try {
    const results: KillResult[] = [];
    for (const [index, each] of imports.entries()) {
      const answer = await second.importFile(each.path, queryOf(each));
      const { all, different } = await count(client, each.countSql);
      results.push({
        kind: each.kind,
        rows: each.rows,
        committed: before[index]?.all ?? 0,
        lost: each.rows - different,
        twice: all - different,
        answer: `${answer.written} written, ${answer.unchanged} there already`,
      });
    }
    return results;
  } finally {
    await second.kill();
  }
}

function queryOf({ kind }: KilledImport): string {
  return `kind=${kind}&import_id=${kind}-killed`;
}

async function untilWritten(client: Client, imports: readonly KilledImport[]): Promise<void> {
  const deadlineMs = performance.now() + TIMEOUT_MS;
  for (const { kind, countSql, rows } of imports)
    while ((await count(client, countSql)).all < rows * WRITTEN_SHARE) {
      if (performance.now() > deadlineMs) throw new Error(`The import of ${kind} does not go on.`);
      await wait(LOOK_EVERY_MS);
    }
}

/** Sends the first part of a file that is said to be longer. Resolves when the connection is gone. */
async function sendPart(
  { url }: Service,
  path: string,
  query: string,
  killed: AbortSignal,
): Promise<void> {
  const bytes = statSync(path).size;
  async function* part(): AsyncGenerator<Buffer> {
    yield* createReadStream(path, { end: Math.floor(bytes * SENT_SHARE) });
    if (!killed.aborted) await once(killed, "abort");
  }
  await request(`${url}${API_BASE}/bulk/import?${query}`, {
    method: "POST",
    headers: {
      "content-type": "application/x-ndjson",
      "content-length": String(bytes),
    },
    body: Readable.from(part()),
    headersTimeout: TIMEOUT_MS,
  }).then(
    ({ body }) => body.dump(),
    () => undefined,
  );
}

async function count(client: Client, sql: string): Promise<{ all: number; different: number }> {
  const { rows } = await client.query<{ all_rows: string; different_rows: string }>(sql);
  return { all: Number(rows[0]?.all_rows), different: Number(rows[0]?.different_rows) };
}

export const COUNT_METRICS =
  "SELECT count(*) AS all_rows, count(DISTINCT (run_id, key, timestamp, step)) AS different_rows FROM metrics";
/** What a line makes is told from others by its source. */
export const COUNT_VERSIONS =
  "SELECT count(*) AS all_rows, count(DISTINCT source) AS different_rows FROM model_versions";

/** Versions without numbers of a few models: sent again, nothing but the ledger tells them from new ones. */
export async function writeVersions(client: Client, path: string, rows: number): Promise<void> {
  const models = Array.from({ length: 20 }, (_, model) => `killed-${model}`);
  await client.query(
    `INSERT INTO registered_models (name, creation_timestamp, last_updated_timestamp)
     SELECT name, 0, 0 FROM unnest($1::text[]) AS name`,
    [models],
  );
  const lines = Array.from(
    { length: rows },
    (_, row) => `{"name":"${models[row % models.length]}","source":"s3://models/${row}"}\n`,
  );
  await writeText(path, lines.join(""));
}
