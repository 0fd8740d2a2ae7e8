// A process that only works on jobs: as many at a time as JOB_WORKERS says, beside whatever processes answer requests.

import { createServer } from "node:http";
import type { Server } from "node:http";
import { once } from "node:events";
import { ConfigError, EXIT_BAD_CONFIG, readConfig } from "./config.ts";
import type { RegistryConfig } from "./config.ts";
import { openParts } from "./parts.ts";
import type { Parts } from "./parts.ts";
import { applySchema } from "./schema.ts";

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const parts = openParts(config);
  const { jobs, database } = parts.backend;
  // Several workers on one machine cannot all listen on the default port: the page is for those who ask for one.
  const page = process.env["PORT"] ? await servePage(config, parts) : undefined;
  await database.withClient(applySchema);
  await jobs.start("only for jobs");
  const stop = (signal: NodeJS.Signals): void => {
    parts.log.info({ signal }, "shutting down");
    page?.close();
    jobs
      .stopServing(config.drainTimeoutMs)
      .then(parts.close)
      .then(
        () => process.exit(0),
        (error: unknown) => {
          parts.log.error({ err: error }, "shutdown failed");
          process.exit(1);
        },
      );
  };
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  const address = page?.address();
  const port = typeof address === "object" && address !== null ? address.port : undefined;
  process.stdout.write(
    `${JSON.stringify({ event: "working", workers: config.jobs.workers, pid: process.pid, port })}\n`,
  );
}

/** The metrics page and nothing else. */
async function servePage({ host, port }: RegistryConfig, { metrics }: Parts): Promise<Server> {
  const { registry } = metrics;
  const server = createServer((request, response) => {
    if (request.url !== "/metrics") {
      response.writeHead(404).end();
      return;
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { "content-type": registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  server.listen(port, host);
  await once(server, "listening");
  return server;
}

main().catch((error: unknown) => {
  const badConfig = error instanceof ConfigError;
  const reason = error instanceof Error ? error.message || error.name : String(error);
  process.stderr.write(`registry worker: ${badConfig ? "" : "could not start: "}${reason}\n`, () =>
    process.exit(badConfig ? EXIT_BAD_CONFIG : 1),
  );
});
