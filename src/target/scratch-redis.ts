/** A Redis of perfopt's own for measuring or replaying, gone when it is done with, however perfopt ends. */
import { join } from "node:path";
import type { Environment } from "./home.ts";
import { openPlannerFolder, REDIS_PID_FILE } from "./planner-folder.ts";
import { startRedis, type RedisServer } from "./redis-server.ts";

export interface ScratchRedis {
  /** perfopt's own folder. */
  readonly home: string;
  readonly environment: Environment;
  readonly signal: AbortSignal;
  readonly settings?: Readonly<Record<string, string>>;
}

/** Runs until `use` returns or throws. */
export async function withScratchRedis<T>(
  { home, environment, signal, settings = {} }: ScratchRedis,
  use: (server: RedisServer) => Promise<T>,
): Promise<T> {
  const folder = await openPlannerFolder(home, environment);
  try {
    const server = await startRedis({
      folder: folder.server,
      settings: { ...settings, pidfile: join(folder.server, REDIS_PID_FILE) },
      environment,
      signal,
      title: "scratch Redis",
    });
    try {
      return await use(server);
    } finally {
      await server.stop();
    }
  } finally {
    await folder.remove();
  }
}
