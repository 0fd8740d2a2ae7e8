import * as fc from "../../properties.ts";
import { fingerprintSync, loadModule, parseSync } from "libpg-query";
import { beforeAll, describe, expect, test } from "vitest";
import { splitScript } from "../../../src/advise/indexes/workload/script.ts";
import {
  bareStatement,
  fillParameters,
  literalOf,
  parametersOf,
  readPlaceholders,
} from "../../../src/advise/indexes/workload/text.ts";

beforeAll(() => loadModule());

const texts = (script: string): string[] => splitScript(script).statements.map(({ text }) => text);

describe("a script is split where PostgreSQL ends its statements", () => {
  test.each<[name: string, script: string, expected: string[]]>([
    ["semicolons in strings", "SELECT 'a;b'; SELECT 2", ["SELECT 'a;b'", "SELECT 2"]],
    ["doubled quotes", "SELECT 'it''s;'; SELECT 2", ["SELECT 'it''s;'", "SELECT 2"]],
    ["escapes", String.raw`SELECT E'\';'; SELECT 2`, [String.raw`SELECT E'\';'`, "SELECT 2"]],
    [
      "backslashes that are none",
      String.raw`SELECT '\'; SELECT 2`,
      [String.raw`SELECT '\'`, "SELECT 2"],
    ],
    ["names", `SELECT 1 AS "a;""b"; SELECT 2`, [`SELECT 1 AS "a;""b"`, "SELECT 2"]],
    ["dollar quotes", "DO $x$ ; $$ ; $x$; SELECT 2", ["DO $x$ ; $$ ; $x$", "SELECT 2"]],
    [
      "nested comments",
      "SELECT /* ; /* ; */ ; */ 1; SELECT 2",
      ["SELECT /* ; /* ; */ ; */ 1", "SELECT 2"],
    ],
    ["empty statements", ";;SELECT 1;;", ["SELECT 1"]],
    ["psql's commands", "\\set x it's\nSELECT 1;\n\\echo 'a\nSELECT 2", ["SELECT 1", "SELECT 2"]],
    [
      "what psql sends with a command",
      "SELECT 1 \\gset x_\nSELECT 2 \\g",
      ["SELECT 1", "SELECT 2"],
    ],
    ["\\;", "SELECT 1 \\; SELECT 2;", ["SELECT 1", "SELECT 2"]],
    [
      "COPY data",
      "COPY t FROM stdin;\n1\tit's; $$\n\\.\nSELECT 2;",
      ["COPY t FROM stdin", "SELECT 2"],
    ],
    [
      "bodies",
      "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; SELECT 3",
      [
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
        "SELECT 3",
      ],
    ],
    ["a transaction", "BEGIN; SELECT 1; END; SELECT 2", ["BEGIN", "SELECT 1", "END", "SELECT 2"]],
    [
      "what is never closed",
      "SELECT 1; SELECT 'abc ; SELECT 2",
      ["SELECT 1", "SELECT 'abc ; SELECT 2"],
    ],
  ])("%s", (_, script, expected) => {
    expect(texts(script)).toEqual(expected);
  });

  test("comments belong to the statement that follows, not to the one before on their line", () => {
    const { statements } = splitScript("-- Q1\nSELECT 1; -- about it\n/* Q2 */ SELECT 2;");
    expect(statements.map(({ comments }) => comments)).toEqual([["Q1"], ["Q2"]]);
  });

  test("commands are reported", () => {
    expect(splitScript("\\timing on\nSELECT 1;").commands).toEqual(["\\timing on"]);
  });
});

const PIECES = [
  "SELECT * FROM a WHERE x = 5 AND y = 'it''s; $1'",
  'SELECT $$;$$, "q;" FROM a -- c;\n WHERE x > $1',
  "INSERT INTO a (x) VALUES ($1), ($2) ON CONFLICT DO NOTHING",
  "UPDATE a SET y = E'\\';', x = $1 WHERE z = $2 /* ; */",
  "WITH q AS (SELECT b.x FROM b LIMIT $1) SELECT * FROM q WHERE x BETWEEN $2 AND $3",
  "SELECT j ->> 'k', j ? 'k', t::text FROM a WHERE j @> $1::jsonb AND n = ANY($2)",
] as const;

const value = fc.option(
  fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.integer().map(String),
    fc.constantFrom("it's", "a\\b", "$1", "'", "\\", "/*", "--", "{1,2}", ""),
  ),
);

describe("rewriting never changes what a statement means", () => {
  test("split and joined again", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 6 }),
        fc.constantFrom(";", ";\n", " ; -- c\n", ";\n\n/* c; */\n"),
        (pieces, between) => {
          const found = texts(pieces.join(between));
          expect(found.map((sql) => fingerprintSync(sql))).toEqual(
            pieces.map((sql) => fingerprintSync(sql)),
          );
        },
      ),
    );
  });

  test("comments taken out", () => {
    for (const piece of PIECES) {
      expect(fingerprintSync(bareStatement(`/* a */ ${piece} -- b\n;`))).toBe(
        fingerprintSync(piece),
      );
      expect(bareStatement(piece)).not.toMatch(/-- c|\/\* ; \*\//);
    }
  });

  test("values filled in, whatever they are", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...PIECES),
        fc.array(value, { minLength: 3, maxLength: 3 }),
        (piece, values) => {
          const clean = values.map((each) => each?.replaceAll("\0", "") ?? null);
          const filled = fillParameters(piece, (number) => literalOf(clean[number - 1] ?? null));
          expect(parametersOf(filled)).toEqual([]);
          expect(fingerprintSync(filled)).toBe(fingerprintSync(piece));
        },
      ),
    );
  });

  test("a literal is the value", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const clean = text.replaceAll("\0", "");
        const parsed = JSON.stringify(parseSync(`SELECT ${literalOf(clean)}`));
        expect(parsed).toContain(JSON.stringify({ sval: { sval: clean } }).slice(1, -1));
      }),
    );
  });
});

describe("placeholders of drivers", () => {
  test.each([
    ["SELECT * FROM a WHERE x = ? AND y > ?", "SELECT * FROM a WHERE x = $1 AND y > $2"],
    [
      "SELECT * FROM a WHERE x = :id AND y = :'id' AND z = :b",
      "SELECT * FROM a WHERE x = $1 AND y = $1 AND z = $2",
    ],
    ["SELECT * FROM a WHERE x=%s AND y = %(foo)s", "SELECT * FROM a WHERE x=$1 AND y = $2"],
    [
      "SELECT x::int FROM a WHERE y = ':no' AND z = ?",
      "SELECT x::int FROM a WHERE y = ':no' AND z = $1",
    ],
  ])("%s", (sql, expected) => {
    expect(readPlaceholders(sql)).toBe(expected);
  });

  test("none where there are none", () => {
    expect(readPlaceholders("SELECT x::int, a[1] FROM a")).toBeUndefined();
  });
});
