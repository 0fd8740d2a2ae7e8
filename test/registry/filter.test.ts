import { describe, expect, test } from "vitest";
import { RegistryError } from "../../src/registry/errors.ts";
import { binder, compileSearch } from "../../src/registry/filter/compile.ts";
import type { SearchTarget } from "../../src/registry/filter/compile.ts";
import { parseFilter, parseOrderBy } from "../../src/registry/filter/parse.ts";

const target: SearchTarget = {
  attributes: {
    name: { column: "m.name", type: "text" },
    size: { column: "m.size", type: "number", nullable: true },
  },
  related: {
    tag: { table: "tags", join: "x.id = m.id" },
    metric: { table: "points", join: "x.id = m.id" },
  },
  defaultOrder: ["m.name"],
};

function compile(filter: string, order: string[] = []) {
  const values: unknown[] = [];
  const parts = compileSearch(target, parseFilter(filter), parseOrderBy(order), binder(values));
  return { ...parts, values };
}

describe("what filters say", () => {
  test.each([
    ["", []],
    ["   ", []],
    ["name = 'a'", [["attribute", "name", "=", "a"]]],
    ['name="a"', [["attribute", "name", "=", "a"]]],
    ["name = 'it''s'", [["attribute", "name", "=", "it's"]]],
    ["attributes.status = 'FINISHED'", [["attribute", "status", "=", "FINISHED"]]],
    ["attr.`start_time` > 5", [["attribute", "start_time", ">", 5]]],
    [
      "metrics.acc > 0.9 and params.lr = '0.01'",
      [
        ["metric", "acc", ">", 0.9],
        ["param", "lr", "=", "0.01"],
      ],
    ],
    ["metric.loss <= -1.5e-3", [["metric", "loss", "<=", -0.0015]]],
    ["tags.`mlflow.user` ILIKE 'a%'", [["tag", "mlflow.user", "ILIKE", "a%"]]],
    ["tags.mlflow.user LIKE 'a%'", [["tag", "mlflow.user", "LIKE", "a%"]]],
    ["tag.\"two words\" != 'b'", [["tag", "two words", "!=", "b"]]],
    ["metrics.f1.0 < 1", [["metric", "f1.0", "<", 1]]],
    [
      "tags.x IS NULL AND tags.y is not null",
      [
        ["tag", "x", "IS NULL"],
        ["tag", "y", "IS NOT NULL"],
      ],
    ],
    ["run_id IN ('a', 'b')", [["attribute", "run_id", "IN", "a", "b"]]],
    ["run_id not in ('a')", [["attribute", "run_id", "NOT IN", "a"]]],
    [
      "name <> 'and' AND name = 'or'",
      [
        ["attribute", "name", "!=", "and"],
        ["attribute", "name", "=", "or"],
      ],
    ],
  ])("%s", (filter, expected) => {
    expect(
      parseFilter(filter).map(({ entity, key, operator, values }) => [
        entity,
        key,
        operator,
        ...values,
      ]),
    ).toEqual(expected);
  });
});

describe("what filters may not say", () => {
  test.each([
    ["name", "a comparison operator"],
    ["name =", "a value"],
    ["= 'a'", "a column name"],
    ["name = a", "a number or a string"],
    ["name = `a`", "a number or a string"],
    ["name = 'a' OR name = 'b'", "AND was expected"],
    ["name = 'a' name = 'b'", "AND was expected"],
    ["name = 'a' AND", "a column name"],
    ["name == 'a'", "a number or a string"],
    ["name = 'a", "cannot read"],
    ["name = 'a'; DROP TABLE runs", "cannot read"],
    ["name = 'a' -- x", "cannot read"],
    ["(name = 'a')", "a column name"],
    ["bogus.x = 'a'", "one of attributes, tags, params, metrics"],
    ["tags. = 'a'", "a key after the dot"],
    ["tags.'x' = 'a'", "a key after the dot"],
    ["run_id IN 'a'", "a list in parentheses"],
    ["run_id IN ()", "a number or a string"],
    ["run_id IN ('a'", "a comma or a closing parenthesis"],
    ["tags.x IS 'a'", "NULL or NOT NULL"],
    ["x".repeat(10_001), "at most 10000"],
    [Array(102).fill("name = 'a'").join(" AND "), "more than 100 comparisons"],
  ])("%.60s", (filter, reason) => {
    expect(() => parseFilter(filter)).toThrow(reason);
    expect(() => parseFilter(filter)).toThrow(RegistryError);
  });

  test.each([
    ["unknown = 'a'", "Invalid attribute key"],
    ["constructor = 'a'", "Invalid attribute key"],
    ["name > 'a'", "Invalid comparator >"],
    ["size LIKE 'a'", "Invalid comparator LIKE"],
    ["size = 'many'", "must be a number"],
    ["size = ''", "must be a number"],
    ["name = 5", "must be a string in quotes"],
    ["params.x = 'a'", "params cannot be searched here"],
    ["metrics.x IS NULL", "Invalid comparator IS NULL"],
    ["tags.x IN ('a')", "Invalid comparator IN"],
    ["metrics.x > 'high'", "must be a number"],
  ])("%s", (filter, reason) => {
    expect(() => compile(filter)).toThrow(reason);
  });

  test.each([
    "name SIDEWAYS",
    "name ASC DESC",
    "",
    "nothing",
    "params.x DESC",
    "name; DROP TABLE runs",
  ])("order_by %s", (order) => {
    expect(() => compile("", [order])).toThrow(RegistryError);
  });
});

describe("SQL", () => {
  test.each(["x'; DROP TABLE runs; --", "$1", "\\'; SELECT 1", "') OR ('1'='1"])(
    "holds nothing of the client's: %s",
    (evil) => {
      const quoted = evil.replaceAll("'", "''");
      const { where, joins, orderBy, values } = compile(
        `name = '${quoted}' AND tags.\`${evil}\` LIKE '${quoted}'`,
        [`tags.\`${evil}\` DESC`],
      );
      expect(where).toEqual([
        "m.name = $1::text",
        "EXISTS (SELECT 1 FROM tags x WHERE x.id = m.id AND x.key = $2 AND x.value LIKE $3::text)",
      ]);
      expect(joins).toEqual(["LEFT JOIN tags order_0 ON order_0.id = m.id AND order_0.key = $4"]);
      expect(orderBy).toBe("order_0.value DESC NULLS LAST, m.name");
      expect(values).toEqual([evil, evil, evil.replaceAll("\\", "\\\\"), evil]);
    },
  );

  test("asks for a missing tag and a number that is one", () => {
    expect(compile("tags.x IS NULL AND metrics.y >= 2 AND size IN (1, 2)").where).toEqual([
      "NOT EXISTS (SELECT 1 FROM tags x WHERE x.id = m.id AND x.key = $1)",
      "EXISTS (SELECT 1 FROM points x WHERE x.id = m.id AND x.key = $2 AND x.value >= $3::float8 AND NOT x.is_nan)",
      "m.size = ANY($4::bigint[])",
    ]);
  });

  test("keeps orders an index can give, where nothing is null", () => {
    expect(compile("", ["name DESC", "size DESC"]).orderBy).toBe(
      "m.name DESC, m.size DESC NULLS LAST, m.name",
    );
  });
});
