import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { openPlannerFolder, REDIS_PID_FILE } from "../../src/target/planner-folder.ts";
import { allPids, commandLineOf, startTicksOf } from "../../src/target/proc.ts";
import { readSetting } from "../../src/target/redis-server.ts";
import { withScratchRedis } from "../../src/target/scratch-redis.ts";
import { neverAborted, temporaryHome } from "../integration/stores.ts";

let home: string;
beforeAll(async () => {
  home = await temporaryHome();
});
afterAll(() => rm(home, { recursive: true, force: true }));

const scratch = () => ({ home, environment: process.env, signal: neverAborted });
const leftBehind = () => readdir(join(home, "planner"));

async function isRunning(pid: number): Promise<boolean> {
  return (await startTicksOf(pid)) !== undefined;
}

interface Owned {
  readonly pid: number;
  readonly folder: string;
  /** Ends the perfopt that owns it as nothing else does, and says when it is gone. */
  readonly killOwner: () => Promise<void>;
}

async function ofAnotherProcess(): Promise<Owned> {
  const script = resolve(import.meta.dirname, "fixture-scratch-redis.ts");
  const child = spawn(process.execPath, ["--import", "tsx", script, home], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(child, "exit");
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const { pid, logPath } = JSON.parse(String(line));
  const killOwner = async () => {
    child.kill("SIGKILL");
    await exit;
  };
  return { pid, folder: dirname(dirname(logPath)), killOwner };
}

async function guardOf(folder: string): Promise<number> {
  for (const pid of await allPids()) {
    const line = await commandLineOf(pid);
    if (line.includes("perfopt-guard") && line.includes(folder)) return pid;
  }
  throw new Error("it has no guard");
}

describe("a scratch Redis", () => {
  test("has its settings, and is gone with its folder when it is done with", async () => {
    const settings = { "maxmemory-policy": "allkeys-lfu" };
    const pid = await withScratchRedis({ ...scratch(), settings }, async (server) => {
      expect(await readSetting(server.client, "maxmemory-policy")).toBe("allkeys-lfu");
      const noted = await readFile(join(dirname(server.process.logPath), REDIS_PID_FILE), "utf8");
      expect(Number(noted)).toBe(server.process.pid);
      expect(await leftBehind()).toHaveLength(1);
      return server.process.pid;
    });
    expect(await isRunning(pid)).toBe(false);
    expect(await leftBehind()).toEqual([]);
  });

  test("is gone too when what used it fails, or it does not start", async () => {
    let pid = 0;
    const failing = withScratchRedis(scratch(), async (server) => {
      pid = server.process.pid;
      throw new Error("it is of no use");
    });
    await expect(failing).rejects.toThrow("it is of no use");
    expect(await isRunning(pid)).toBe(false);
    const settings = { "maxmemory-policy": "nonsense" };
    await expect(withScratchRedis({ ...scratch(), settings }, async () => {})).rejects.toThrow(
      /maxmemory-policy/,
    );
    const signal = AbortSignal.abort();
    await expect(withScratchRedis({ ...scratch(), signal }, async () => {})).rejects.toMatchObject({
      code: "interrupted",
    });
    expect(await leftBehind()).toEqual([]);
  });

  test("dies with a perfopt that is killed, folder and all", async () => {
    const { pid, folder, killOwner } = await ofAnotherProcess();
    expect(await isRunning(pid)).toBe(true);
    await killOwner();
    await vi.waitFor(
      async () => {
        expect(await isRunning(pid)).toBe(false);
        expect(existsSync(folder)).toBe(false);
      },
      { timeout: 20_000, interval: 100 },
    );
  });

  test.each([
    ["", async () => {}],
    [" and its pid file is lost", (folder: string) => rm(join(folder, "server", REDIS_PID_FILE))],
  ])("is stopped by the next start when its guard was killed too%s", async (_, lose) => {
    const { pid, folder, killOwner } = await ofAnotherProcess();
    process.kill(await guardOf(folder), "SIGKILL");
    await killOwner();
    await lose(folder);
    expect(await isRunning(pid)).toBe(true);
    const next = await openPlannerFolder(home, process.env);
    expect(await isRunning(pid)).toBe(false);
    expect(existsSync(folder)).toBe(false);
    await next.remove();
  });

  test("another's process with the id that a dead perfopt's Redis had is left alone", async () => {
    const host = hostname().replaceAll(/[^\w.]+/g, "_");
    const server = join(home, "planner", `of-${host}-999999999-1-aaaaaa`, "server");
    await mkdir(server, { recursive: true });
    const child = spawn("sleep", ["60"], { cwd: home, detached: true });
    const exit = once(child, "exit");
    await writeFile(join(server, REDIS_PID_FILE), `${child.pid}\n`);
    const next = await openPlannerFolder(home, process.env);
    await next.remove();
    expect(existsSync(server)).toBe(false);
    expect(await isRunning(child.pid ?? 0)).toBe(true);
    child.kill("SIGKILL");
    await exit;
  });
}, 60_000);

test("a folder that nobody can watch over is not left behind", async () => {
  await expect(openPlannerFolder(home, { PATH: "/nowhere" })).rejects.toMatchObject({
    code: "cannot-measure",
    message: expect.stringContaining("no `sh` could be started"),
  });
  expect(await leftBehind()).toEqual([]);
});
