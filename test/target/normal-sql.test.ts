import { expect, test } from "vitest";
import { normalSql } from "../../src/target/normal-sql.ts";

test.each([
  ["white space", "SELECT  a,\n\t b FROM t\n", "SELECT a, b FROM t"],
  ["comments", "SELECT a /* trace 7f */ FROM t -- here\n WHERE b", "SELECT a FROM t WHERE b"],
  ["a comment at the end", "SELECT a FROM t /*traceparent='00-1'*/", "SELECT a FROM t"],
  ["strings and names stay", `SELECT '  --x', "a  b" FROM t`, `SELECT '  --x', "a  b" FROM t`],
  ["quotes in strings", "SELECT 'it''s  /* so */'  ,  b", "SELECT 'it''s  /* so */' , b"],
  ["dollar quotes stay", "DO $x$ a  --b\n $x$  ;", "DO $x$ a  --b\n $x$ ;"],
  ["parameters are none", "SELECT $1  , $2", "SELECT $1 , $2"],
  ["PostgreSQL's mark stays", "a IN ($1 /*, ... */)  /* x */", "a IN ($1 /*, ... */)"],
])("%s", (_, text, normal) => {
  expect(normalSql(text)).toBe(normal);
});
