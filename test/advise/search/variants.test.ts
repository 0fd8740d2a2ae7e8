import { describe, expect, test } from "vitest";
import {
  describeIndex,
  indexName,
  type IndexDefinition,
} from "../../../src/core/index-definition.ts";
import type { ColumnInfo, IndexInfo, TableInfo } from "../../../src/advise/indexes/catalog.ts";
import { newUse, type TableUse } from "../../../src/advise/indexes/scope.ts";
import { poolOf } from "../../../src/advise/indexes/search/pool.ts";
import { neighbourhoodOf } from "../../../src/advise/indexes/search/variants.ts";

const LIMITS = { widthMax: 3, rowsLeast: 0 };

describe("the statements that an index could matter to", () => {
  const looked = useOf({ equal: ["a"], read: ["a", "b"] });
  const sorted = useOf({ order: ["b"], read: ["b", "c"] });
  const { statementsOf } = neighbourhoodOf(
    [
      { id: "looked", uses: [looked] },
      { id: "sorted", uses: [sorted] },
    ],
    LIMITS,
    [],
  );

  test("look up, compare or sort by its first key", () => {
    expect(statementsOf(index("a", "b"))).toEqual(["looked"]);
    expect(statementsOf(index("b", "c"))).toEqual(["sorted"]);
    expect(statementsOf(index("d", "a"))).toEqual([]);
  });

  test("or read nothing that it does not hold", () => {
    expect(statementsOf({ ...index("c", "a"), include: ["b"] })).toEqual(["looked", "sorted"]);
  });

  test("or ask for the rows that it is limited to", () => {
    const use = useOf({ equal: [], read: ["a", "b", "c"] });
    use.filters.push({ kind: "constant", sql: "b = 3", columns: ["b"], share: 0.1 });
    const limited = neighbourhoodOf([{ id: "limited", uses: [use] }], LIMITS, []);
    expect(limited.statementsOf({ ...index("d"), where: "b = 3" })).toEqual(["limited"]);
    expect(limited.statementsOf({ ...index("d"), where: "c = 3" })).toEqual([]);
  });

  test("may be looking for any key of other methods, and for none of other tables", () => {
    expect(statementsOf({ ...index("d", "a"), method: "gin" })).toEqual(["looked"]);
    expect(statementsOf({ ...index("a"), table: "other" })).toEqual([]);
  });

  test("see the arms of an OR each for itself", () => {
    const use = useOf({ equal: [], read: ["a", "d"] });
    use.filters.push({ kind: "alternative", use: useOf({ equal: ["d"], read: ["a", "d"] }) });
    const either = neighbourhoodOf([{ id: "either", uses: [use] }], LIMITS, []);
    expect(either.statementsOf(index("d"))).toEqual(["either"]);
  });
});

describe("one step away", () => {
  const use = useOf({ equal: ["a", "b"], order: ["c"], read: ["a", "b", "c", "d"] });
  use.filters.push({ kind: "constant", sql: "b = 3", columns: ["b"], share: 0.1 });
  const { variants, merge } = neighbourhoodOf([{ id: "Q", uses: [use] }], LIMITS, []);
  const from = (start: IndexDefinition) => variants(start).map(describeIndex);

  test("are a key more or less, keys swapped, columns carried along, a predicate", () => {
    expect(new Set(from(index("a", "b")))).toEqual(
      new Set([
        "t (b)",
        "t (a)",
        "t (b, a)",
        "t (a, b, c)",
        "t (a, b) INCLUDE (c, d)",
        "t (a, b) WHERE b = 3",
      ]),
    );
  });

  test("are the whole table, and nothing carried along", () => {
    const start = { ...index("a"), include: ["b", "c", "d"], where: "b = 3" };
    expect(from(start)).toContain("t (a) INCLUDE (b, c, d)");
    expect(from(start)).toContain("t (a) WHERE b = 3");
  });

  test("are never wider than allowed, never itself, and never twice", () => {
    const seen = from(index("a", "b", "c"));
    expect(seen.every((each) => !each.includes("a, b, c, d"))).toBe(true);
    expect(seen).not.toContain("t (a, b, c)");
    expect(new Set(seen).size).toBe(seen.length);
  });

  test("have names of their own", () => {
    for (const variant of variants(index("a", "b"))) expect(variant.name).toBe(indexName(variant));
  });

  test("two of one table are one in both orders of their keys", () => {
    expect(merge(index("a"), index("c", "b")).map(describeIndex)).toEqual([
      "t (a, c, b)",
      "t (c, b, a)",
    ]);
    expect(merge(index("a"), { ...index("b"), table: "other" })).toEqual([]);
    expect(merge(index("a"), { ...index("b"), where: "b = 3" })).toEqual([]);
  });
});

describe("existing indexes", () => {
  const key: IndexInfo = existing("t_pkey", ["a", "b"]);
  const use = useOf({ equal: ["a"], order: ["b"], read: ["a", "b", "c"] }, [key]);
  const statements = [{ id: "Q", uses: [use] }];

  test("are not proposed again", () => {
    const { variants } = neighbourhoodOf(statements, LIMITS, []);
    const seen = variants(index("b", "a")).map(describeIndex);
    expect(seen).not.toContain("t (a, b)");
    expect(seen).toContain("t (a)");
  });

  test("give ideas for narrower ones, which are no longer rejected", () => {
    const { name: _, ...narrower } = index("a");
    const rejected = [
      { index: narrower, reason: "the existing index t_pkey begins with these keys" },
      { index: { ...narrower, columns: [{ name: "z" }] }, reason: "another" },
    ];
    const pool = poolOf({ ideas: [], rejected }, statements, LIMITS, []);
    expect(pool.ideas.map((idea) => [describeIndex(idea.index), idea.statements])).toEqual([
      ["t (a)", ["Q"]],
    ]);
    expect(pool.rejected.map(({ reason }) => reason)).toEqual(["another"]);
  });
});

function index(...names: readonly string[]): IndexDefinition {
  const body = { schema: "public", table: "t", columns: names.map((name) => ({ name })) };
  return { ...body, name: indexName(body) };
}

interface UseParts {
  readonly equal?: readonly string[];
  readonly order?: readonly string[];
  readonly read: readonly string[];
}

function useOf(parts: UseParts, indexes: readonly IndexInfo[] = []): TableUse {
  const use = newUse({ ...TABLE, indexes });
  for (const name of parts.equal ?? []) use.equal.add(name);
  for (const name of parts.read) use.read.add(name);
  if (parts.order) use.orders.push(parts.order.map((name) => ({ name, descending: false })));
  return use;
}

const COLUMNS = ["a", "b", "c", "d", "unread"].map((name): ColumnInfo => ({
  name,
  type: "integer",
  notNull: true,
  distinct: 100,
  widthBytes: 4,
  nullFraction: 0,
  correlation: 0,
  common: [],
  histogram: [],
  ordered: true,
  bytewise: false,
}));

const TABLE: TableInfo = {
  schema: "public",
  name: "t",
  kind: "table",
  rows: 1000,
  bytes: 8192,
  visible: true,
  columns: COLUMNS,
  indexes: [],
  foreignKeys: [],
  partOf: undefined,
  activity: undefined,
  statisticsOn: [],
};

function existing(name: string, keys: readonly string[]): IndexInfo {
  return {
    name,
    keys: keys.map((key) => ({
      name: key,
      expression: undefined,
      descending: false,
      nullsFirst: false,
      defaultOperators: true,
      operators: undefined,
    })),
    included: [],
    method: "btree",
    unique: true,
    constraint: true,
    valid: true,
    where: undefined,
    inherited: false,
    scans: 0,
    bytes: 8192,
    rows: 1000,
    definition: "",
  };
}
