// The model registry's server program: reads its settings, listens, and ends on SIGTERM or SIGINT.

import { ConfigError, EXIT_BAD_CONFIG, readConfig } from "./config.ts";
import { startRegistry } from "./registry.ts";

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const registry = await startRegistry(config);
  const stop = (signal: NodeJS.Signals): void => {
    registry.log.info({ signal }, "shutting down");
    registry.close().then(
      (drained) => {
        if (!drained)
          registry.log.warn("requests still under way were cut off after DRAIN_TIMEOUT_MS");
        process.exit(0);
      },
      (error: unknown) => {
        registry.log.error({ err: error }, "shutdown failed");
        process.exit(1);
      },
    );
  };
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  // Written whatever LOG_LEVEL says: with PORT=0 it is how the port becomes known.
  const { port } = registry;
  process.stdout.write(
    `${JSON.stringify({ event: "listening", host: config.host, port, pid: process.pid })}\n`,
  );
}

main().catch((error: unknown) => {
  const badConfig = error instanceof ConfigError;
  const reason = error instanceof Error ? error.message || error.name : String(error);
  process.stderr.write(`registry: ${badConfig ? "" : "could not start: "}${reason}\n`);
  process.exitCode = badConfig ? EXIT_BAD_CONFIG : 1;
});
