/** Files of snapshots: what is refused and how that is said, and the format that came before. */
import { describe, expect, test } from "vitest";
import { parseSnapshot } from "../../../src/advise/indexes/snapshot/parse.ts";
import { redactSnapshot } from "../../../src/advise/indexes/snapshot/redact.ts";
import { oldSnapshot } from "./old-format.ts";

const parse = (value: unknown) => parseSnapshot(JSON.stringify(value), "db.json");

async function problem(text: string): Promise<unknown> {
  return parseSnapshot(text, "db.json").catch((error: unknown) => error);
}

describe("a file that is no snapshot", () => {
  test.each([
    ["empty", "", /^db\.json is not JSON: it is empty$/],
    ["cut off", '{"format": "perfopt-snapshot/1", "tab', /^db\.json is not JSON: /],
    ["another JSON", "[1, 2]", /^db\.json is JSON, but no snapshot/],
    ["another object", '{"version": 3}', /^db\.json is JSON, but no snapshot/],
    ["a later format", '{"format": "perfopt-snapshot/2"}', /of the format "perfopt-snapshot\/2"/],
    ["incomplete", '{"format": "perfopt-snapshot/1"}', /^db\.json is no whole snapshot: takenAt: /],
  ])("%s is refused with what is wrong, where, and what to do", async (_, text, message) => {
    expect(await problem(text)).toMatchObject({
      code: "bad-input",
      message: expect.stringMatching(message),
      hint: expect.stringContaining("perfopt snapshot > db.json"),
    });
  });

  test("a wrong value is named by its place", async () => {
    const snapshot = await parse(oldSnapshot);
    const [table, ...tables] = snapshot.tables;
    const broken = { ...snapshot, tables: [{ ...table, kind: "heap" }, ...tables] };
    expect(await problem(JSON.stringify(broken))).toMatchObject({
      message: expect.stringMatching(/^db\.json is no whole snapshot: tables\.0\.kind: /),
    });
  });

  test("a definition that PostgreSQL's grammar does not read is shown", async () => {
    const broken = { ...oldSnapshot, indexes: [{ def: "CREATE INDEX ON" }] };
    expect(await problem(JSON.stringify(broken))).toMatchObject({
      message: expect.stringMatching(/no whole snapshot: syntax error/),
    });
  });
});

test("a snapshot that was taken before sequences were read is read as it is", async () => {
  const before = await parse(oldSnapshot);
  expect(before).not.toHaveProperty("sequences");
  expect(await parse(before)).toEqual(before);
  const sequences = [{ schema: "public", name: "tickets" }];
  const [index, ...indexes] = before.indexes;
  const after = { ...before, sequences, indexes: [{ ...index, referenced: true }, ...indexes] };
  expect(await parse(after)).toEqual(after);
});

describe("the format before perfopt's own", () => {
  test("has the same facts under other names", async () => {
    const snapshot = await parse(oldSnapshot);
    expect(snapshot).toMatchObject({
      format: "perfopt-snapshot/1",
      serverVersion: 150_018,
      locale: { encoding: "UTF8", collate: "C.UTF-8", provider: "libc" },
      settings: [{ name: "random_page_cost", value: "4", unit: null }],
      activity: undefined,
    });
    expect(snapshot.tables.map(({ name, kind, parents }) => ({ name, kind, parents }))).toEqual([
      { name: "Parents", kind: "partitioned", parents: [] },
      { name: "child", kind: "table", parents: ['"public"."Parents"'] },
    ]);
    expect(snapshot.tables[0]?.columns.map(({ type, ordered }) => [type, ordered])).toEqual([
      ["integer", false],
      ["character varying(20)", true],
      ["jsonb", true],
      ["public.mood", true],
      ["public.geometry", false],
    ]);
    expect(snapshot.relations).toContainEqual(
      expect.objectContaining({ name: "child", kind: "table", method: null, blocks: 12 }),
    );
    expect(snapshot.columns[0]).toMatchObject({
      table: "child",
      column: "name",
      mostCommonValues: '{"a, b",c}',
      histogram: null,
      rangeEmptyShare: null,
    });
    expect(snapshot.extendedStatistics).toEqual([
      {
        schema: "public",
        name: "both",
        table: '"public"."child"',
        definition: "CREATE STATISTICS public.both ON name, feeling FROM public.child",
        columns: ["name", "feeling"],
        expressions: false,
        data: [{ inherited: false, distinct: "a4bf", dependencies: null, mostCommon: "c251" }],
      },
    ]);
  });

  test("its indexes are read from definitions, and from the constraints that make them", async () => {
    const { indexes, constraints } = await parse(oldSnapshot);
    expect(indexes).toMatchObject([
      {
        name: "child_pkey",
        table: "child",
        constraint: true,
        unique: true,
        keys: [{ column: "name", type: "character varying(20)", operators: null }],
        included: ["feeling"],
      },
      {
        name: "by expression",
        constraint: false,
        unique: false,
        method: "btree",
        keys: [
          { column: null, attribute: "lower", descending: true, nullsFirst: false },
          { column: "name", operators: "varchar_pattern_ops", nullsFirst: false },
        ],
      },
    ]);
    expect(indexes[1]?.keys[0]?.expression).toMatch(/^lower\(/);
    expect(indexes[1]?.where).toMatch(/^feeling = .*'happy'/);
    expect(constraints.map(({ kind }) => kind)).toEqual(["primary key", "foreign key"]);
    expect(constraints[1]).toMatchObject({
      table: '"public"."child"',
      foreignKey: { columns: ["name"], referencedTable: "Parents", onDelete: "set null" },
    });
  });

  test("is redacted like the own one, with what it does not say taken for text", async () => {
    const redacted = redactSnapshot(await parse(oldSnapshot), "text");
    expect(JSON.stringify(redacted.columns)).not.toContain("a, b");
    expect(redacted.extendedStatistics[0]?.data[0]).toMatchObject({
      distinct: "a4bf",
      mostCommon: null,
    });
    const feeling = redacted.columns.find(({ column }) => column === "feeling");
    expect(feeling?.mostCommonValues).toBe("{happy}");
  });
});
