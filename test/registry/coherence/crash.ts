/** A process that dies after its COMMIT and before it could tell anybody: how long the others answer with what was before. */
import { setTimeout as wait } from "node:timers/promises";
import { Client } from "pg";
import type { Json } from "../client.ts";
import type { Stores } from "../stores.ts";
import { startProcess } from "./process.ts";
import { startProxy } from "./proxy.ts";

const TTL_MS = { l1: 400, l2: 700, l3: 1_000 };

/** What docs/registry-cache.md promises: the tiers fill each other, so that their times to live add up. */
export const UNTOLD_MAX_MS = TTL_MS.l1 + TTL_MS.l2 + TTL_MS.l3;

export interface Aftermath {
  readonly reads: number;
  /** How long after the commit the last read began that showed what was before it. */
  readonly lastOldMs: number;
  /** How long the longest read took: as much later each tier may have been filled by the next. */
  readonly readMaxMs: number;
}

export async function playCrash(stores: Stores): Promise<Aftermath> {
  const databaseUrl = await stores.createDatabase("crash");
  const proxy = await startProxy(stores.redisUrl);
  const start = (redisUrl: string) =>
    startProcess({
      DATABASE_URL: databaseUrl,
      REDIS_URL: redisUrl,
      CACHE_L1_TTL_MS: String(TTL_MS.l1),
      CACHE_L2_TTL_MS: String(TTL_MS.l2),
      CACHE_L3_TTL_MS: String(TTL_MS.l3),
    });
  const [victim, reader] = await Promise.all([start(proxy.url), start(stores.redisUrl)]);
  const database = new Client({ connectionString: databaseUrl });
  await database.connect();
  try {
    await reader.send("POST", "registered-models/create", { name: "m", description: "old" });
    const shown = async (): Promise<readonly string[]> => {
      const one: Json = await reader.get("registered-models/get", { name: "m" });
      const all: Json = await reader.get("registered-models/search", {});
      return [one.registered_model.description, all.registered_models[0].description];
    };
    await shown();
    await wait(TTL_MS.l2 / 2);
    await shown();
    proxy.hang();
    const description = "new";
    victim.send("PATCH", "registered-models/update", { name: "m", description }).catch(() => {});
    await committed(database, description);
    const committedMs = performance.now();
    await victim.kill();
    let [reads, lastOldMs, readMaxMs] = [0, 0, 0];
    while (performance.now() < committedMs + UNTOLD_MAX_MS + 2 * TTL_MS.l1) {
      const startMs = performance.now();
      const old = (await shown()).some((each) => each !== description);
      reads += 2;
      readMaxMs = Math.max(readMaxMs, performance.now() - startMs);
      if (old) lastOldMs = startMs - committedMs;
    }
    return { reads, lastOldMs, readMaxMs };
  } finally {
    await database.end();
    await reader.kill();
    await victim.kill();
    await proxy.close();
  }
}

async function committed(database: Client, description: string): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (performance.now() < deadlineMs) {
    const { rows } = await database.query<{ description: string }>(
      "SELECT description FROM registered_models",
    );
    if (rows[0]?.description === description) return;
  }
  throw new Error("The write was not committed.");
}
