import { afterAll, describe, expect, test } from "vitest";
import { loadTarget } from "../../src/profiles/target.ts";
import { edit, openFolder, problemsOf } from "./fixture.ts";
import { TARGET } from "./target-fixture.ts";

const folder = openFolder();
afterAll(() => folder.remove());

const problems = (text: string) =>
  problemsOf(folder, () => loadTarget(folder.write("t.yaml", text), { env: {} }));

describe("a mistake is named with its line, its column and what was expected", () => {
  test.each<[what: string, from: string, to: string, message: string]>([
    [
      "a default outside of its bounds",
      "default: 10,",
      "default: 99,",
      "t.yaml:30:77: knobs.pool.default: expected a whole number from 1 to 50, found 99",
    ],
    [
      "a default that is none of the values",
      "default: safe",
      "default: sfe",
      'knobs.mode.default: expected one of fast, safe, found "sfe"',
    ],
    [
      "a default of another type",
      "default: true",
      "default: 1",
      "knobs.warm.default: expected true or false, found 1",
    ],
    [
      "a bound that is no duration",
      "max: 1m",
      "max: 1",
      "knobs.ttl.max: expected a duration such as 250ms, 5s or 2m, found 1",
    ],
    [
      "bounds the wrong way round",
      "min: 1, max: 50",
      "min: 51, max: 50",
      "knobs.pool.max: expected a max of at least the min, found 50",
    ],
    [
      "a bound that is missing",
      "min: 1, ",
      "",
      "knobs.pool: expected min for the type int, found none",
    ],
    [
      "a bound for a type that has none",
      "type: bool,",
      "type: bool, max: 1,",
      "knobs.warm.max: expected no max for the type bool, found 1",
    ],
    [
      "an enum without values",
      "values: [fast, safe], ",
      "",
      "knobs.mode: expected values for the type enum, found none",
    ],
    [
      "a role that asks for another type",
      "role: pool-max, type: int, min: 1, max: 50, default: 10",
      "role: pool-max, type: duration, min: 1s, max: 50s, default: 10s",
      'knobs.pool.type: expected int for the role pool-max, found "duration"',
    ],
    [
      "an unknown role",
      "role: pool-max",
      "role: pool-maximum",
      'knobs.pool.role: expected a known name such as "pool-max", found "pool-maximum"',
    ],
    [
      "a role twice",
      "title: Warm, type: bool, default: true",
      "title: Warm, role: pool-max, type: int, min: 1, max: 2, default: 1",
      'knobs.warm.role: expected a role that no other knob has, found "pool-max", which is pool\'s',
    ],
    [
      "a knob that nothing sets",
      ", env: WARM",
      "",
      "knobs.warm: expected one of env, redis, nodeOption and postgres, found none of them",
    ],
    [
      "a unit that does not fit",
      "unit: s",
      "unit: mb",
      'knobs.ttl.unit: expected one of ms, s for the type duration, found "mb"',
    ],
    [
      "an id that is no name",
      "  pool: {",
      "  Pool: {",
      't.yaml:30:3: knobs.Pool: expected a name of lower-case letters, digits and single dashes, found "Pool"',
    ],
    [
      "a placeholder of the environment",
      "${redis.url}",
      "${redis.uri}",
      't.yaml:10:12: service.env.CACHE: expected one of ${port}, ${postgres.url}, ${redis.url}, found ${redis.uri}; did you mean "redis.url"?',
    ],
    [
      "a placeholder of the seed command",
      '"${scale}"',
      '"${size}"',
      "seed.command: expected one of ${scale}, ${seed}, found ${size}",
    ],
    [
      "a scale that is none",
      "quick: small",
      "quick: tiny",
      'seed.quick: expected one of the scales small, big, found "tiny"',
    ],
    [
      "a command for a shell",
      "node --title \"my shop\" 'a b'/main.js",
      "cd app && node main.js",
      't.yaml:5:10: service.start: expected a command without shell syntax such as |, && or > (no shell reads it; put the line into a script), found "cd app && node main.js"',
    ],
    [
      "a command whose quote is open",
      "node --title \"my shop\" 'a b'/main.js",
      "node --title=it's",
      'service.start: expected a command whose quotes are closed, found "node --title=it\'s"',
    ],
    [
      "an empty command",
      "node --title \"my shop\" 'a b'/main.js",
      '""',
      'service.start: expected a command, found ""',
    ],
    [
      "an unknown series",
      "cacheLookups: lookups_total",
      "cacheLookup: lookups_total",
      'found the unknown key "cacheLookup"; did you mean "cacheLookups"?',
    ],
    [
      "both kinds of PostgreSQL",
      "postgres:\n",
      "postgres:\n  url: postgres://db/shop\n",
      "t.yaml:18:3: postgres: expected one of embedded and url, found both",
    ],
    [
      "a parameter that is not declared",
      "${product.id}",
      "${prodct.id}",
      'workloads.browse.requests[1].path: expected a parameter of this workload (product, size, place, amount, fresh), found ${prodct.id}; did you mean "product"?',
    ],
    [
      "a column that a row lacks",
      "${place.city}",
      "${place.town}",
      "requests[1].path: expected one of ${place.city}, ${place.zip}, found ${place.town}",
    ],
    [
      "a row where a value belongs",
      "'${size}'",
      "'${place}'",
      "t.yaml:47:21: workloads.browse.requests[0].query.q: expected one of ${place.city}, ${place.zip}, found ${place}",
    ],
    [
      "a column of a single value",
      '"${amount}"',
      '"${amount.value}"',
      "item.amount: expected ${amount}, which is a single value, found ${amount.value}",
    ],
    [
      "an index outside of a list",
      "name: ${fresh}",
      "name: ${index}",
      'body.name: expected ${index} inside the item of a $repeat only, found "${index}"',
    ],
    [
      "a placeholder that is not closed",
      "name: ${fresh}",
      "name: ${fresh",
      'body.name: expected every ${ to be closed by }, found "${fresh"',
    ],
    [
      "a repeat without an end",
      "$repeat: 3",
      "$repeat: -1",
      "lines.$repeat: expected a whole number from 0 to 10000, found -1",
    ],
    [
      "a repeat of nothing",
      ', item: { no: "${index}", amount: "${amount}" }',
      "",
      "lines: expected item beside $repeat, found none",
    ],
    [
      "a body in a GET request",
      "        path: /products\n",
      "        path: /products\n        body: {}\n",
      "requests[0].body: expected no body in a GET request, found a map",
    ],
    [
      "blanks in a path",
      "path: /products",
      "path: /pro ducts",
      'requests[0].path: expected a path that begins with / and has no spaces (query takes any text), found "/pro ducts"',
    ],
    [
      "a name twice",
      "name: order\n",
      "name: list\n",
      'requests[1].name: expected a name of its own, found "list" again',
    ],
    [
      "two sources",
      "{ values: [s, m, l] }",
      "{ values: [s], unique: x }",
      "parameters.size: expected one of sql, csv, values, int, float, unique, found values and unique",
    ],
    [
      "no source",
      "{ values: [s, m, l] }",
      "{}",
      "parameters.size: expected one of sql, csv, values, int, float, unique, found none",
    ],
    [
      "rows with different columns",
      "{ city: b, zip: 2 }",
      "{ town: b, zip: 2 }",
      "parameters.place.values[1]: expected the columns city, zip as in the first row, found town, zip",
    ],
    [
      "a query that writes",
      "SELECT id, name FROM products;",
      "DELETE FROM products",
      'parameters.product.sql: expected a query that begins with SELECT, WITH, VALUES or TABLE, found "DELETE FROM products"',
    ],
    [
      "a drawing that is none",
      "zipf(1.2)",
      "zipf",
      'parameters.product.draw: expected uniform, or zipf with its exponent such as zipf(1.0), found "zipf"',
    ],
    [
      "ranks of what has none",
      "{ unique: order- }",
      "{ unique: order-, draw: zipf(1) }",
      'parameters.fresh.draw: expected uniform for unique, which has no ranks, found "zipf(1)"',
    ],
    [
      "a range the wrong way round",
      "{ min: 1, max: 9 }",
      "{ min: 10, max: 9 }",
      "parameters.amount.int.max: expected a max of at least the min, found 9",
    ],
    [
      "a name that placeholders use",
      "fresh: {",
      "index: {",
      'parameters.index: expected another name, found "index", which placeholders use already',
    ],
    [
      "a number that JSON lacks",
      "$repeat: 3, item: {",
      "$repeat: 3, item: { x: .inf,",
      "item.x: expected a number that JSON can hold, found .inf",
    ],
    [
      "a placeholder without quotes in braces",
      'amount: "${amount}"',
      "amount: ${amount}",
      "expected valid YAML, found ${...} inside { } or [ ]; put that text in quotes",
    ],
  ])("%s", async (_, from, to, message) => {
    const found = await problems(edit(TARGET, from, to));
    expect(found[0]).toMatch(/^t\.yaml:\d+:\d+: /);
    expect(
      found.some((line) => line.endsWith(message)),
      found.join("\n"),
    ).toBe(true);
  });

  test("an embedded PostgreSQL needs a seed", async () => {
    const without = TARGET.replace(/seed:\n.*?(?=knobs:)/s, "");
    expect(await problems(without)).toEqual([
      "t.yaml:19:5: postgres.embedded: expected seed beside postgres, as an embedded one starts empty, found none",
    ]);
  });

  test("the target may lack Redis, but then nothing may use it", async () => {
    const without = TARGET.replace(/redis:\n {2}local:.*?\n(?=seed:)/s, "");
    expect(await problems(without)).toEqual([
      "t.yaml:10:12: service.env.CACHE: expected one of ${port}, ${postgres.url}, found ${redis.url}",
      't.yaml:29:106: knobs.memory.redis: expected env, as the target has no redis section, found "maxmemory"',
    ]);
  });
});
