/** Parsing texts of pg_stat_statements, and telling their own literals from bound values. */
import type { Node } from "libpg-query";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { boundLiterals, parseStatement } from "../../src/advise/indexes/parse.ts";

async function parsed(sql: string): Promise<Node> {
  const found = await parseStatement(sql);
  if (found.kind === "failed") throw new Error(found.because);
  return found.statement;
}

test.each([
  ["two statements", "SELECT 1; SELECT 2", /not one statement/],
  ["a cut text", "SELECT * FROM t WHERE", /PostgreSQL's parser: syntax error/],
  ["nothing", "", /cannot be empty/],
])("%s is not parsed, and it says why", async (_, sql, because) => {
  const found = await parseStatement(sql);
  expect(found.kind === "failed" && found.because).toMatch(because);
});

describe("literals", () => {
  test.each<[what: string, observed: string | undefined, bound: string[]]>([
    ["of the statement itself", "SELECT 1 FROM t WHERE a = 'x' AND b = 2", []],
    ["where the observed one has parameters", "SELECT 1 FROM t WHERE a = 'x' AND b = $1", ["2"]],
    ["of a statement of another shape", "SELECT 1 FROM t WHERE b = $1", ["x", "2"]],
    ["of a statement that was not observed", undefined, ["1", "x", "2"]],
  ])("%s", async (_, observed, expected) => {
    const sql = "SELECT 1 FROM t WHERE a = 'x' AND b = 2";
    const planned = await parsed(sql);
    const found = boundLiterals(
      observed === undefined ? undefined : await parsed(observed),
      planned,
    );
    const places: number[] = [];
    JSON.stringify(planned, (key, value: unknown) => {
      const literal = z.object({ location: z.number() }).safeParse(value);
      const isBound = typeof value === "object" && value !== null && found.has(value);
      if (key === "A_Const" && isBound && literal.success) places.push(literal.data.location);
      return value;
    });
    expect(places.map((place) => /\w/.exec(sql.slice(place))?.[0])).toEqual(expected);
  });
});
