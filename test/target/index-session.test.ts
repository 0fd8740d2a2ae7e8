import { hostname } from "node:os";
import { afterAll, beforeAll, expect, test } from "vitest";
import { redactSecrets } from "../../src/core/errors.ts";
import { buildIndex, defaultIndexLimits, type IndexJob } from "../../src/target/safe-index.ts";
import { connect, withConnection, withDatabase } from "../../src/target/sql.ts";
import { neverAborted, startStores, type Stores } from "../integration/stores.ts";

let stores: Stores;
let url: string;

beforeAll(async () => {
  stores = await startStores({ max_prepared_transactions: "2" });
  url = withDatabase(stores.postgresUrl, "sessions");
  await withConnection(stores.postgresUrl, (client) => client.query("CREATE DATABASE sessions"));
  await withConnection(url, (client) => client.query("CREATE TABLE items (owner int)"));
}, 60_000);
afterAll(() => stores.stop());

function job(): IndexJob {
  return {
    url,
    index: { schema: "public", table: "items", name: "items_owner", columns: [{ name: "owner" }] },
    limits: defaultIndexLimits,
    signal: neverAborted,
    dataFolder: undefined,
    own: true,
    beforeBuild: async () => {},
  };
}

function change(sql: string): Promise<unknown> {
  return withConnection(url, (client) => client.query(sql));
}

test("a perfopt that would not be seen from here is not taken for dead, whatever its process and machine are called", async () => {
  await withConnection(url, async (other) => {
    // A process that is not here, on a machine whose name begins like this one's.
    await other.query("SELECT set_config('application_name', $1, false)", [
      `perfopt 999999.1@${hostname().slice(0, 24)}`,
    ]);
    await other.query("SELECT pg_advisory_lock(x'70657266'::int, 1)");
    await expect(buildIndex(job())).rejects.toThrow(
      /another perfopt is building .*perfopt 999999\.1@/,
    );
    expect((await other.query("SELECT 1 AS alive")).rows).toEqual([{ alive: 1 }]);
  });
}, 60_000);

test("a lock whose holder is no session is not waited for without end", async () => {
  await change(
    "BEGIN; SELECT pg_advisory_xact_lock(x'70657266'::int, 1); PREPARE TRANSACTION 'held'",
  );
  await expect(buildIndex(job())).rejects.toMatchObject({
    message: expect.stringContaining("by a transaction without a session"),
    hint: expect.stringContaining("pg_prepared_xacts"),
  });
  await change("ROLLBACK PREPARED 'held'");
}, 60_000);

test("a database that may not be written to is told as that", async () => {
  await change("ALTER ROLE CURRENT_USER SET default_transaction_read_only = on");
  try {
    await expect(buildIndex(job())).rejects.toMatchObject({
      code: "bad-input",
      hint: expect.stringContaining("default_transaction_read_only"),
    });
  } finally {
    await change("BEGIN READ WRITE; ALTER ROLE CURRENT_USER RESET ALL; COMMIT");
  }
  expect((await buildIndex(job())).built).toBe(true);
}, 60_000);

test("what is no URL is refused without being shown, and a password with an @ in it goes whole", async () => {
  await expect(connect("host=db password=hush")).rejects.toMatchObject({
    code: "bad-input",
    message: expect.not.stringContaining("hush"),
  });
  expect(redactSecrets("at postgres://me:hu@sh@db:5432/shop now")).toBe(
    "at postgres://***@db:5432/shop now",
  );
});
