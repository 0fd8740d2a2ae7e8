import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isAlive } from "../../src/target/proc.ts";
import {
  changeSetting,
  copyContents,
  findRedis,
  readSetting,
  redisClient,
  askInfo,
  startRedis,
  type RedisServer,
} from "../../src/target/redis-server.ts";
import { redisCounters } from "../../src/target/counters.ts";
import { neverAborted, temporaryHome } from "../integration/stores.ts";

let home: string;
beforeAll(async () => {
  home = await temporaryHome();
});
afterAll(() => rm(home, { recursive: true, force: true }));

function start(
  name: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<RedisServer> {
  return startRedis({
    folder: join(home, name),
    settings,
    environment: process.env,
    signal: neverAborted,
    title: `Redis ${name}`,
  });
}

describe("a Redis server of perfopt's own", () => {
  test("has its settings, keeps nothing on disk, needs its password, and stops", async () => {
    const server = await start("one", { maxmemory: "8mb", "maxmemory-policy": "allkeys-lfu" });
    expect(await readSetting(server.client, "maxmemory")).toBe(String(8 * 1024 ** 2));
    expect(await readSetting(server.client, "maxmemory-policy")).toBe("allkeys-lfu");
    expect(await readSetting(server.client, "save")).toBe("");
    expect(await readSetting(server.client, "no-such-setting")).toBeUndefined();
    const guess = new URL(server.url);
    guess.password = "";
    const stranger = redisClient(guess.href);
    await expect(stranger.connect().then(() => stranger.ping())).rejects.toThrow();
    stranger.disconnect();
    await server.stop();
    expect(await isAlive(server.process)).toBe(false);
  });

  test("settings change live and are read back; what Redis refuses is an error", async () => {
    const server = await start("two");
    await changeSetting(server.client, "maxmemory", "1048576");
    expect(redisCounters(await askInfo(server.client)).maxmemoryBytes).toBe(1_048_576);
    await expect(changeSetting(server.client, "maxmemory", "much")).rejects.toThrow();
    await expect(changeSetting(server.client, "maxmemory", "2mb")).rejects.toThrow(
      /the value is 2097152/,
    );
    await server.stop();
  });

  test("takes over another's contents with their lifetimes, loses its own, and is on its own again", async () => {
    const [from, to] = [await start("from"), await start("to")];
    await from.client.set("shared", "value", "PX", 60_000);
    await to.client.set("old", "entry");
    await copyContents(from, to);
    expect(await to.client.keys("*")).toEqual(["shared"]);
    expect(await to.client.pttl("shared")).toBeGreaterThan(30_000);
    await to.client.set("own", "entry");
    expect(await from.client.exists("own")).toBe(0);
    expect(redisCounters(await askInfo(to.client)).keys).toBe(2);
    await from.stop();
    await to.stop();
  });

  test("a setting that Redis refuses is an error with its log", async () => {
    await expect(start("bad", { "maxmemory-policy": "nonsense" })).rejects.toThrow(
      /maxmemory-policy/,
    );
  });

  test("missing: what to install", async () => {
    await expect(findRedis({ PATH: "/nowhere" })).rejects.toMatchObject({
      code: "cannot-measure",
      message: "neither redis-server nor valkey-server is on the PATH",
      hint: expect.stringMatching(/apt-get install redis-server.*brew.*dnf/),
    });
  });
}, 30_000);
