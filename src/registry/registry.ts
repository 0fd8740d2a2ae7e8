// Opens everything one registry process needs and closes it again in order.

import type { FastifyInstance } from "fastify";
import pino from "pino";
import type { Logger } from "pino";
import { createCacheTracer } from "../tracer/tracer.ts";
import { entityPrefix } from "./cache/keys.ts";
import { openCache } from "./cache/read-through.ts";
import { traceReads } from "./cache/trace.ts";
import type { RegistryConfig } from "./config.ts";
import { openDatabase } from "./database.ts";
import type { Backend } from "./endpoint.ts";
import { createMetrics } from "./metrics.ts";
import { observeRuntime } from "./runtime-metrics.ts";
import { applySchema } from "./schema.ts";
import { buildServer } from "./server.ts";
import { warmUp } from "./warm-up.ts";

export type RunningRegistry = {
  readonly server: FastifyInstance;
  readonly backend: Backend;
  readonly log: Logger;
  readonly port: number;
  /** Stops accepting, lets requests under way end within drainTimeoutMs, and closes the stores. False if some were cut off. */
  readonly close: () => Promise<boolean>;
};

// A Redis that is down fails every request's lookup; saying so once in a while is enough.
const REPEATED_WARNING_MS = 10_000;

/** Applies the schema, warms the cache if asked, and listens. Throws if PostgreSQL does not answer. */
export async function startRegistry(config: RegistryConfig): Promise<RunningRegistry> {
  const log = pino({ level: config.logLevel });
  const warnSometimes = rateLimited(REPEATED_WARNING_MS, (error: unknown) => {
    log.warn(
      { err: error },
      "the cache or an idle database connection failed; requests go on without it",
    );
  });
  const metrics = createMetrics();
  const database = openDatabase(config, { ...metrics.database, connectionFailed: warnSometimes });
  const tracer = createCacheTracer({ prefixOf: entityPrefix });
  const tiers = openCache(config, database, {
    ...metrics.cache,
    written: (scopes) => tracer.invalidated(scopes),
    failed: warnSometimes,
  });
  const cache = traceReads(tiers, tracer, config.cacheL2TtlMs);
  const backend: Backend = { database, cache, batchSizeRows: config.batchSizeRows };
  const server = buildServer(backend, config, metrics, log);
  const stopObserving = observeRuntime(metrics.registry);
  metrics.watch({
    poolState: database.poolState,
    memoryBytes: cache.memoryBytes,
    untold: cache.untold,
  });
  const closeStores = async (): Promise<void> => {
    stopObserving();
    await cache.close();
    await tracer.close();
    await database.close();
  };
  try {
    await database.withClient(applySchema);
    await openMinimum(backend, config.poolMin);
    if (config.cacheWarmUp) {
      await cache.started();
      log.info({ reads: await warmUp(backend) }, "cache warmed");
    }
    await server.listen({
      host: config.host,
      port: config.port,
      listenTextResolver: (address) => `registry listening at ${address}`,
    });
  } catch (error) {
    await server.close();
    await closeStores();
    throw error;
  }
  const address = server.server.address();
  return {
    server,
    backend,
    log,
    port: typeof address === "object" && address !== null ? address.port : config.port,
    async close() {
      const drained = await drain(server, config.drainTimeoutMs);
      await closeStores();
      return drained;
    },
  };
}

/** The pool opens connections when they are asked for, so those of POOL_MIN are asked for at once. */
async function openMinimum(backend: Backend, connections: number): Promise<void> {
  // Each is held until all are there, or one connection would serve every request for it.
  const held: (() => void)[] = [];
  const hold = (): Promise<void> =>
    backend.database.withClient(
      () =>
        new Promise((resolve) => {
          held.push(resolve);
          if (held.length === connections) for (const release of held) release();
        }),
    );
  await Promise.all(Array.from({ length: connections }, hold));
}

async function drain(server: FastifyInstance, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  const closing = server.close().then(() => true as const);
  const drained = await Promise.race([closing, late]);
  clearTimeout(timer);
  if (!drained) {
    server.server.closeAllConnections();
    await closing;
  }
  return drained;
}

function rateLimited<T>(everyMs: number, action: (value: T) => void): (value: T) => void {
  let nextMs = 0;
  return (value) => {
    if (performance.now() < nextMs) return;
    nextMs = performance.now() + everyMs;
    action(value);
  };
}
