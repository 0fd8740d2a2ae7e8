/** Indexes that look needless beside others, and without which replication or a foreign key breaks: on a real PostgreSQL. */
import { rm } from "node:fs/promises";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Catalog, IndexInfo } from "../../../src/advise/indexes/catalog.ts";
import { findingsOf } from "../../../src/advise/indexes/findings/findings.ts";
import { catalogOf } from "../../../src/advise/indexes/snapshot/catalog-of.ts";
import { readSnapshot } from "../../../src/advise/indexes/snapshot/read.ts";
import { temporaryHome } from "../../integration/stores.ts";
import { startStores } from "../../registry/stores.ts";
import { viewOf } from "../database.ts";
import { AT } from "./shop.ts";

const SCHEMA = `
  CREATE TABLE owners (id int NOT NULL);
  CREATE UNIQUE INDEX owners_first ON owners (id);
  CREATE TABLE pets (owner int REFERENCES owners (id));
  ALTER TABLE owners ADD PRIMARY KEY (id);
  CREATE TABLE letters (id int PRIMARY KEY);
  CREATE UNIQUE INDEX letters_identity ON letters (id);
  ALTER TABLE letters REPLICA IDENTITY USING INDEX letters_identity;
  CREATE TABLE parcels (id int NOT NULL, weight int);
  CREATE UNIQUE INDEX parcels_a ON parcels (id);
  CREATE UNIQUE INDEX parcels_b ON parcels (id);
  CREATE INDEX parcels_weight ON parcels (weight);
  CREATE INDEX parcels_weight_id ON parcels (weight, id);
  ALTER TABLE parcels REPLICA IDENTITY USING INDEX parcels_b;
  CREATE TABLE events (id int NOT NULL, at date NOT NULL) PARTITION BY RANGE (at);
  CREATE TABLE events_all PARTITION OF events DEFAULT;
  CREATE UNIQUE INDEX events_a ON events (id, at);
  CREATE UNIQUE INDEX events_b ON events (id, at);
  ALTER TABLE events_all REPLICA IDENTITY USING INDEX events_all_id_at_idx1;`;

let client: Client;
let catalog: Catalog;
let close: () => Promise<void>;

beforeAll(async () => {
  const stores = await startStores();
  const url = await stores.createDatabase("needed");
  client = new Client({ connectionString: url });
  await client.connect();
  await client.query(SCHEMA);
  const home = await temporaryHome();
  close = async () => {
    await client.end();
    await stores.stop();
    await rm(home, { recursive: true, force: true });
  };
  const snapshot = await viewOf(url, home).together((query) =>
    readSnapshot(query, { redact: "nothing", now: () => Date.parse(AT) }),
  );
  catalog = { ...catalogOf(snapshot), countersSince: "2026-09-01T00:00:00Z" };
}, 60_000);
afterAll(() => close());

function findings(of: Catalog = catalog) {
  return findingsOf({ catalog: of, at: AT, statements: [] }).filter(({ kind }) =>
    ["duplicate", "redundant", "unused"].includes(kind),
  );
}

test("no SQL drops what a foreign key or replication needs; of two twins the other goes", () => {
  const found = findings();
  expect(found.map(({ index, sql }) => [index, sql !== undefined])).toEqual([
    ["owners_first", false],
    ["letters_identity", false],
    ["parcels_a", true],
    ["events_a", true],
  ]);
  const [referenced, identity, twin] = found.map(({ detail }) => detail);
  expect(referenced).toMatch(/^the same as owners_pkey.* has to stay: a foreign key depends on it/);
  expect(identity).toMatch(/^the same as letters_pkey.* has to stay: it is the replica identity/);
  expect(twin).toMatch(/^the same as parcels_b; keep that one/);
});

test("after the drops every replica identity and every foreign key is still there", async () => {
  const needed = async () => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indisreplident
       UNION ALL SELECT conname::text FROM pg_constraint WHERE contype = 'f' ORDER BY 1`,
    );
    return rows.map(({ name }) => name);
  };
  const before = await needed();
  expect(before).toEqual([
    "events_all_id_at_idx1",
    "letters_identity",
    "parcels_b",
    "pets_owner_fkey",
  ]);
  await client.query("BEGIN");
  for (const { sql } of findings()) await client.query((sql ?? "").replace("CONCURRENTLY ", ""));
  expect(await needed()).toEqual(before);
  await client.query("ROLLBACK");
});

test.each(["replicaIdentity", "referenced"] as const)(
  "%s keeps an index that is redundant or unused as well",
  (need) => {
    const withNeed = (index: IndexInfo): IndexInfo =>
      index.name === "parcels_weight" ? { ...index, [need]: true } : index;
    const tables = (wider: boolean) =>
      catalog.tables.map((table) => ({
        ...table,
        indexes: table.indexes
          .filter(({ name }) => wider || name !== "parcels_weight_id")
          .map((index) =>
            withNeed({ ...index, scans: index.name === "parcels_weight_id" ? 9 : 0 }),
          ),
      }));
    for (const [wider, kind] of [
      [true, "redundant"],
      [false, "unused"],
    ] as const) {
      const found = findingsOf({
        catalog: { ...catalog, tables: tables(wider) },
        at: AT,
        statements: [],
        bounds: { unusedBytesLeast: 0 },
      }).find(({ index }) => index === "parcels_weight");
      expect(found?.kind).toBe(kind);
      expect(found?.sql).toBeUndefined();
      expect(found?.detail).toContain("has to stay");
    }
  },
);
