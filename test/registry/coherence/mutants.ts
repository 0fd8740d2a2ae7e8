/** Registries that invalidate wrongly on purpose: a checker that finds nothing wrong with them proves nothing. */
import { setTimeout as wait } from "node:timers/promises";
import pino from "pino";
import { Pool } from "undici";
import { MODELS, modelScope, type Scope } from "../../../src/registry/cache/keys.ts";
import { openCache, type Cache } from "../../../src/registry/cache/read-through.ts";
import { openCompute } from "../../../src/registry/compute/pool.ts";
import { readConfig } from "../../../src/registry/config.ts";
import { openDatabase, type Database } from "../../../src/registry/database.ts";
import { createMetrics } from "../../../src/registry/metrics.ts";
import { applySchema } from "../../../src/registry/schema.ts";
import { buildServer } from "../../../src/registry/server.ts";
import { clientOf, type Registry } from "./process.ts";

export interface Mutant {
  readonly name: string;
  readonly break: (cache: Cache, database: Database) => { cache: Cache; database: Database };
}

const LATE_MS = 100;

export const mutants: readonly Mutant[] = [
  {
    name: "nobody is told",
    break: (cache, database) => ({ cache: { ...cache, invalidate: async () => {} }, database }),
  },
  {
    name: "told after the answer",
    break: (cache, database) => ({
      cache: {
        ...cache,
        invalidate: async (scopes: readonly Scope[]) => {
          void wait(LATE_MS).then(() => cache.invalidate(scopes));
        },
      },
      database,
    }),
  },
  {
    name: "told before the commit",
    break: (cache, database) => ({
      cache: { ...cache, invalidate: async () => {} },
      database: {
        ...database,
        async query(text, values) {
          if (text.startsWith("UPDATE")) {
            await cache.invalidate([MODELS, modelScope(String(values?.[0]))]);
            await wait(LATE_MS);
          }
          return database.query(text, values);
        },
      },
    }),
  },
];

const ignore = (): void => {};

/** Like a process, but inside this one. */
export async function startMutant(
  { break: broken }: Mutant,
  environment: Readonly<Record<string, string>>,
): Promise<Registry> {
  const config = readConfig(environment);
  const metrics = createMetrics();
  const database = openDatabase(config, { ...metrics.database, connectionFailed: ignore });
  await database.withClient(applySchema);
  const cache = openCache(config, database, { ...metrics.cache, written: ignore, failed: ignore });
  const compute = openCompute({ ...config.compute, threadsMin: 0 });
  const backend = { ...broken(cache, database), compute, batchSizeRows: config.batchSizeRows };
  const server = buildServer(backend, config, metrics, pino({ level: "silent" }));
  const pool = new Pool(await server.listen({ host: "127.0.0.1", port: 0 }), { connections: 50 });
  return {
    ...clientOf(pool),
    async kill() {
      await pool.destroy();
      await server.close();
      await compute.close();
      await cache.close();
      await database.close();
    },
  };
}
