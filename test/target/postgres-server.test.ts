import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { runsAsRoot } from "../../src/target/home.ts";
import * as ports from "../../src/target/free-port.ts";
import {
  initialisePostgres,
  startPostgres,
  stopLeftover,
  type PostgresServer,
} from "../../src/target/postgres-server.ts";
import { isAlive } from "../../src/target/proc.ts";
import { queryDatabase } from "../../src/target/sql.ts";
import { neverAborted, temporaryHome } from "../integration/stores.ts";

let home: string;
let folder: string;

beforeAll(async () => {
  home = await temporaryHome();
  folder = join(home, "a cluster");
  await initialisePostgres(home, folder);
}, 60_000);
afterAll(() => rm(home, { recursive: true, force: true }));

function start(settings: Readonly<Record<string, string>> = {}): Promise<PostgresServer> {
  return startPostgres({
    home,
    folder,
    settings: { fsync: "off", ...settings },
    environment: process.env,
    signal: neverAborted,
  });
}

async function using(
  settings: Readonly<Record<string, string>>,
  use: (server: PostgresServer) => Promise<void>,
) {
  const server = await start(settings);
  try {
    await use(server);
  } finally {
    await server.stop();
  }
}

function setting(server: PostgresServer, name: string) {
  return queryDatabase(server.adminUrl("postgres"), "SELECT current_setting($1) AS value", [
    name,
  ]).then(([row]) => row?.["value"]);
}

describe("a PostgreSQL server of perfopt's own", () => {
  test("has the given settings, counts statements, and is not superseded in what keeps it private", async () => {
    await using({ work_mem: "7MB", "my.quote": "it's", listen_addresses: "*" }, async (server) => {
      expect(await setting(server, "work_mem")).toBe("7MB");
      expect(await setting(server, "my.quote")).toBe("it's");
      expect(await setting(server, "listen_addresses")).toBe("127.0.0.1");
      expect(await setting(server, "unix_socket_directories")).toBe("");
      expect(await setting(server, "shared_preload_libraries")).toBe("pg_stat_statements");
      expect(server.version).toMatch(/^\d+\.\d+$/);
    });
  });

  test("settings of one start are gone at the next", async () => {
    await using({ work_mem: "7MB" }, async () => {});
    await using({}, async (server) => expect(await setting(server, "work_mem")).toBe("4MB"));
  });

  test("lets nobody in without the password, which nobody else can read", async () => {
    await using({}, async (server) => {
      const guess = new URL(server.adminUrl("postgres"));
      guess.password = "guess";
      await expect(queryDatabase(guess.href, "SELECT 1 AS x")).rejects.toThrow(
        /password authentication failed/,
      );
    });
    expect((await stat(join(folder, "passwords.json"))).mode & 0o077).toBe(0);
  });

  test.runIf(runsAsRoot())("as root, runs as somebody else", async () => {
    await using({}, async (server) => {
      const status = await readFile(`/proc/${server.process.pid}/status`, "utf8");
      expect(status).not.toMatch(/^Uid:\s+0\s/m);
    });
  });

  test("stops so that nothing is left, and starts again with its data", async () => {
    const server = await start();
    await server.stop();
    expect(await isAlive(server.process)).toBe(false);
    expect(existsSync(join(folder, "pgdata", "postmaster.pid"))).toBe(false);
    await using({}, async (again) => expect(await setting(again, "fsync")).toBe("off"));
  });

  test("a port that somebody takes meanwhile is replaced by another", async () => {
    const blocker = createServer();
    await new Promise<void>((done) => blocker.listen(0, "127.0.0.1", done));
    const address = blocker.address();
    const taken = typeof address === "object" && address ? address.port : 0;
    const choose = vi.spyOn(ports, "freePort").mockResolvedValueOnce(taken);
    try {
      await using({}, async (server) => {
        expect(choose).toHaveBeenCalledTimes(2);
        expect(new URL(server.adminUrl("x")).port).not.toBe(String(taken));
      });
    } finally {
      choose.mockRestore();
      blocker.close();
    }
  });

  test("a setting that PostgreSQL refuses is an error with its own words", async () => {
    await expect(start({ shared_buffers: "nonsense" })).rejects.toThrow(
      /invalid value for parameter "shared_buffers"/,
    );
  });

  test("the server of a killed perfopt is stopped, and a stale postmaster.pid removed", async () => {
    const orphan = await start();
    await stopLeftover(folder);
    expect(await isAlive(orphan.process)).toBe(false);
    // A process id that another program has by now.
    await writeFile(join(folder, "pgdata", "postmaster.pid"), `${process.pid}\n`);
    await stopLeftover(folder);
    await using({}, async (server) => expect(await isAlive(server.process)).toBe(true));
  });
}, 60_000);

describe("where PostgreSQL cannot work", () => {
  test.runIf(runsAsRoot())(
    "a folder that is closed to others is named, with what to do",
    async () => {
      const closed = join(home, "closed");
      await mkdir(closed, { mode: 0o700 });
      await expect(initialisePostgres(home, join(closed, "cluster"))).rejects.toMatchObject({
        code: "bad-input",
        message: expect.stringContaining(closed),
        hint: expect.stringContaining("PERFOPT_HOME"),
      });
    },
  );

  test.runIf(runsAsRoot())(
    "binaries are copied once, links included, for everyone to run",
    async () => {
      const [copy] = (await readdir(home)).filter((name) => name.startsWith("postgres-"));
      const bin = join(home, copy ?? "", "bin", "postgres");
      expect((await stat(bin)).mode & 0o755).toBe(0o755);
      const before = (await stat(bin)).mtimeMs;
      await chmod(home, 0o755);
      await initialisePostgres(home, join(home, "second"));
      expect((await stat(bin)).mtimeMs).toBe(before);
      expect((await readdir(home)).filter((name) => name.startsWith("postgres-"))).toHaveLength(1);
    },
  );
}, 60_000);
