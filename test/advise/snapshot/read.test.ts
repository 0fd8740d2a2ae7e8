/** What is read from a real database, by whom, and what is said about what is not. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseSnapshot } from "../../../src/advise/indexes/snapshot/parse.ts";
import { redactSnapshot } from "../../../src/advise/indexes/snapshot/redact.ts";
import type { Snapshot } from "../../../src/advise/indexes/snapshot/snapshot.ts";
import { secrets } from "./shop.ts";
import { openShop, type Shop } from "./source.ts";

let shop: Shop;
let whole: Snapshot;
beforeAll(async () => {
  shop = await openShop();
  whole = await shop.take();
}, 60_000);
afterAll(() => shop.stop());

const named = <T extends { readonly name: string }>(items: readonly T[], name: string): T => {
  const found = items.find((each) => each.name === name);
  if (!found) throw new Error(`no ${name}`);
  return found;
};

const statisticsOf = (snapshot: Snapshot, table: string, column: string) =>
  snapshot.columns.find((each) => each.table === table && each.column === column);

describe("a snapshot", () => {
  test("has the server, the locale, the search path and settings of a fresh session", () => {
    expect(whole).toMatchObject({
      format: "perfopt-snapshot/1",
      takenAt: "2030-01-01T00:00:00.000Z",
      database: "shop",
      redacted: "nothing",
      locale: { encoding: "UTF8", collate: "C.UTF-8", ctype: "C.UTF-8", provider: "libc" },
      searchPath: ["Sales data", "public"],
      schemas: ["Sales data"],
    });
    expect(Math.floor(whole.serverVersion / 10_000)).toBe(18);
    // Reading switches it off for itself.
    expect(named(whole.settings, "jit").value).toBe("on");
    expect(named(whole.settings, "random_page_cost").value).toBe("2.5");
    expect(named(whole.settings, "work_mem")).toMatchObject({ value: "4096", unit: "kB" });
    expect(named(whole.settings, "enable_hashjoin").value).toBe("on");
  });

  test("keeps the numbers of columns, dropped ones included, and what tables are made of", () => {
    const { columns, options } = named(whole.tables, "customers");
    expect(options).toEqual(["fillfactor=90"]);
    expect(columns.map(({ number }) => number)).toEqual(columns.map((_, place) => place + 1));
    expect(columns.filter(({ dropped }) => dropped).map(({ number }) => number)).toEqual([1, 6]);
    expect(named(columns, "mail")).toMatchObject({ type: "public.email", notNull: true });
    expect(named(columns, "note").collation).toBe('"pg_catalog"."C"');
    expect(named(columns, "twice")).toMatchObject({ generated: "stored", expression: "(id * 2)" });
    expect(whole.types).toEqual([
      { kind: "enum", name: "public.mood", labels: ["sad", "it's ok", "happy"] },
      { kind: "domain", name: "public.email", base: "character varying(80)" },
      {
        kind: "composite",
        name: "public.address",
        fields: [
          { name: "street", type: "text" },
          { name: "number", type: "integer" },
        ],
      },
    ]);
    expect(whole.functions.map((each) => /FUNCTION (\S+)\(/.exec(each)?.[1])).toEqual([
      "public.half",
    ]);
    expect(named(whole.views, "happy").definition).toContain("FROM public.customers");
    expect(named(whole.tables, "totals").kind).toBe("materialized view");
    expect(named(whole.tables, "visits").rowSecurity).toBe(true);
  });

  test("has partitions after what they are attached to, and the indexes that come with that marked", () => {
    const order = whole.tables.map(({ name }) => name);
    const parent = '"Sales data"."Order ""lines"""';
    expect(order.indexOf('Order "lines"')).toBeLessThan(order.indexOf("lines_old"));
    expect(order.indexOf("lines_old")).toBeLessThan(order.indexOf("lines_old_north"));
    expect(named(whole.tables, "lines_old")).toMatchObject({
      kind: "partitioned",
      partitionKey: "LIST (region)",
      partitionBound: "FOR VALUES FROM (MINVALUE) TO ('2026-01-01 00:00:00+00')",
      parents: [parent],
    });
    expect(named(whole.indexes, "lines_new_customer_idx")).toMatchObject({
      inherited: true,
      parent: '"Sales data"."By customer"',
      constraint: false,
    });
    expect(named(whole.indexes, "By customer")).toMatchObject({ inherited: false, parent: null });
    expect(whole.constraints.map(({ name, kind }) => `${kind} ${name}`)).toEqual([
      "primary key customers_pkey",
      'primary key Order "lines"_pkey',
      "check cheap",
      "foreign key buyer",
    ]);
    expect(named(whole.constraints, "buyer").foreignKey).toEqual({
      columns: ["customer"],
      referencedSchema: "public",
      referencedTable: "customers",
      referencedColumns: ["id"],
      onDelete: "cascade",
    });
  });

  test("says what indexes are, so that nobody has to read their definitions", () => {
    expect(named(whole.indexes, "customers_mail_lower")).toMatchObject({
      method: "btree",
      unique: false,
      keys: [
        {
          column: null,
          expression: "lower((mail)::text)",
          attribute: "lower",
          type: "text",
          operators: "text_pattern_ops",
        },
      ],
    });
    expect(named(whole.indexes, "customers_score")).toMatchObject({
      keys: [
        { column: "score", descending: true, nullsFirst: true, operators: null },
        { column: "born", descending: false, nullsFirst: false },
      ],
      included: ["feeling"],
      where: "(active AND (score > (10)::numeric))",
    });
  });

  test("says which indexes replication and foreign keys need, and of the others nothing", () => {
    const having = (what: "replicaIdentity" | "referenced") =>
      whole.indexes.filter((each) => each[what]).map(({ name }) => name);
    expect(having("replicaIdentity")).toEqual(["lines_new_pkey"]);
    expect(having("referenced")).toEqual(["customers_pkey"]);
    const others = whole.indexes.filter(({ name }) => !/^(lines_new|customers)_pkey$/.test(name));
    for (const each of others) {
      expect(each).not.toHaveProperty("replicaIdentity");
      expect(each).not.toHaveProperty("referenced");
    }
  });

  test("has the names of sequences, but for temporary ones", () => {
    expect(whole.sequences).toEqual([
      { schema: "public", name: "tickets" },
      { schema: "Sales data", name: 'Order "numbers"' },
    ]);
  });

  test("has statistics of columns, expressions, ranges, elements and of columns together", () => {
    expect(statisticsOf(whole, "customers_mail_lower", "lower")?.distinct).toBe(50);
    expect(statisticsOf(whole, "customers", "span")?.rangeBoundsHistogram).toContain("[1,11)");
    expect(statisticsOf(whole, "customers", "tags")?.mostCommonElements).toContain("common");
    expect(statisticsOf(whole, "customers", "feeling")).toMatchObject({
      mostCommonValues: "{sad,happy}",
      mostCommonShares: "{0.5,0.5}",
    });
    expect(
      whole.columns.filter(({ table, inherited }) => table === 'Order "lines"' && inherited).length,
    ).toBe(5);
    const both = named(whole.extendedStatistics, "customers_both");
    expect(both.columns).toEqual(["feeling", "active"]);
    expect(both.data).toHaveLength(1);
    expect(both.data[0]?.distinct).toMatch(/^[0-9a-f]{20,}$/);
    expect(both.data[0]?.mostCommon).toMatch(/^[0-9a-f]{20,}$/);
    const customers = named(whole.relations, "customers");
    expect(customers).toMatchObject({ kind: "table", rows: 1000 });
    expect(customers.blocks).toBeGreaterThan(20);
    expect(named(whole.relations, "customers_tags")).toMatchObject({
      kind: "index",
      method: "gin",
    });
    const visits = whole.activity?.tables.find(({ name }) => name === "visits");
    expect(visits).toMatchObject({ inserts: 500, updates: 10 });
    expect(Date.parse(visits?.analyzedAt ?? "")).not.toBeNaN();
  });

  test("reads no table", async () => {
    const session = await shop.connect();
    const before = await session.query(
      "SELECT sum(seq_scan + coalesce(idx_scan, 0)) AS scans FROM pg_stat_user_tables",
    );
    await shop.take();
    const after = await session.query(
      "SELECT sum(seq_scan + coalesce(idx_scan, 0)) AS scans FROM pg_stat_user_tables",
    );
    await session.close();
    expect(after).toEqual(before);
  });

  test("is the same after it was written and read again", async () => {
    expect(await parseSnapshot(JSON.stringify(whole), "db.json")).toEqual(whole);
  });

  test("goes without a table that somebody has locked, and says so", async () => {
    const other = await shop.connect();
    await other.script("BEGIN; LOCK TABLE public.customers IN ACCESS EXCLUSIVE MODE");
    const partial = await shop.take();
    const through = await shop.take("reader");
    await other.close();
    for (const each of [partial, through]) {
      expect(each.tables.map(({ name }) => name)).not.toContain("customers");
      expect(each.tables).toHaveLength(whole.tables.length - 1);
      expect(each.indexes.some(({ table }) => table === "customers")).toBe(false);
      expect(each.columns.some(({ table }) => table.startsWith("customers"))).toBe(false);
      expect(each.constraints.map(({ name }) => name)).toEqual(['Order "lines"_pkey', "cheap"]);
      expect(each.caveats.join()).toMatch(/lock on them: public\.customers;/);
    }
  });
});

describe("a role", () => {
  test("without any right on tables takes the whole snapshot through the DBA's function", async () => {
    const seen = await shop.take("reader");
    expect({ ...seen, caveats: [], searchPath: [] }).toEqual({
      ...whole,
      caveats: [],
      searchPath: [],
    });
    expect(seen.caveats.join()).not.toMatch(/may not read/);
  });

  test("with pg_read_all_data needs no function", async () => {
    const seen = await shop.take("analyst");
    expect(seen.columns).toEqual(whole.columns);
    expect(seen.extendedStatistics).toEqual(whole.extendedStatistics);
  });

  test("without rights gets the schema, and hears what it lacks", async () => {
    const seen = await shop.take("blind");
    expect(seen.tables).toEqual(whole.tables);
    expect(seen.relations).toEqual(whole.relations);
    expect(seen.columns).toEqual([]);
    expect(seen.extendedStatistics.map(({ data }) => data)).toEqual([[], []]);
    const caveats = seen.caveats.join("\n");
    expect(caveats).toMatch(/no column statistics .* role blind may not read: public\.customers/);
    expect(caveats).toMatch(/extended statistics are not readable/);
    expect(caveats).toContain("perfopt snapshot --print-function");
  });

  test("with rights on some tables sees those, and hears that row level security hides one", async () => {
    const seen = await shop.take("allowed");
    expect(statisticsOf(seen, "customers", "score")).toEqual(
      statisticsOf(whole, "customers", "score"),
    );
    expect(seen.columns.some(({ table }) => table === "visits")).toBe(false);
    expect(seen.caveats.join()).toMatch(/row level security hides .*: public\.visits;/);
    // Whose plans may be others.
    expect(seen.caveats.join()).toMatch(/settings of their own.*: blind \(random_page_cost\)/);
  });

  test("is not made to run a function that runs with its own rights, or is out of date", async () => {
    const source =
      "CREATE OR REPLACE FUNCTION perfopt.perfopt_snapshot() RETURNS json LANGUAGE sql";
    const [made] = await shop.connection.query(
      "SELECT pg_get_functiondef('perfopt.perfopt_snapshot'::regproc) AS definition",
    );
    try {
      await shop.connection.script(`${source} SECURITY INVOKER AS 'SELECT to_json(1 / 0)'`);
      expect((await shop.take("reader")).caveats.join()).not.toMatch(/division|failed/);
      await shop.connection.script(
        `${source} SECURITY DEFINER AS $$ SELECT '{"format": "old"}'::json $$`,
      );
      const old = await shop.take("reader");
      expect(old.tables).toEqual(whole.tables);
      expect(old.caveats.join()).toMatch(/perfopt_snapshot" failed .*another version of perfopt/);
    } finally {
      await shop.connection.script(String(made?.["definition"]));
    }
  });

  test("hears what a function of an earlier perfopt leaves out, and gets the rest", async () => {
    const [made] = await shop.connection.query(
      "SELECT pg_get_functiondef('perfopt.perfopt_snapshot'::regproc) AS definition",
    );
    const definition = String(made?.["definition"]);
    const earlier = [`'sequences'`, `"replicaIdentity"`, "referenced\n"].reduce(
      (sql, name) => sql.replace(name, (found) => found.replace(/[a-z]+/i, "unheard")),
      definition,
    );
    try {
      await shop.connection.script(earlier);
      const { sequences, indexes, caveats } = await shop.take("reader");
      expect(sequences).toBeUndefined();
      const unsaid = { replicaIdentity: undefined, referenced: undefined };
      expect(indexes).toEqual(whole.indexes.map((each) => ({ ...each, ...unsaid })));
      expect(caveats.join()).toMatch(/earlier perfopt .* sequences .*--print-function/);
    } finally {
      await shop.connection.script(definition);
    }
    expect((await shop.take("reader")).caveats.join()).not.toContain("earlier perfopt");
  });

  test("cannot make the function read something else than the catalogs", async () => {
    const session = await shop.connect();
    await session.script(`BEGIN; SET LOCAL ROLE reader; CREATE TEMP TABLE pg_extension AS SELECT 'mine' AS extname;
      CREATE TEMP VIEW pg_constraint AS SELECT 1 / 0 AS oid`);
    const [row] = await session.query("SELECT perfopt.perfopt_snapshot()::text AS parts");
    await session.close();
    const found: { readonly constraints: readonly unknown[] } = JSON.parse(String(row?.["parts"]));
    expect(found.constraints).toHaveLength(whole.constraints.length);
  });

  test("cannot change anything by the function, nor call it without being granted that", async () => {
    const session = await shop.connect();
    await session.script("SET ROLE blind");
    await expect(session.query("SELECT perfopt.perfopt_snapshot()")).rejects.toThrow(
      /permission denied for schema perfopt/,
    );
    await session.script("RESET ROLE; GRANT USAGE ON SCHEMA perfopt TO blind; SET ROLE blind");
    await expect(session.query("SELECT perfopt.perfopt_snapshot()")).rejects.toThrow(
      /permission denied for function/,
    );
    await session.script("RESET ROLE; REVOKE USAGE ON SCHEMA perfopt FROM blind");
    await session.close();
  });
});

describe("redaction", () => {
  test("of text leaves no text value, and keeps numbers, times and what the schema says anyway", async () => {
    const redacted = await shop.take(undefined, "text");
    const json = JSON.stringify(redacted);
    for (const secret of secrets) {
      expect(JSON.stringify(whole)).toContain(secret);
      expect(json).not.toContain(secret);
      expect(json).not.toContain(Buffer.from(secret).toString("hex"));
    }
    expect(json).not.toContain("10.0.0.2");
    expect(statisticsOf(redacted, "customers", "mail")).toMatchObject({
      distinct: 50,
      mostCommonValues: null,
      mostCommonShares: null,
    });
    for (const column of ["score", "born", "feeling", "active", "id", "span"]) {
      expect(statisticsOf(redacted, "customers", column)).toEqual(
        statisticsOf(whole, "customers", column),
      );
    }
    expect(named(redacted.extendedStatistics, "customers_both")).toEqual(
      named(whole.extendedStatistics, "customers_both"),
    );
    expect(named(redacted.extendedStatistics, "customers_text").data[0]?.mostCommon).toBeNull();
    expect(redacted.caveats.join()).toMatch(/were taken out of the statistics/);
  });

  test("of all values leaves those of booleans and enums alone", async () => {
    const redacted = redactSnapshot(whole, "all values");
    expect(redacted.redacted).toBe("all values");
    const left = redacted.columns.filter(
      (each) =>
        each.mostCommonValues ??
        each.histogram ??
        each.mostCommonElements ??
        each.rangeBoundsHistogram,
    );
    expect(left.map(({ column }) => column).toSorted()).toEqual(["active", "feeling"]);
    expect(redactSnapshot(redacted, "text")).toEqual(redacted);
    expect(await parseSnapshot(JSON.stringify(redacted), "db.json")).toEqual(redacted);
  });
});
