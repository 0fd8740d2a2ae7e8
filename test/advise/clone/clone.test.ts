import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { indexName, type IndexDefinition } from "../../../src/core/index-definition.ts";
import { btreePages } from "../../../src/advise/indexes/clone/pages.ts";
import { openClone, type Clone } from "../../../src/advise/indexes/clone/open.ts";
import type { Snapshot } from "../../../src/advise/indexes/snapshot/snapshot.ts";
import type { Plan } from "../../../src/advise/indexes/what-if.ts";
import { SHOP } from "./shop.ts";
import { outline, realPlan, startSource, type TestSource } from "./source.ts";

let source: TestSource;
let snapshot: Snapshot;
let clone: Clone;

beforeAll(async () => {
  source = await startSource(SHOP);
  snapshot = await source.snapshot();
  clone = await openClone(source.server, snapshot);
}, 120_000);

afterAll(async () => {
  await clone?.close();
  await source?.stop();
});

function on(
  table: string,
  columns: IndexDefinition["columns"],
  parts: Pick<IndexDefinition, "method" | "include" | "where"> = {},
): IndexDefinition {
  const definition = { schema: "shop", table, columns, ...parts };
  return { ...definition, name: indexName(definition) };
}

async function planned(
  sql: string,
  names: readonly string[] = [],
  without: readonly string[] = [],
) {
  const explained = await clone.plan(
    { id: "q", sql, valuesFrom: "statement" },
    { with: names, without },
  );
  if (explained.kind === "failed") throw new Error(explained.because);
  return explained.plan;
}

const pages = (bytes: number) => bytes / 8_192;

async function added(index: IndexDefinition) {
  const result = await clone.add(index);
  if (result.kind === "refused") throw new Error(result.because);
  return result;
}

describe("a clone without new indexes", () => {
  it("has everything that the source has", () => {
    expect(clone.caveats).toEqual([]);
    expect(clone.modelled("shop", "purchase")).toBe(true);
    expect(clone.modelled("shop", "nothing")).toBe(false);
  });

  it.each([
    "SELECT * FROM shop.purchase WHERE customer = 17",
    "SELECT * FROM shop.purchase WHERE status = 'open' AND note = 'note 8'",
    "SELECT * FROM shop.purchase WHERE at > '2024-02-01' ORDER BY paid LIMIT 3",
    "SELECT * FROM shop.purchase WHERE tags @> ARRAY['t3']",
    "SELECT * FROM shop.customer WHERE mood = 'happy' AND name_length > 9",
    "SELECT count(*) FROM shop.open_purchase JOIN shop.customer c ON c.id = customer WHERE c.name LIKE 'customer 1%'",
    "SELECT * FROM shop.event WHERE at BETWEEN '2024-12-01' AND '2025-02-01' AND kind = 'kind 5'",
    "SELECT * FROM shop.event WHERE id = 5",
    "UPDATE shop.purchase SET note = 'x' WHERE id BETWEEN 3000 AND 3100",
    "DELETE FROM shop.customer WHERE id = 5",
    "SELECT nextval('shop.ticket')",
    `INSERT INTO shop.customer (id, name) SELECT nextval('shop."Ticket ""number"""'), note FROM shop.purchase WHERE id = 9`,
    "SELECT number FROM shop.numbered WHERE name LIKE 'customer 1%'",
    "SELECT last_value FROM shop.ticket",
  ])("plans %s as the source does, at the same cost", async (sql) => {
    const { root } = await planned(sql);
    expect(root).toEqual(await source.explain(sql));
  });

  it("knows how large existing indexes are", async () => {
    const [row] = await source.query(
      "SELECT pg_relation_size('shop.purchase_pkey')::int8 AS bytes",
    );
    expect(clone.existing.get("shop.purchase_pkey")).toEqual({
      bytes: Number(row?.["bytes"]),
      height: 1,
    });
  });

  it("estimates the rows of a condition", async () => {
    expect(await clone.rowsOf("shop", "purchase")).toBe(60_000);
    const open = await clone.rowsOf("shop", "purchase", "status = 'open'");
    expect(open).toBeGreaterThan(900);
    expect(open).toBeLessThan(1_500);
  });
});

const cases: readonly (readonly [IndexDefinition, string])[] = [
  [on("purchase", [{ name: "customer" }]), "SELECT * FROM shop.purchase WHERE customer = 17"],
  [on("purchase", [{ name: "note" }]), "SELECT * FROM shop.purchase WHERE note = 'note 9'"],
  [
    on("purchase", [{ name: "status" }, { name: "at", descending: true }]),
    "SELECT * FROM shop.purchase WHERE status = 'done' ORDER BY at DESC LIMIT 5",
  ],
  [
    on("purchase", [{ name: "at" }], { include: ["paid"] }),
    "SELECT at, paid FROM shop.purchase WHERE at < '2024-01-02'",
  ],
  [
    on("purchase", [{ name: "customer" }], { where: "status = 'open'" }),
    "SELECT * FROM shop.purchase WHERE status = 'open' AND customer < 100",
  ],
  [
    on("purchase", [{ name: "paid" }], { where: "note IS NULL" }),
    "SELECT paid FROM shop.purchase WHERE note IS NULL ORDER BY paid LIMIT 9",
  ],
  [
    on("purchase", [{ expression: "upper(note)" }]),
    "SELECT * FROM shop.purchase WHERE upper(note) = 'NOTE 9'",
  ],
  [
    on("purchase", [{ expression: "document ->> 'kind'" }]),
    "SELECT * FROM shop.purchase WHERE document ->> 'kind' = 'k3'",
  ],
  [
    on("purchase", [{ name: "note", operators: "text_pattern_ops" }]),
    "SELECT * FROM shop.purchase WHERE note LIKE 'note 29%'",
  ],
  [
    on("purchase", [{ name: "at" }], { method: "brin" }),
    "SELECT count(*) FROM shop.purchase WHERE at < '2024-01-05'",
  ],
  [
    on("purchase", [{ name: "customer" }], { method: "hash" }),
    "SELECT * FROM shop.purchase WHERE customer = 3",
  ],
  [
    on("purchase", [{ name: "tags" }], { method: "gin" }),
    "SELECT * FROM shop.purchase WHERE tags @> ARRAY['t3', 'u1']",
  ],
  [
    on("customer", [{ name: "mood" }, { name: "name_length" }]),
    "SELECT id FROM shop.customer WHERE mood = 'sad' AND name_length = 10",
  ],
  [on("event", [{ name: "kind" }]), "SELECT * FROM shop.event WHERE kind = 'kind 7'"],
];

describe("a hypothetical index", () => {
  it.each(cases.map(([index, sql]) => [index.name, index, sql] as const))(
    "%s is planned like a real one, and about as large",
    async (_, index, sql) => {
      const found = await added(index);
      const plan = await planned(sql, [index.name]);
      const truth = await realPlan(source, index, sql);
      expect(plan.indexes).toEqual([index.name]);
      expect(outline(plan.root)).toEqual(outline(truth.root));
      expect(plan.cost / truth.root["Total Cost"]).toBeGreaterThan(0.97);
      expect(plan.cost / truth.root["Total Cost"]).toBeLessThan(1.03);
      const slack = index.method === "gin" ? 0.25 : 0.08;
      expect(Math.abs(pages(found.bytes) - pages(truth.bytes))).toBeLessThanOrEqual(
        2 + pages(truth.bytes) * slack,
      );
      // Without being named in a set it is not there.
      expect((await planned(sql)).indexes).not.toContain(index.name);
    },
  );

  it("costs nothing the second time, and another one of the same name is refused", async () => {
    const index = on("purchase", [{ name: "doubled" }]);
    const first = await added(index);
    const { hypotheticals } = clone.counts;
    expect(await added(index)).toEqual(first);
    expect(clone.counts.hypotheticals).toBe(hypotheticals);
    expect(await clone.add({ ...index, columns: [{ name: "paid" }] })).toMatchObject({
      kind: "refused",
      because: expect.stringContaining("another index is called"),
    });
  });

  it("is forgotten, and can come again", async () => {
    const index = on("purchase", [{ name: "doubled" }, { name: "at" }]);
    const sql = "SELECT * FROM shop.purchase WHERE doubled = 20 ORDER BY at";
    await added(index);
    const { cost } = await planned(sql, [index.name]);
    await clone.remove(index.name);
    const gone = await clone.plan(
      { id: "q", sql, valuesFrom: "statement" },
      { with: [index.name] },
    );
    expect(gone).toMatchObject({ kind: "failed" });
    await added(index);
    expect((await planned(sql, [index.name])).cost).toBe(cost);
  });

  it("is refused with PostgreSQL's reason", async () => {
    expect(await clone.add(on("purchase", [{ name: "missing" }]))).toEqual({
      kind: "refused",
      because: expect.stringContaining('column "missing" does not exist'),
    });
    expect(await clone.add(on("nothing", [{ name: "id" }]))).toMatchObject({ kind: "refused" });
    expect(await clone.add(on("purchase", [{ name: "note" }], { method: "gin" }))).toMatchObject({
      kind: "refused",
      because: expect.stringContaining("operator class"),
    });
    // What failed leaves nothing behind.
    expect((await planned("SELECT 1")).indexes).toEqual([]);
  });
});

describe("an existing index", () => {
  it("is hidden from a set that leaves it out, and is back in the next", async () => {
    const sql = "SELECT * FROM shop.purchase WHERE id = 5";
    expect((await planned(sql)).indexes).toEqual(["purchase_pkey"]);
    expect((await planned(sql, [], ["shop.purchase_pkey"])).indexes).toEqual([]);
    expect((await planned(sql)).indexes).toEqual(["purchase_pkey"]);
  });

  it("of a partitioned table is hidden with its parts", async () => {
    const sql = "SELECT * FROM shop.event WHERE id = 5";
    expect((await planned(sql)).indexes.toSorted()).toEqual(["event_2024_pkey", "event_2025_pkey"]);
    expect((await planned(sql, [], ["shop.event_pkey"])).indexes).toEqual([]);
  });

  it("that is not there cannot be hidden", async () => {
    const failed = clone.plan(
      { id: "q", sql: "SELECT 1", valuesFrom: "statement" },
      { with: [], without: ["shop.nothing"] },
    );
    expect(await failed).toMatchObject({ because: expect.stringContaining("shop.nothing") });
  });
});

function ask(sql: string) {
  return clone.plan({ id: "q", sql, valuesFrom: "generic" }, { with: [] });
}

describe("statements", () => {
  it("with parameters get the generic plan", async () => {
    const sql = "SELECT * FROM shop.purchase WHERE customer = $1 AND status = $2";
    const explained = await ask(sql);
    const [row] = await source.query(`EXPLAIN (FORMAT JSON, GENERIC_PLAN) ${sql}`);
    const [root] = JSON.parse(String(row?.["QUERY PLAN"]));
    expect(explained).toMatchObject({ kind: "plan", plan: { root: root.Plan } });
  });

  it("that do anything else are refused before the server sees them", async () => {
    const before = clone.counts.explains;
    for (const sql of ["COMMIT", "EXPLAIN ANALYZE SELECT 1", "SELECT 1; VACUUM shop.purchase"]) {
      expect(await ask(sql)).toMatchObject({ kind: "failed" });
    }
    expect(clone.counts.explains).toBe(before);
  });

  it("that PostgreSQL refuses say why, and spoil nothing", async () => {
    expect(await ask("SELECT nothing FROM shop.purchase")).toEqual({
      kind: "failed",
      because: expect.stringContaining('column "nothing" does not exist'),
    });
    expect(await ask("SELECT 1 -- a comment at the end")).toMatchObject({ kind: "plan" });
  });
});

describe("pages", () => {
  it("of a tree of any height are walked by PostgreSQL from the root to its empty ends", async () => {
    const connection = await source.server.connect("perfopt_clone_1");
    try {
      await connection.script(
        "CREATE EXTENSION pageinspect; SET enable_seqscan = off; SET enable_bitmapscan = off",
      );
      for (const height of [0, 1, 4]) {
        const name = `probe_${height}`;
        await connection.script(
          `CREATE TABLE ${name} (id bigint); CREATE INDEX ${name}_id ON ${name} (id)`,
        );
        const [file] = await connection.query(`SELECT pg_relation_filepath('${name}_id') AS path`);
        const path = String(file?.["path"]);
        await source.server.files.write(path, 0, btreePages(height));
        await source.server.files.setBlocks(path, 500);
        expect(await connection.query(`SELECT id FROM ${name} WHERE id > 5`)).toEqual([]);
        expect(await connection.query(`SELECT max(id) AS id FROM ${name}`)).toEqual([{ id: null }]);
        const [meta] = await connection.query(
          `SELECT root::int, level::int, version FROM bt_metap('${name}_id')`,
        );
        expect(meta).toEqual({ root: 1 + height, level: height, version: 4 });
      }
    } finally {
      await connection.close();
    }
  });

  it("of GIN and BRIN tell the planner their counts", async () => {
    const gin = on("purchase", [{ name: "tags" }, { name: "document" }], { method: "gin" });
    const brin = on("purchase", [{ name: "id" }], { method: "brin" });
    for (const index of [gin, brin]) await added(index);
    const connection = await source.server.connect("perfopt_clone_1");
    try {
      const read = async (method: string, columns: string) => {
        const [index] = await connection.query(
          `SELECT '"' || relname || '"' AS name FROM pg_class WHERE relname LIKE 'perfopt what-if%' AND relkind = 'i'
             AND relam = (SELECT oid FROM pg_am WHERE amname = '${method}') ORDER BY oid DESC LIMIT 1`,
        );
        const [page] = await connection.query(
          `SELECT ${columns} FROM ${method}_metapage_info(get_raw_page('shop.${String(index?.["name"])}', 0))`,
        );
        return page;
      };
      expect(
        await read("gin", "n_pending_pages::int AS pending, version, n_entries > 10 AS filled"),
      ).toEqual({
        pending: 0,
        version: 2,
        filled: true,
      });
      expect(
        await read("brin", "magic, version, pagesperrange, lastrevmappage::int AS last"),
      ).toEqual({
        magic: "0xA8109CFA",
        version: 1,
        pagesperrange: 128,
        last: 1,
      });
    } finally {
      await connection.close();
    }
  });
});

describe("several connections", () => {
  it("answer different sets at once, and agree with one", async () => {
    const many = await openClone(source.server, snapshot, { name: "many", connections: 3 });
    try {
      const indexes = cases.slice(0, 4).map(([index]) => index);
      await Promise.all(indexes.map((index) => many.add(index)));
      for (const index of indexes) await added(index);
      const questions = Array.from({ length: 24 }, (_, index) => ({
        sql: cases[index % 4]?.[1] ?? "",
        set: indexes.slice(index % 3, 2 + (index % 3)).map(({ name }) => name),
      }));
      const answers = await Promise.all(
        questions.map(({ sql, set }) =>
          many.plan({ id: "q", sql, valuesFrom: "statement" }, { with: set }),
        ),
      );
      for (const [index, { sql, set }] of questions.entries()) {
        const plan: Plan = await planned(sql, set);
        expect(answers[index]).toEqual({ kind: "plan", plan });
      }
    } finally {
      await many.close();
    }
    const [row] = await (
      await source.server.connect("postgres")
    ).query("SELECT count(*)::int AS left FROM pg_database WHERE datname LIKE 'many%'");
    expect(row).toEqual({ left: 0 });
  });
});

describe("what cannot be modelled", () => {
  it("is said with its reason, for the table and for statements about it", async () => {
    const [purchase] = snapshot.tables.filter(({ name }) => name === "purchase");
    if (purchase === undefined) throw new Error("no purchase in the snapshot");
    const [first] = purchase.columns;
    if (first === undefined) throw new Error("no column in purchase");
    const map = {
      ...purchase,
      name: "map",
      columns: [first, { ...first, number: 2, name: "area", type: "shop.geometry" }],
    };
    const odd = await openClone(
      source.server,
      {
        ...snapshot,
        extensions: [{ name: "postgis", version: "3.5", schema: "shop" }],
        tables: [...snapshot.tables, map, { ...purchase, name: "far", kind: "foreign table" }],
      },
      { name: "odd" },
    );
    try {
      expect(odd.caveats).toEqual([
        "extension postgis is not available on this machine",
        "table shop.far is not modelled: it is a foreign table",
        'table shop.map is not modelled: type "shop.geometry" does not exist (missing here: extension postgis)',
      ]);
      expect(odd.modelled("shop", "map")).toBe(false);
      const index = on("map", [{ name: "id" }]);
      expect(await odd.add(index)).toMatchObject({ because: expect.stringContaining("postgis") });
      const sql = "SELECT * FROM shop.map";
      expect(await odd.plan({ id: "q", sql, valuesFrom: "statement" }, { with: [] })).toMatchObject(
        {
          because: expect.stringContaining("postgis"),
        },
      );
    } finally {
      await odd.close();
    }
  });
});
