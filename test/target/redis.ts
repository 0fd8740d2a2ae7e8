/** A Redis of a test's own in a folder of its own, both gone at the end. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { startRedis, type RedisServer } from "../../src/target/redis-server.ts";
import { neverAborted, temporaryHome } from "../integration/stores.ts";

export interface TestRedis {
  readonly home: string;
  readonly server: RedisServer;
  readonly stop: () => Promise<void>;
}

export async function startTestRedis(
  settings: Readonly<Record<string, string>> = {},
): Promise<TestRedis> {
  const home = await temporaryHome();
  const server = await startRedis({
    folder: join(home, "redis"),
    settings,
    environment: process.env,
    signal: neverAborted,
    title: "Redis",
  });
  const stop = async () => {
    await server.stop();
    await rm(home, { recursive: true, force: true });
  };
  return { home, server, stop };
}
