import { afterAll, beforeAll, expect, test } from "vitest";
import { cloneDatabase, dropClone } from "../../src/target/clone.ts";
import { queryDatabase, withConnection, withDatabase } from "../../src/target/sql.ts";
import { startStores, type Stores } from "../integration/stores.ts";

let stores: Stores;

beforeAll(async () => {
  stores = await startStores();
  await withConnection(stores.postgresUrl, async (client) => {
    await client.query("CREATE ROLE app LOGIN PASSWORD 'pass' CREATEDB");
    await client.query("CREATE ROLE other");
    await client.query("CREATE DATABASE shop OWNER app");
    await client.query(`ALTER DATABASE shop SET search_path = "$user", 'odd "one', public`);
    await client.query("ALTER DATABASE shop SET work_mem = '7MB'");
    await client.query("ALTER DATABASE shop SET log_min_duration_statement = '9s'");
    await client.query("ALTER DATABASE shop SET my.word = 'it''s; \"so\"'");
    await client.query("ALTER ROLE app IN DATABASE shop SET jit = off");
    await client.query("ALTER ROLE other IN DATABASE shop SET jit = off");
  });
}, 60_000);
afterAll(() => stores.stop());

function settingsOf(database: string) {
  return queryDatabase(
    stores.postgresUrl,
    "SELECT coalesce(setrole::regrole::text, '-') AS role, setconfig::text AS settings FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = $1) ORDER BY 1",
    [database],
  );
}

test("a copy has the settings of its database and of the service's role, and they go with it", async () => {
  const adminUrl = withDatabase(stores.postgresUrl, "shop");
  await cloneDatabase({ adminUrl, owner: "app" }, "perfopt_copy");
  const [everybody, app] = await settingsOf("shop");
  expect(await settingsOf("perfopt_copy")).toEqual([everybody, app]);
  expect(everybody?.["settings"]).toContain("log_min_duration_statement");
  await dropClone(adminUrl, "perfopt_copy");
  const left =
    "SELECT count(*)::int AS count FROM pg_db_role_setting WHERE setdatabase NOT IN (SELECT oid FROM pg_database)";
  expect(await queryDatabase(stores.postgresUrl, left)).toEqual([{ count: 0 }]);
});

test("an ordinary role copies all that it may set", async () => {
  const own = new URL(withDatabase(stores.postgresUrl, "shop"));
  own.username = "app";
  own.password = "pass";
  await cloneDatabase({ adminUrl: own.href, owner: undefined }, "perfopt_own");
  const copied = await settingsOf("perfopt_own");
  expect(copied[0]?.["settings"]).toContain("work_mem=7MB");
  expect(copied[0]?.["settings"]).not.toContain("log_min_duration_statement");
  expect(copied[1]).toEqual({ role: "app", settings: "{jit=off}" });
  await dropClone(own.href, "perfopt_own");
});
