import { rm } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Change } from "../../src/core/knob.ts";
import { cleanTarget } from "../../src/target/clean.ts";
import { openTarget } from "../../src/target/live.ts";
import { isAlive } from "../../src/target/proc.ts";
import { readSetting, withRedis } from "../../src/target/redis-server.ts";
import { openSource } from "../../src/target/source.ts";
import { queryDatabase } from "../../src/target/sql.ts";
import { targetDown, targetState, targetUp, type UpState } from "../../src/target/up.ts";
import { fixtureTarget, neverAborted, temporaryHome } from "../integration/stores.ts";

const MB = 1024 ** 2;
const targetFile = fixtureTarget();
let home: string;
let common: Parameters<typeof targetUp>[0];

beforeAll(async () => {
  home = await temporaryHome();
  common = {
    targetFile,
    home,
    scale: "tiny",
    seed: 1,
    environment: process.env,
    onProgress: () => {},
    signal: neverAborted,
  };
});
afterEach(async () => void (await targetDown(home, "fixture")));
afterAll(() => rm(home, { recursive: true, force: true }));

async function alive(state: UpState): Promise<readonly boolean[]> {
  return Promise.all(state.processes.map((each) => isAlive(each)));
}

describe("the target in the background", () => {
  test("is up, says so when asked to start again, and goes down", async () => {
    const { state, already } = await targetUp(common);
    expect(already).toBe(false);
    expect(await (await fetch(`${state.baseUrl}/ready`)).text()).toBe("ok");
    expect(await queryDatabase(state.postgresUrl, "SELECT count(*) AS rows FROM items")).toEqual([
      { rows: 2000 },
    ]);
    expect(await targetUp(common)).toEqual({ state, already: true });
    expect(await targetState(home, "fixture")).toEqual(state);
    expect(await targetDown(home, "fixture")).toEqual([
      "the service fixture",
      "Redis",
      "PostgreSQL",
    ]);
    expect(await alive(state)).toEqual([false, false, false]);
    expect(await targetState(home, "fixture")).toBeUndefined();
    expect(await targetDown(home, "fixture")).toEqual([]);
  });

  test("starts with what was applied", async () => {
    const source = await openSource({ ...common, purpose: "bench" });
    const target = await openTarget({
      targetFile,
      home,
      source,
      environment: process.env,
      signal: neverAborted,
    });
    const changes: Change[] = [
      { kind: "set-knob", knob: "cache-ttl", from: 0, to: 1234 },
      { kind: "set-knob", knob: "redis-memory", from: 64 * MB, to: 32 * MB },
    ];
    for (const change of changes) await target.apply(change);
    await source.close();
    const { state } = await targetUp(common);
    const environment: unknown = await (await fetch(`${state.baseUrl}/env`)).json();
    expect(environment).toMatchObject({ CACHE_TTL: "1234", POOL_MAX: "5" });
    const maxmemory = await withRedis(state.redisUrl ?? "", (client) =>
      readSetting(client, "maxmemory"),
    );
    expect(maxmemory).toBe(String(32 * MB));
  });

  test("holds its cluster: a run and a clean-up are refused and say what to do", async () => {
    await targetUp(common);
    await expect(openSource({ ...common, purpose: "bench" })).rejects.toMatchObject({
      code: "cannot-measure",
      hint: expect.stringContaining("perfopt target down"),
    });
    await expect(cleanTarget(home, targetFile)).rejects.toThrow(/in use by process/);
  });

  test("a half that died is replaced by a whole one", async () => {
    const { state } = await targetUp(common);
    const [service] = state.processes;
    process.kill(service!.pid, "SIGKILL");
    while (await isAlive(service!)) await new Promise((done) => setTimeout(done, 10));
    const { state: again, already } = await targetUp(common);
    expect(already).toBe(false);
    expect((await fetch(`${again.baseUrl}/ready`)).ok).toBe(true);
    expect(await alive(state)).toEqual([false, false, false]);
  });

  test("a service that does not start leaves nothing running", async () => {
    const broken = {
      ...targetFile,
      service: { ...targetFile.service, readyPath: "/nothing-here", startTimeoutMs: 500 },
    };
    await expect(targetUp({ ...common, targetFile: broken })).rejects.toThrow(
      /was not ready within 0.5 s/,
    );
    expect(await targetState(home, "fixture")).toBeUndefined();
    await (await openSource({ ...common, purpose: "bench" })).close();
  });
}, 60_000);
