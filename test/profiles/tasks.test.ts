/** Tasks of a workload: what is read from a target file, and the mistakes that are named. */
import { afterAll, describe, expect, test } from "vitest";
import { loadTarget } from "../../src/profiles/target.ts";
import { edit, openFolder, problemsOf } from "./fixture.ts";
import { TARGET } from "./target-fixture.ts";

const folder = openFolder();
afterAll(() => folder.remove());

const TASKS = edit(
  TARGET,
  "    requests:\n",
  `    tasks:
      - name: import
        kind: ingest
        method: POST
        path: /bulk
        query: { kind: orders, at: "\${place.city}" }
        lines:
          format: ndjson
          count: 5000
          item: { no: "\${index}", size: "\${size}", of: { product: "\${product.id}" } }
        perWindow: 2
        timeout: 1m
      - name: load
        kind: ingest
        method: PUT
        path: /load
        lines: { format: csv, count: 10, item: { no: "\${index}", name: "a \${size}", paid: true, n: 3 } }
      - { name: sums, kind: query, path: /sums, expect: [200, 206] }
      - { name: batch, kind: ingest, method: POST, path: /batch, body: { $repeat: 9, item: 1 }, records: 9 }
    requests:
`,
);

const load = (text: string) => loadTarget(folder.write("t.yaml", text), { env: {} });
const problems = (text: string) => problemsOf(folder, () => load(text));

test("tasks, in perfopt's own words", async () => {
  const request = { weight: 1, headers: {}, expect: [] };
  const [browse] = (await load(TASKS)).workloads;
  expect(browse?.tasks).toEqual([
    {
      name: "import",
      kind: "ingest",
      request: {
        ...request,
        name: "import",
        method: "POST",
        path: "/bulk?kind=orders&at=${place.city}",
      },
      lines: {
        format: "ndjson",
        count: 5000,
        item: { no: "${index}", size: "${size}", of: { product: "${product.id}" } },
      },
      records: 5000,
      perWindow: 2,
      timeoutMs: 60_000,
    },
    {
      name: "load",
      kind: "ingest",
      request: { ...request, name: "load", method: "PUT", path: "/load" },
      lines: {
        format: "csv",
        count: 10,
        item: { no: "${index}", name: "a ${size}", paid: true, n: 3 },
      },
      records: 10,
      perWindow: 1,
      timeoutMs: 30_000,
    },
    {
      name: "sums",
      kind: "query",
      request: { ...request, name: "sums", method: "GET", path: "/sums", expect: [200, 206] },
      records: 0,
      perWindow: 1,
      timeoutMs: 30_000,
    },
    {
      name: "batch",
      kind: "ingest",
      request: {
        ...request,
        name: "batch",
        method: "POST",
        path: "/batch",
        body: { $repeat: 9, item: 1 },
      },
      records: 9,
      perWindow: 1,
      timeoutMs: 30_000,
    },
  ]);
  expect((await load(TARGET)).workloads[0]).not.toHaveProperty("tasks");
});

describe("a mistake is named with its line, its column and what was expected", () => {
  test.each<[what: string, from: string, to: string, message: string]>([
    [
      "a kind that is none",
      "kind: query",
      "kind: sum",
      'tasks[2].kind: expected one of ingest, query, report, found "sum"',
    ],
    [
      "a name that another task has",
      "name: load\n",
      "name: import\n",
      'tasks[1].name: expected a name of its own, found "import" again',
    ],
    [
      "lines in a GET request",
      "method: PUT",
      "method: GET",
      "tasks[1].lines: expected POST, PUT or PATCH beside lines, found GET",
    ],
    [
      "lines beside a body",
      "path: /load",
      "path: /load\n        body: []",
      "tasks[1].lines: expected one of body and lines, found both",
    ],
    [
      "an ingest of nothing",
      "body: { $repeat: 9, item: 1 }, records: 9",
      "timeout: 1s",
      "tasks[3]: expected lines or a body in an ingest, found neither",
    ],
    [
      "an ingest whose records nobody counts",
      ", records: 9",
      "",
      "tasks[3]: expected records beside the body of an ingest, found none",
    ],
    [
      "records of what has none",
      "expect: [200, 206]",
      "records: 3",
      "tasks[2].records: expected records only beside the body of an ingest, found no such body",
    ],
    [
      "records beside lines",
      "perWindow: 2",
      "records: 3",
      "tasks[0].records: expected records only beside the body of an ingest, found lines, which have their count",
    ],
    [
      "a list in a line of CSV",
      "paid: true",
      "paid: [1]",
      "tasks[1].lines.item.paid: expected text, a number, true or false in a line of CSV, found a list",
    ],
    [
      "lines of nothing",
      'item: { no: "${index}", name: "a ${size}", paid: true, n: 3 }',
      "item: {}",
      "tasks[1].lines.item: expected at least one key with its value, found a map",
    ],
    [
      "no lines",
      "count: 10,",
      "count: 0,",
      "tasks[1].lines.count: expected a number of at least 1, found 0",
    ],
    [
      "a placeholder in a line that nothing fills",
      "${product.id}",
      "${produkt.id}",
      'tasks[0].lines.item.of.product: expected a parameter of this workload (product, size, place, amount, fresh), found ${produkt.id}; did you mean "product"?',
    ],
    [
      "a position outside of lines",
      "path: /sums",
      'path: "/sums/${index}"',
      "tasks[2].path: expected ${index} inside the item of a $repeat only",
    ],
    [
      "a number that JSON lacks",
      'of: { product: "${product.id}" }',
      "of: .inf",
      "tasks[0].lines.item.of: expected a number that JSON can hold",
    ],
    [
      "never",
      "perWindow: 2",
      "perWindow: 0",
      "tasks[0].perWindow: expected a number of at least 1, found 0",
    ],
    ["no time", "timeout: 1m", "timeout: 0s", "tasks[0].timeout: expected more than zero"],
    ["a weight", "kind: query", "kind: query, weight: 2", 'found the unknown key "weight"'],
  ])("%s", async (_, from, to, message) => {
    const found = await problems(edit(TASKS, from, to));
    expect(found[0]).toMatch(/^t\.yaml:\d+:\d+: workloads\.browse\.tasks\[/);
    expect(
      found.some((line) => line.includes(message)),
      found.join("\n"),
    ).toBe(true);
  });
});
