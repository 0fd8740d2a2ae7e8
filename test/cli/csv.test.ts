import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readCsv } from "../../src/cli/csv.ts";
import { loadParameters } from "../../src/cli/parameters.ts";
import { PerfoptError } from "../../src/core/errors.ts";

const folder = mkdtempSync(join(tmpdir(), "perfopt-csv-"));
const path = join(folder, "users.csv");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function read(text: string | Buffer, limit = 1_000) {
  writeFileSync(path, text);
  return readCsv(path, limit, "parameter user");
}

async function problemOf(reading: Promise<unknown>): Promise<string> {
  const error: unknown = await reading.then(
    () => "nothing was thrown",
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PerfoptError)) throw error;
  expect(error.code).toBe("bad-input");
  expect(error.hint).not.toBe("");
  return error.message.replaceAll(`${folder}/`, "");
}

test("quotes, line ends, empty lines and a byte order mark are as spreadsheets write them", async () => {
  const text = '\uFEFFname,note\r\n"Kim, A","says ""hi"""\r\n\r\n"two\nlines",\r\n';
  expect(await read(text)).toEqual([
    { name: "Kim, A", note: 'says "hi"' },
    { name: "two\nlines", note: "" },
  ]);
});

test("a column becomes numbers only where that loses nothing", async () => {
  const rows = await read(
    "id,price,zip,big,mixed,blank\n1,0.5,01234,12345678901234567890,1,2\n-2,10,99999,2,x,\n",
  );
  expect(rows).toEqual([
    { id: 1, price: 0.5, zip: "01234", big: "12345678901234567890", mixed: "1", blank: "2" },
    { id: -2, price: 10, zip: "99999", big: "2", mixed: "x", blank: "" },
  ]);
});

test("the limit counts rows, from the first", async () => {
  expect(await read("id\n7\n8\n9\n", 2)).toEqual([{ id: 7 }, { id: 8 }]);
});

test.each<[what: string, text: string, message: string]>([
  [
    "a row that is too short",
    "a,b\n1,2\nsecret\n",
    "parameter user: users.csv:3: expected as many values as in the first line, found 1",
  ],
  [
    "a row that is too long",
    "a,b\n1,2\n\n3,4,secret\n",
    "parameter user: users.csv:4: expected as many values as in the first line, found 3",
  ],
  ["names alone", "a,b\n", "parameter user: users.csv has no rows below its first line"],
  ["nothing", "", "parameter user: users.csv has no rows below its first line"],
  [
    "a name twice",
    "a,a\n1,2\n",
    'parameter user: users.csv:1: expected each column\'s name once, found "a" again',
  ],
  [
    "a column without a name",
    "a,\n1,2\n",
    "parameter user: users.csv:1: expected a name for each column, found an empty one",
  ],
])("%s is bad input", async (_, text, message) => {
  expect(await problemOf(read(text))).toBe(message);
});

test("a quote that is not closed is named with a line", async () => {
  expect(await problemOf(read('a\n"secret\n'))).toMatch(
    /^parameter user: users\.csv:\d+: .*[Qq]uote/,
  );
  expect(await problemOf(read('a\n"secret\n'))).not.toContain("secret");
});

test("a file that is not there is named with its parameter", async () => {
  const source = { kind: "csv", path: join(folder, "none.csv"), limit: 5 } as const;
  const distribution = { kind: "uniform" } as const;
  const parameters = [{ name: "user", source, distribution }];
  const message = await problemOf(
    loadParameters(undefined, { name: "shop", requests: [], parameters }),
  );
  expect(message).toMatch(
    /^parameter user of workload shop: its file cannot be read: ENOENT.*none\.csv/,
  );
});

test("rows of a file need no database", async () => {
  await read("id,name\n1,a\n");
  const source = { kind: "csv", path, limit: 5 } as const;
  const distribution = { kind: "uniform" } as const;
  const data = await loadParameters(undefined, {
    name: "shop",
    requests: [],
    parameters: [{ name: "user", source, distribution }],
  });
  expect(data).toEqual({ user: [{ id: 1, name: "a" }] });
});

test("rows of a query do", async () => {
  const source = { kind: "sql", query: "SELECT 1", limit: 5 } as const;
  const distribution = { kind: "uniform" } as const;
  const parameters = [{ name: "user", source, distribution }];
  const message = await problemOf(
    loadParameters(undefined, { name: "shop", requests: [], parameters }),
  );
  expect(message).toMatch(/^parameter user of workload shop is read by SQL, and the target has no/);
});
