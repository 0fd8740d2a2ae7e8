// Opens everything one registry process needs and closes it again in order.

import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import type { RegistryConfig } from "./config.ts";
import type { Backend } from "./endpoint.ts";
import { openParts } from "./parts.ts";
import { applySchema } from "./schema.ts";
import { buildServer } from "./server.ts";
import { warmUp } from "./warm-up.ts";

export type RunningRegistry = {
  readonly server: FastifyInstance;
  readonly backend: Backend;
  readonly log: Logger;
  readonly port: number;
  /** Stops accepting, lets requests and jobs under way end within drainTimeoutMs (of the settings when not given), and closes the stores. False if some were cut off. */
  readonly close: (drainTimeoutMs?: number) => Promise<boolean>;
};

/** Applies the schema, warms the cache if asked, and listens. Throws if PostgreSQL does not answer. */
export async function startRegistry(config: RegistryConfig): Promise<RunningRegistry> {
  const { backend, metrics, log, close } = openParts(config);
  const { database, cache, jobs } = backend;
  const server = buildServer(backend, config, metrics, log);
  try {
    await database.withClient(applySchema);
    await openMinimum(backend, config.poolMin);
    await jobs.start();
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
    await close();
    throw error;
  }
  const address = server.server.address();
  return {
    server,
    backend,
    log,
    port: typeof address === "object" && address !== null ? address.port : config.port,
    async close(drainTimeoutMs = config.drainTimeoutMs) {
      const [drained] = await Promise.all([
        drain(server, drainTimeoutMs),
        jobs.stopServing(drainTimeoutMs),
      ]);
      await close();
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
