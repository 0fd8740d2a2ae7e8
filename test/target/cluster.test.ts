import { existsSync } from "node:fs";
import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { readApplied, writeApplied } from "../../src/target/applied.ts";
import { cleanTarget, targetSize } from "../../src/target/clean.ts";
import { fingerprint } from "../../src/target/fingerprint.ts";
import { takeLock } from "../../src/target/lock.ts";
import { isAlive } from "../../src/target/proc.ts";
import { openSource, type Source, type SourceOptions } from "../../src/target/source.ts";
import { queryDatabase, withConnection } from "../../src/target/sql.ts";
import { fixtureTarget, neverAborted, startStores, temporaryHome } from "../integration/stores.ts";

let home: string;
let seeds: string;
let lines: string[] = [];
const open: Source[] = [];

beforeAll(async () => {
  home = await temporaryHome();
  seeds = join(home, "seed programs");
  await cp(resolve(import.meta.dirname, "fixture-seed.mjs"), join(seeds, "seed.mjs"));
  await cp(
    resolve(import.meta.dirname, "../../node_modules/pg/package.json"),
    join(seeds, "package.json"),
  );
});
afterEach(async () => {
  for (const source of open.splice(0)) await source.close();
});
afterAll(() => rm(home, { recursive: true, force: true }));

function targetWith(program: string) {
  const directory = resolve(import.meta.dirname);
  const fixture = fixtureTarget();
  const args = [program, "${scale}", "${seed}"];
  return {
    ...fixture,
    seed: { ...fixture.seed!, command: { program: "node", args, directory } },
  };
}

async function source(changes: Partial<SourceOptions> = {}): Promise<Source> {
  lines = [];
  const opened = await openSource({
    targetFile: fixtureTarget(),
    home,
    scale: "tiny",
    seed: 1,
    environment: process.env,
    purpose: "bench",
    onProgress: (line) => lines.push(line),
    signal: neverAborted,
    ...changes,
  });
  open.push(opened);
  return opened;
}

const clusters = async () =>
  (await readdir(join(home, "targets", "fixture"), { withFileTypes: true })).filter((entry) =>
    entry.isDirectory(),
  );

describe("the seeded cluster", () => {
  test("is seeded once, with its facts, and opened again from disk with what was done since", async () => {
    const first = await source();
    expect(lines).toContain("2000 items");
    expect(first.rowsByTable).toEqual({ items: 2000 });
    expect(first.databaseBytes).toBeGreaterThan(1_000_000);
    expect(first.scale).toBe("tiny");
    await withConnection(first.adminUrl, (client) =>
      client.query("CREATE DATABASE perfopt_left_over"),
    );
    await withConnection(first.adminUrl, (client) =>
      client.query("CREATE INDEX kept ON items (owner)"),
    );
    await first.close();
    const second = await source();
    expect(lines).toEqual([]);
    expect(second.id).toBe(first.id);
    expect(second.rowsByTable).toEqual({ items: 2000 });
    const ask = (sql: string) => queryDatabase(second.adminUrl, sql);
    expect(await ask("SELECT datname FROM pg_database WHERE datname LIKE 'perfopt%'")).toEqual([]);
    expect(await ask("SELECT 1 AS x FROM pg_indexes WHERE indexname = 'kept'")).toHaveLength(1);
    expect(
      await ask(
        "SELECT current_setting('fsync') AS fsync, current_setting('autovacuum') AS autovacuum",
      ),
    ).toEqual([{ fsync: "on", autovacuum: "off" }]);
  });

  test("the service's role owns its database and is no superuser", async () => {
    const { serviceUrl } = await source();
    expect(
      await queryDatabase(
        serviceUrl,
        "SELECT rolname, rolsuper FROM pg_roles WHERE rolname = current_user",
      ),
    ).toEqual([{ rolname: "service", rolsuper: false }]);
  });

  test("another seed or scale is another cluster", async () => {
    const [one, other] = [await source(), await source({ seed: 2 })];
    expect(other.id).not.toBe(one.id);
    const owners = "SELECT owner FROM items WHERE id = 1";
    expect(await queryDatabase(one.serviceUrl, owners)).not.toEqual(
      await queryDatabase(other.serviceUrl, owners),
    );
  });

  test("two perfopts do not share one: the error names the other's process", async () => {
    await source();
    await expect(source()).rejects.toMatchObject({
      code: "cannot-measure",
      message: expect.stringContaining(`in use by process ${process.pid} (perfopt run)`),
    });
  });

  test("a seed program that fails shows its words, without secrets, and leaves nothing", async () => {
    const before = (await clusters()).length;
    const failure = await source({ scale: "huge" }).catch((error: unknown) => error);
    expect(String(failure)).toMatch(
      /seed program ended with exit code 2[\s\S]*no scale huge at postgres:\/\/\*\*\*@/,
    );
    const added = (await clusters()).filter((entry) => entry.name.startsWith("huge"));
    expect(added).toHaveLength(1);
    expect(existsSync(join(home, "targets", "fixture", added[0]!.name, "pgdata"))).toBe(false);
    expect((await clusters()).length).toBe(before + 1);
  });

  test("one whose seeding was cut off is seeded again", async () => {
    const { id, close } = await source({ seed: 3 });
    await close();
    await rm(join(home, "targets", "fixture", id, "seeded.json"));
    const again = await source({ seed: 3 });
    expect(lines).toContain("2000 items");
    expect(again.id).toBe(id);
  });

  test("an interrupted seeding is an interruption, and leaves nothing", async () => {
    const controller = new AbortController();
    const script = join(seeds, "slow.mjs");
    await writeFile(script, 'console.log("started"); setInterval(() => {}, 1000);');
    const opening = source({
      targetFile: targetWith(script),
      signal: controller.signal,
      onProgress: (line) => {
        if (line === "started") controller.abort();
      },
    });
    await expect(opening).rejects.toMatchObject({ code: "interrupted" });
  });

  test("an embedded database without a seed is refused", async () => {
    const { seed: _, ...withoutSeed } = fixtureTarget();
    await expect(source({ targetFile: withoutSeed })).rejects.toMatchObject({ code: "bad-input" });
  });

  test("its size is known, it is not removed while in use, and then it is gone", async () => {
    const { close } = await source();
    expect(await targetSize(home, "fixture")).toBeGreaterThan(10_000_000);
    await expect(cleanTarget(home, fixtureTarget())).rejects.toThrow(
      `in use by process ${process.pid}`,
    );
    await close();
    expect(await cleanTarget(home, fixtureTarget())).toBeGreaterThan(10_000_000);
    expect(await targetSize(home, "fixture")).toBe(0);
    expect(await cleanTarget(home, fixtureTarget())).toBe(0);
  });
}, 120_000);

test("a server of the user's own is described, not started or stopped", async () => {
  const stores = await startStores();
  try {
    await withConnection(stores.postgresUrl, async (client) => {
      await client.query("CREATE TABLE things AS SELECT generate_series(1, 500) AS id");
      await client.query("ANALYZE things");
    });
    const targetFile = fixtureTarget({ postgres: { kind: "url", url: stores.postgresUrl } });
    const described = await source({ targetFile });
    expect(described).toMatchObject({
      rowsByTable: { things: 500 },
      server: undefined,
      scale: undefined,
    });
    expect(described.id).not.toContain(new URL(stores.postgresUrl).password);
    await described.close();
    // What perfopt knows of its own index there is all that a rollback has.
    const index = { database: described.id, schema: "public", name: "things_id" };
    await writeApplied(home, targetFile.name, {
      values: {},
      indexes: [index],
      statistics: [],
      settings: [],
    });
    await expect(cleanTarget(home, targetFile)).rejects.toThrow(
      /perfopt's index public.things_id is applied .* which is yours and stays/,
    );
    expect((await readApplied(home, targetFile.name)).indexes).toEqual([index]);
    expect(await queryDatabase(stores.postgresUrl, "SELECT 1 AS x")).toEqual([{ x: 1 }]);
  } finally {
    await stores.stop();
  }
}, 60_000);

describe("the fingerprint of a seed program", () => {
  test("changes with the program and with what it imports, not with other files", async () => {
    const folder = join(home, "program");
    const write = (name: string, text: string) => writeFile(join(folder, name), text);
    const command = { program: "node", args: ["main.mjs", "small"], directory: folder };
    await cp(seeds, folder, { recursive: true });
    await write("main.mjs", 'import { rows } from "./rows.mjs";\nawait import("./late.mjs");');
    await write("rows.mjs", "export const rows = 1;");
    await write("late.mjs", "");
    const first = await fingerprint(command);
    await write("unrelated.mjs", "1");
    expect(await fingerprint(command)).toBe(first);
    await write("rows.mjs", "export const rows = 2;");
    const second = await fingerprint(command);
    expect(second).not.toBe(first);
    await write("late.mjs", "1;");
    expect(await fingerprint(command)).not.toBe(second);
  });
});

describe("the lock", () => {
  test("of a process that is gone is taken over, even one whose id is used again", async () => {
    const folder = join(home, "locks");
    const first = await takeLock(folder, "perfopt run");
    const path = join(folder, "lock.json");
    const own: { pid: number; startTicks: string } = JSON.parse(await readFile(path, "utf8"));
    expect(await isAlive(own)).toBe(true);
    for (const stale of [
      JSON.stringify({ ...own, pid: 2 ** 22 + 1, command: "perfopt run" }),
      JSON.stringify({ ...own, startTicks: "1", command: "perfopt run" }),
      "torn",
    ]) {
      await writeFile(path, stale);
      const lock = await takeLock(folder, "perfopt run");
      await expect(takeLock(folder, "perfopt run")).rejects.toThrow(/in use/);
      await lock.release();
    }
    await first.release();
  });

  test("of several who want a stale one at once, one gets it", async () => {
    const folder = join(home, "many");
    await (await takeLock(folder, "perfopt run")).release();
    await writeFile(join(folder, "lock.json"), "torn");
    const tries = await Promise.allSettled(
      Array.from({ length: 8 }, () => takeLock(folder, "perfopt run")),
    );
    expect(tries.filter((each) => each.status === "fulfilled")).toHaveLength(1);
  });
});
