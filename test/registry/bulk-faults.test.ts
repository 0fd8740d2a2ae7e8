// Imports while something is in their way: a database that does not go on, a client that goes away, a gateway in between.

import { once } from "node:events";
import { request } from "node:http";
import type { ClientRequest } from "node:http";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { API_BASE } from "../../src/registry/endpoint.ts";
import { createRuns, point, sendImport } from "./bulk/sending.ts";
import { eventually, openRegistry } from "./client.ts";
import type { TestRegistry } from "./client.ts";
import { gatewayKinds } from "./gateway-kinds.ts";
import { startStores } from "./stores.ts";
import type { Stores } from "./stores.ts";

let stores: Stores;
let databaseUrl: string;
let registry: TestRegistry;
let client: Client;

beforeAll(async () => {
  stores = await startStores();
  databaseUrl = await stores.createDatabase("faults");
  registry = await openRegistry({
    DATABASE_URL: databaseUrl,
    REDIS_URL: stores.redisUrl,
    BATCH_METHOD: "copy",
    BATCH_SIZE: "100",
    BATCH_IN_FLIGHT: "3",
    BATCH_PARALLEL: "2",
    POOL_MAX: "4",
  });
  client = new Client({ connectionString: databaseUrl });
  await client.connect();
}, 60_000);

afterAll(async () => {
  await client?.end();
  await registry?.close();
  await stores?.stop();
});

async function countMetrics(run: string): Promise<number> {
  const { rows } = await client.query<{ count: string }>(
    "SELECT count(*) FROM metrics WHERE run_id = $1",
    [run],
  );
  return Number(rows[0]?.count);
}

function begin(url: string): ClientRequest {
  const sending = request(`${url}${API_BASE}/bulk/import?kind=metrics`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
  });
  sending.on("error", () => undefined);
  return sending;
}

function linesOf(run: string, from: number, count: number): string {
  return Array.from(
    { length: count },
    (_, index) => `${JSON.stringify(point(run, "loss", from + index))}\n`,
  ).join("");
}

// What the kernel holds of a connection, and what is in flight; far from what is sent below.
const HELD_MAX_BYTES = 40_000_000;
const SENT_BYTES = 150_000_000;

test("while the database does not go on, no more of the body is read, and other requests are answered", async () => {
  const [run = ""] = await createRuns(registry, 1);
  await client.query("BEGIN");
  await client.query("LOCK TABLE metrics IN ACCESS EXCLUSIVE MODE");
  const sending = begin(registry.url);
  // Nothing but comments of blanks, so that a batch is soon full of the records between them.
  const piece = linesOf(run, 0, 200) + `${" ".repeat(900)}\n`.repeat(1_000);
  let sent = 0;
  for (; sent < SENT_BYTES; sent += piece.length) {
    if (sending.write(piece)) continue;
    const drained = await Promise.race([
      once(sending, "drain").then(() => true),
      // Long after the last byte was taken: a body that is still being read drains within milliseconds.
      new Promise<false>((resolve) => setTimeout(() => resolve(false), 3_000)),
    ]);
    if (!drained) break;
  }
  expect(sent).toBeLessThan(HELD_MAX_BYTES);
  // Two of its four connections are the import's at most.
  await Promise.all(Array.from({ length: 6 }, () => registry.get("runs/get", { run_id: run })));
  await client.query("ROLLBACK");
  sending.end();
  const answered: unknown[] = await once(sending, "response");
  expect(answered[0]).toMatchObject({ statusCode: 200 });
  expect(await countMetrics(run)).toBe(200);
}, 60_000);

test("a client that goes away ends its import; sent again, the rest is there once", async () => {
  const [run = ""] = await createRuns(registry, 1);
  const sending = begin(registry.url);
  sending.write(linesOf(run, 0, 350));
  await eventually(async () => (await countMetrics(run)) >= 300);
  sending.destroy();
  const query = { kind: "metrics" };
  const again = await sendImport(registry, query, linesOf(run, 0, 1_000));
  expect(again.body).toMatchObject({ lines: 1_000, rejected: 0 });
  expect(again.body.unchanged).toBeGreaterThanOrEqual(300);
  expect(await countMetrics(run)).toBe(1_000);
  // Nothing of the first is left that would count against how many there may be.
  const more = Array.from({ length: 8 }, () => sendImport(registry, query, linesOf(run, 0, 10)));
  expect((await Promise.all(more)).map(({ status }) => status)).toEqual(Array(8).fill(200));
}, 30_000);

test("of imports that are refused whole no more than BATCH_PARALLEL keep a connection", async () => {
  const [run = ""] = await createRuns(registry, 1);
  const url = `${registry.url}${API_BASE}/bulk/import?kind=metrics&on_error=refuse`;
  const headers = { "content-type": "application/x-ndjson" };
  const held = [0, 1].map(() => {
    const sending = request(url, { method: "POST", headers });
    sending.on("error", () => undefined).write(linesOf(run, 0, 250));
    return sending;
  });
  await eventually(async () => {
    const staged = await client.query("SELECT 1 FROM pg_class WHERE relname = 'bulk_staged'");
    return staged.rows.length === held.length;
  });
  const third = await sendImport(registry, { kind: "metrics", on_error: "refuse" }, "");
  expect(third.status).toBe(503);
  const answers = held.map((sending) => once(sending, "response"));
  for (const sending of held) sending.end();
  for (const [answer] of await Promise.all(answers))
    expect(answer).toMatchObject({ statusCode: 200 });
  expect(await countMetrics(run)).toBe(250);
}, 30_000);

test("a connection that is lost while a client sends costs its import, not the process", async () => {
  const [run = ""] = await createRuns(registry, 1);
  const sending = request(`${registry.url}${API_BASE}/bulk/import?kind=metrics&on_error=refuse`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
  });
  sending.write(linesOf(run, 0, 250));
  const answer = once(sending, "response");
  await eventually(async () => {
    const ended = await client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND state = 'idle' AND query LIKE 'INSERT INTO pg_temp.bulk_staged%'`,
    );
    return ended.rows.length > 0;
  });
  sending.end(linesOf(run, 250, 250));
  expect((await answer)[0]).toMatchObject({ statusCode: 503 });
  expect(await countMetrics(run)).toBe(0);
  const again = await sendImport(
    registry,
    { kind: "metrics", on_error: "refuse" },
    linesOf(run, 0, 500),
  );
  expect(again.body).toMatchObject({ written: 500 });
}, 30_000);

test("what holds connections for long leaves one of them", async () => {
  const [run = ""] = await createRuns(registry, 1);
  const small = await openRegistry({
    DATABASE_URL: databaseUrl,
    REDIS_URL: stores.redisUrl,
    BATCH_PARALLEL: "4",
    BATCH_SIZE: "10",
    POOL_MAX: "2",
  });
  try {
    const held = request(`${small.url}${API_BASE}/bulk/import?kind=metrics&on_error=refuse`, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson" },
    });
    held.write(linesOf(run, 0, 50));
    const answer = once(held, "response");
    await eventually(
      async () =>
        (await sendImport(small, { kind: "metrics", on_error: "refuse" }, "")).status === 503,
    );
    expect((await fetch(`${small.url}${API_BASE}/analytics/report?format=csv`)).status).toBe(503);
    await small.get("runs/get", { run_id: run });
    held.end();
    expect((await answer)[0]).toMatchObject({ statusCode: 200 });
    const report = await fetch(`${small.url}${API_BASE}/analytics/report?format=csv`);
    expect([report.status, (await report.text()).includes(run)]).toEqual([200, true]);
  } finally {
    await small.close();
  }
}, 30_000);

test.each(gatewayKinds)("behind the %s gateway", async (_name, open) => {
  const [run = ""] = await createRuns(registry, 1);
  const gateway = await open({
    balancing: "round-robin",
    healthIntervalMs: 60_000,
    sticky: true,
    keepAlive: true,
    slowStartMs: 0,
    host: "127.0.0.1",
    port: 0,
    answerTimeoutMs: 20_000,
    workers: [{ id: "0", url: registry.url }],
  });
  try {
    const url = `http://127.0.0.1:${gateway.port}`;
    // Larger than what the gateway reads whole, and without a length.
    const sending = begin(url);
    for (let from = 0; from < 3_000; from += 500) sending.write(linesOf(run, from, 500));
    sending.end();
    const answered: unknown[] = await once(sending, "response");
    expect(answered[0]).toMatchObject({ statusCode: 200 });
    expect(await countMetrics(run)).toBe(3_000);
    const refused = await sendImport({ url }, { kind: "nothing" }, linesOf(run, 0, 3_000));
    expect(refused.status).toBe(400);
  } finally {
    await gateway.close(1_000);
  }
});
