/** `perfopt snapshot`: what it writes and where, what it refuses, and that it never shows a password. */
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseSnapshot } from "../../src/advise/indexes/snapshot/parse.ts";
import { contextOf } from "../../src/cli/context.ts";
import { addSnapshot } from "../../src/cli/snapshot.ts";
import { openShop, type Shop } from "../advise/snapshot/source.ts";

let folder = "";
let shop: Shop;
let url = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "perfopt snapshot "));
  shop = await openShop();
  await shop.connection.script("CREATE ROLE taker LOGIN PASSWORD 'open sesame' IN ROLE reader");
  const [row] = await shop.connection.query("SELECT current_setting('port') AS port");
  url = `postgres://taker:open%20sesame@127.0.0.1:${row?.["port"]}/shop`;
}, 60_000);
afterAll(async () => {
  await shop.stop();
  await rm(folder, { recursive: true, force: true });
});

async function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly out: string; readonly err: string }> {
  const printed = { out: "", err: "" };
  const context = {
    ...contextOf(args),
    directory: folder,
    env: { ...env, PATH: process.env["PATH"] },
    out: (text: string) => void (printed.out += text),
    err: (text: string) => void (printed.err += text),
  };
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  addSnapshot(program, context);
  try {
    await program.parseAsync(["snapshot", ...args], { from: "user" });
  } finally {
    context.close();
  }
  expect(printed.err).not.toMatch(/open.*sesame/);
  return printed;
}

test("a file is readable for its owner alone, whatever it was before, and holds a whole snapshot", async () => {
  const path = join(folder, "db.json");
  await writeFile(path, "old", { mode: 0o666 });
  const { out, err } = await run(["--url", url, "--output", "db.json"]);
  expect(out).toBe("");
  expect(err).toMatch(/shop: 8 tables, 14 indexes, statistics of 43 columns.* in db\.json/);
  expect(err).toMatch(/caveat: .*public\.temperature/);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const snapshot = await parseSnapshot(await readFile(path, "utf8"), "db.json");
  expect(snapshot.columns).toEqual((await shop.take()).columns);
});

test("stdout has the JSON alone, redacted as asked, of the environment's database", async () => {
  const { out, err } = await run(["--redact", "text"], { DATABASE_URL: url });
  expect(err).toContain("the database is that of DATABASE_URL: postgres://***@127.0.0.1");
  const snapshot = await parseSnapshot(out, "stdout");
  expect(snapshot.redacted).toBe("text");
  expect(out).not.toContain("zz-secret");
  expect(err).toMatch(/redacted: text/);
});

test("the function for a DBA is printed without any database", async () => {
  const { out } = await run(["--print-function"], {
    DATABASE_URL: "postgres://nobody@127.0.0.1:9/x",
  });
  expect(out).toMatch(/CREATE OR REPLACE FUNCTION perfopt\.perfopt_snapshot\(\) RETURNS json/);
  expect(out).toMatch(/REVOKE ALL ON FUNCTION perfopt\.perfopt_snapshot\(\) FROM PUBLIC;\nCOMMIT;/);
});

test.each([
  [["--url", "host=db password=open sesame"], {}, /^--url is not the URL/],
  [[], { DATABASE_URL: "mysql://u:open sesame@db/x" }, /^DATABASE_URL is not the URL/],
  [["--url", "postgres://h/x", "--target", "t.yaml"], {}, /name two databases/],
  [["--target", "missing.yaml"], {}, /missing\.yaml/],
])("%j is refused", async (args, env, message) => {
  await expect(run(args, env)).rejects.toMatchObject({
    code: "bad-input",
    message: expect.stringMatching(message),
  });
  await expect(run(args, env)).rejects.not.toMatchObject({
    message: expect.stringContaining("sesame"),
  });
});

test("a file that cannot be written, and a database that does not answer, are said", async () => {
  await expect(run(["--url", url, "--output", "no/such/folder.json"])).rejects.toMatchObject({
    code: "bad-input",
    message: expect.stringMatching(/^--output: .*folder\.json cannot be written/),
  });
  await expect(run(["--url", "postgres://u:open@127.0.0.1:9/x"])).rejects.toMatchObject({
    code: "cannot-measure",
    message: expect.stringMatching(/no connection to PostgreSQL at postgres:\/\/\*\*\*@127/),
  });
});
