/** Every kind of idea on a real PostgreSQL: it accepts the index, and a plan of the statement reads it. */
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Catalog } from "../../src/advise/indexes/catalog.ts";
import { catalogOf } from "../../src/advise/indexes/snapshot/catalog-of.ts";
import { readSnapshot } from "../../src/advise/indexes/snapshot/read.ts";
import { createIndexSql, describeIndex } from "../../src/core/index-definition.ts";
import type { Row } from "../../src/core/workload.ts";
import { startStores } from "../registry/stores.ts";
import type { Stores } from "../registry/stores.ts";
import { suggest } from "./suggest.ts";

const SCHEMA = `
  CREATE EXTENSION pg_trgm;
  CREATE EXTENSION btree_gin;
  CREATE EXTENSION btree_gist;
  CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
  CREATE DOMAIN code AS varchar(20);
  CREATE TABLE things (
    id int PRIMARY KEY, kind text NOT NULL, label varchar(80) NOT NULL, letters char(8) NOT NULL, plain text COLLATE "C" NOT NULL, ref code,
    status text NOT NULL, done boolean NOT NULL, removed_at timestamptz, parcel int, mood mood NOT NULL, amount numeric NOT NULL, size int NOT NULL,
    made_at timestamptz NOT NULL, seen_at timestamp NOT NULL, born date NOT NULL, owner uuid NOT NULL, digest text NOT NULL,
    body jsonb NOT NULL, tags text[] NOT NULL, numbers int[] NOT NULL, words tsvector NOT NULL, busy tstzrange NOT NULL, place point NOT NULL, net inet NOT NULL,
    "Mixed Case" int NOT NULL, "order" text NOT NULL, "quo""te" int NOT NULL, raw json, image bytea);
  INSERT INTO things SELECT g, 'kind ' || g % 40, 'Label ' || md5(g::text), left(md5(g::text), 8), md5((g * 7)::text), 'ref ' || g,
    CASE WHEN g % 100 = 0 THEN 'pending' WHEN g % 50 = 1 THEN 'paid' ELSE 'done' END, g % 30 <> 0, CASE WHEN g % 20 = 0 THEN now() END,
    CASE WHEN g % 10 = 0 THEN g END, (ARRAY['sad', 'ok', 'happy'])[g % 3 + 1]::mood, g % 997, g % 500,
    timestamptz '2026-01-01' + g * interval '1 hour', timestamp '2026-01-01' + g * interval '1 hour', date '2000-01-01' + g % 3000,
    md5(g::text)::uuid, repeat(md5(g::text), 3), jsonb_build_object('plan', 'p' || g % 60, 'age', g % 90, 'roles', jsonb_build_array('r' || g % 200)),
    ARRAY['t' || g % 300, 'u' || g % 17], ARRAY[g % 300], to_tsvector('english', 'word' || g % 400 || ' other'),
    tstzrange(timestamptz '2026-01-01' + g * interval '1 hour', timestamptz '2026-01-01' + (g + 2) * interval '1 hour'), point(g % 71, g % 73),
    ('10.0.' || g % 200 || '.0/24')::inet, g, 'order ' || g, g % 50, '{}', '\\x00' FROM generate_series(1, 4000) g;
  CREATE TABLE parts (thing_id int NOT NULL, place int NOT NULL, weight int NOT NULL, note text, PRIMARY KEY (thing_id, place));
  INSERT INTO parts SELECT g % 4000 + 1, g / 4000, g % 90, 'n' FROM generate_series(0, 11999) g;
  CREATE TABLE log (id bigint NOT NULL, at timestamptz NOT NULL, thing_id int NOT NULL, text text) PARTITION BY RANGE (at);
  CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2026-01-01') TO ('2026-06-01');
  CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM ('2026-06-01') TO ('2027-01-01');
  INSERT INTO log SELECT g, timestamptz '2026-01-02' + g * interval '1 hour', g % 900, 'x' FROM generate_series(1, 6000) g;
  CREATE VIEW busy_things AS SELECT id, lower(label) AS name, kind FROM things WHERE NOT done;
  ANALYZE`;

const BIG_BYTES = 100_000_000;

let stores: Stores;
let client: Client;
let catalog: Catalog;
let views: Awaited<ReturnType<typeof readSnapshot>>["views"];

beforeAll(async () => {
  stores = await startStores();
  const admin = new Client({ connectionString: await stores.createDatabase("other") });
  await admin.connect();
  // Not bytewise, so that patterns need operators of their own.
  await admin.query(
    "CREATE DATABASE things TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en' ENCODING 'UTF8'",
  );
  client = new Client({ ...connectionOf(admin), database: "things" });
  await admin.end();
  await client.connect();
  await client.query(SCHEMA);
  await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  const query = async (sql: string, values: readonly unknown[] = []): Promise<readonly Row[]> =>
    (await client.query<Row>(sql, [...values])).rows;
  const snapshot = await readSnapshot(query, { redact: "nothing", now: () => 0 });
  await client.query("ROLLBACK");
  await client.query("SET enable_seqscan = off");
  await client.query("SET max_parallel_workers_per_gather = 0");
  ({ views } = snapshot);
  const read = catalogOf(snapshot);
  // As if they were large: BRIN is for tables that take long to build here.
  catalog = {
    ...read,
    tables: read.tables.map((table) => ({ ...table, bytes: table.bytes + BIG_BYTES })),
  };
}, 60_000);

afterAll(async () => {
  await client.end();
  await stores.stop();
});

function connectionOf({ host, port, user }: Client) {
  return { host, port, ...(user === undefined ? {} : { user }) };
}

/** The plan of a statement when an index exists that is then forgotten. */
async function planWith(createIndex: string, sql: string): Promise<string> {
  await client.query("BEGIN");
  try {
    await client.query(createIndex);
    const { rows } = await client.query<{ "QUERY PLAN": string }>(`EXPLAIN (COSTS OFF) ${sql}`);
    return rows.map((row) => row["QUERY PLAN"]).join("\n");
  } finally {
    await client.query("ROLLBACK");
  }
}

/** By statement: the index that its plan has to read. */
const cases: readonly (readonly [sql: string, index: string])[] = [
  [
    "SELECT * FROM things WHERE kind = 'kind 3' ORDER BY made_at DESC LIMIT 5",
    "things (kind, made_at)",
  ],
  [
    "SELECT * FROM things WHERE kind = 'kind 3' ORDER BY made_at, amount DESC NULLS LAST LIMIT 5",
    "things (kind, made_at, amount DESC NULLS LAST)",
  ],
  ["SELECT * FROM things ORDER BY parcel DESC NULLS LAST LIMIT 5", "things (parcel NULLS FIRST)"],
  ["SELECT amount FROM things WHERE size = 7", "things (size) INCLUDE (amount)"],
  [
    "SELECT * FROM things WHERE status = 'pending' AND kind = 'kind 0'",
    "things (kind) WHERE status = 'pending'",
  ],
  ["SELECT * FROM things WHERE status = 'pending'", "things (status) WHERE status = 'pending'"],
  [
    "SELECT * FROM things WHERE status <> 'done' ORDER BY made_at LIMIT 3",
    "things (made_at) WHERE status <> 'done'",
  ],
  [
    "SELECT * FROM things WHERE status IN ('pending', 'paid') AND size > 3 ORDER BY size",
    "things (size) WHERE status IN ('pending', 'paid')",
  ],
  ["SELECT * FROM things WHERE NOT done AND kind = 'kind 0'", "things (kind) WHERE NOT (done)"],
  [
    "SELECT * FROM things WHERE done IS FALSE AND kind = 'kind 0'",
    "things (kind) WHERE done IS FALSE",
  ],
  [
    "SELECT * FROM things WHERE removed_at IS NOT NULL AND size = 20",
    "things (size) WHERE removed_at IS NOT NULL",
  ],
  ["SELECT * FROM things WHERE parcel = 90", "things (parcel) WHERE parcel IS NOT NULL"],
  [
    "SELECT * FROM parts p JOIN things t ON t.parcel = p.weight WHERE p.place = 1",
    "things (parcel) WHERE parcel IS NOT NULL",
  ],
  ["SELECT * FROM things WHERE lower(label) = 'x'", "things ((lower(label)))"],
  [
    "SELECT * FROM things WHERE upper(label::text) = 'x' AND kind = 'kind 1'",
    "things ((upper(label)), kind)",
  ],
  ["SELECT * FROM things WHERE body ->> 'plan' = 'p1'", "things ((body ->> 'plan'))"],
  [
    "SELECT * FROM things WHERE (body ->> 'age')::int BETWEEN 3 AND 4",
    "things ((CAST(body ->> 'age' AS int)))",
  ],
  [
    "SELECT * FROM things WHERE date_trunc('month', seen_at) = '2026-02-01'",
    "things ((date_trunc('month', seen_at)))",
  ],
  [
    "SELECT * FROM things WHERE (made_at AT TIME ZONE 'UTC')::date = '2026-02-01'",
    "things (((made_at AT TIME ZONE 'UTC')::date))",
  ],
  [
    "SELECT * FROM things WHERE extract(year FROM born) = 2003",
    "things ((EXTRACT(YEAR FROM born)))",
  ],
  ["SELECT * FROM things WHERE coalesce(parcel, 0) = 90", "things ((COALESCE(parcel, 0)))"],
  ["SELECT * FROM things WHERE amount * size > 400000", "things ((amount * size))"],
  ["SELECT * FROM things WHERE label || kind = 'x'", "things ((label || kind))"],
  [
    'SELECT * FROM things WHERE lower("order") = \'x\' AND "Mixed Case" = 3',
    'things ("Mixed Case", (lower(order)))',
  ],
  ["SELECT * FROM things ORDER BY lower(label), id LIMIT 3", "things ((lower(label)), id)"],
  ["SELECT lower(label), count(*) FROM things GROUP BY 1 ORDER BY 1", "things ((lower(label)))"],
  ["SELECT * FROM things WHERE label LIKE 'Label 0%'", "things (label text_pattern_ops)"],
  ["SELECT * FROM things WHERE letters LIKE '0a%'", "things (letters bpchar_pattern_ops)"],
  ["SELECT * FROM things WHERE ref = 'ref 12'", "things (ref)"],
  ["SELECT * FROM things WHERE kind ~ '^kind 1'", "things (kind text_pattern_ops)"],
  ["SELECT * FROM things WHERE plain LIKE 'ab%'", "things (plain)"],
  [
    "SELECT * FROM things WHERE lower(label) LIKE 'label 0%'",
    "things ((lower(label)) text_pattern_ops)",
  ],
  ["SELECT * FROM things WHERE label LIKE 'Label 0'", "things (label)"],
  ["SELECT * FROM things WHERE label LIKE '%0a1b%'", "things USING gin (label gin_trgm_ops)"],
  ["SELECT * FROM things WHERE label ILIKE '%0a1b%'", "things USING gin (label gin_trgm_ops)"],
  [
    "SELECT * FROM things WHERE lower(label) ~ '0a1b'",
    "things USING gin ((lower(label)) gin_trgm_ops)",
  ],
  [
    "SELECT * FROM things WHERE kind = 'kind 1' AND label LIKE '%0a1b%'",
    "things USING gin (kind, label gin_trgm_ops)",
  ],
  [`SELECT * FROM things WHERE body @> '{"plan": "p1"}'`, "things USING gin (body jsonb_path_ops)"],
  [
    "SELECT * FROM things WHERE body @? '$.roles[*] ? (@ == \"r1\")'",
    "things USING gin (body jsonb_path_ops)",
  ],
  ["SELECT * FROM things WHERE body ? 'plan'", "things USING gin (body)"],
  ["SELECT * FROM things WHERE body -> 'roles' ? 'r7'", "things USING gin ((body -> 'roles'))"],
  ["SELECT * FROM things WHERE tags @> ARRAY['t7']", "things USING gin (tags)"],
  ["SELECT * FROM things WHERE ARRAY[7, 8] && numbers", "things USING gin (numbers)"],
  [
    "SELECT * FROM things WHERE words @@ to_tsquery('english', 'word7')",
    "things USING gin (words)",
  ],
  [
    "SELECT * FROM things WHERE to_tsvector('english', label) @@ plainto_tsquery('english', 'x')",
    "things USING gin ((to_tsvector('english', label)))",
  ],
  [
    "SELECT * FROM things WHERE busy && tstzrange('2026-02-01', '2026-02-02')",
    "things USING gist (busy)",
  ],
  [
    "SELECT * FROM things WHERE busy @> timestamptz '2026-02-01' AND size = 3",
    "things USING gist (size, busy)",
  ],
  ["SELECT * FROM things WHERE place <@ box '((1,1),(2,2))'", "things USING gist (place)"],
  ["SELECT * FROM things ORDER BY place <-> point '(3,3)' LIMIT 2", "things USING gist (place)"],
  ["SELECT * FROM things WHERE net >>= inet '10.0.7.1'", "things USING gist (net inet_ops)"],
  [
    "SELECT * FROM things WHERE made_at BETWEEN '2026-02-01' AND '2026-02-03'",
    "things USING brin (made_at)",
  ],
  ["SELECT * FROM things WHERE digest = 'x'", "things USING hash (digest)"],
  ["SELECT * FROM things WHERE mood = 'sad' AND born > '2003-01-01'", "things (mood, born)"],
  ["SELECT * FROM things WHERE owner = '00000000-0000-0000-0000-000000000000'", "things (owner)"],
  ["SELECT kind, max(amount) FROM things GROUP BY kind", "things (kind) INCLUDE (amount)"],
  ["SELECT DISTINCT kind FROM things", "things (kind)"],
  ["SELECT max(made_at) FROM things WHERE kind = 'kind 3'", "things (kind, made_at)"],
  [
    "SELECT t.id FROM things t CROSS JOIN LATERAL (SELECT * FROM log l WHERE l.thing_id = t.id ORDER BY l.at DESC LIMIT 1) x",
    "log (thing_id, at)",
  ],
  ["SELECT * FROM log WHERE thing_id = 4", "log (thing_id)"],
  [
    "SELECT *, row_number() OVER (PARTITION BY kind ORDER BY made_at DESC) FROM things",
    "things (kind, made_at DESC)",
  ],
  ["SELECT * FROM busy_things WHERE name = 'label 3'", "things ((lower(label)))"],
  ["SELECT * FROM busy_things WHERE kind = 'kind 3'", "things (kind) WHERE NOT (done)"],
  [
    "SELECT p.* FROM parts p LEFT JOIN things t ON t.size = p.weight AND t.status = 'pending' WHERE p.thing_id = 7",
    "things (size) WHERE status = 'pending'",
  ],
  ["UPDATE things SET amount = 1 WHERE size = 3 AND kind = 'kind 3'", "things (size, kind)"],
  ["DELETE FROM parts USING things t WHERE t.id = thing_id AND t.size = 5", "things (size, id)"],
];

describe("a plan of the statement reads the idea", () => {
  test.each(cases)("%s", async (sql, expected) => {
    const { ideas, indexes, rejected, notes } = await suggest([sql], catalog, views);
    expect(indexes, [...rejected, ...notes].join("\n")).toContain(expected);
    const idea = ideas[indexes.indexOf(expected)];
    const plan = idea && (await planWith(createIndexSql(idea.index, "plain"), sql));
    expect(plan).toContain(nameIn(idea?.index.table, idea?.index.name));
  });

  test("indexes of both sides of an OR, joined bit by bit", async () => {
    const sql = "SELECT * FROM things WHERE status = 'pending' OR size = 3";
    const { ideas, indexes } = await suggest([sql], catalog, views);
    const wanted = ["things (status) WHERE status = 'pending'", "things (size)"];
    const both = wanted.flatMap((each) => ideas[indexes.indexOf(each)] ?? []);
    expect(both).toHaveLength(2);
    const plan = await planWith(
      both.map(({ index }) => createIndexSql(index, "plain")).join("; "),
      sql,
    );
    for (const { index } of both) expect(plan).toContain(index.name);
  });
});

test("every idea of every statement is accepted, and no two have one name", async () => {
  const { ideas } = await suggest(
    cases.map(([sql]) => sql),
    catalog,
    views,
  );
  expect(ideas.length).toBeGreaterThan(cases.length);
  expect(new Set(ideas.map(({ index }) => index.name)).size).toBe(ideas.length);
  const refused: string[] = [];
  await client.query("BEGIN");
  for (const { index } of ideas) {
    await client.query("SAVEPOINT idea");
    await client.query(createIndexSql(index, "plain")).catch((error: unknown) => {
      refused.push(`${describeIndex(index)}: ${String(error)}`);
    });
    await client.query("ROLLBACK TO idea");
  }
  await client.query("ROLLBACK");
  expect(refused).toEqual([]);
}, 60_000);

test("what exists is not proposed again, however PostgreSQL writes it", async () => {
  const chosen = cases.filter(([, index]) =>
    /lower\(label\)\)\)$|^things \(kind\) WHERE|->> 'plan'/.test(index),
  );
  for (const [sql, expected] of chosen) {
    const { ideas, indexes } = await suggest([sql], catalog, views);
    const idea = ideas[indexes.indexOf(expected)];
    await client.query("BEGIN");
    if (idea) await client.query(createIndexSql(idea.index, "plain"));
    const snapshot = await readSnapshot(
      async (text, values = []) => (await client.query<Row>(text, [...values])).rows,
      {
        redact: "nothing",
        now: () => 0,
      },
    );
    await client.query("ROLLBACK");
    const again = await suggest([sql], catalogOf(snapshot), views);
    expect(again.indexes).not.toContain(expected);
    expect(again.rejected.join("\n")).toContain(`existing index ${idea?.index.name ?? "?"}`);
  }
  expect(chosen.length).toBeGreaterThan(4);
});

/** An index of a partitioned table has its parts under names of PostgreSQL's own. */
function nameIn(table: string | undefined, name: string | undefined): string {
  return table === "log" ? "log_1_" : (name ?? "no idea");
}
