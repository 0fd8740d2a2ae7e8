// The model registry's server program: reads its settings, listens, and ends on SIGTERM or SIGINT. With PROCESSES above 1 it supervises that many of itself.

import { fileURLToPath } from "node:url";
import { ConfigError, EXIT_BAD_CONFIG, readConfig } from "./config.ts";
import { ChildFailedError } from "./gateway/children.ts";
import { supervise } from "./gateway/supervisor.ts";
import { stopIn, tellListening, workerNumber } from "./gateway/worker-process.ts";
import { startRegistry } from "./registry.ts";

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const worker = workerNumber();
  const alone = worker !== undefined || config.gateway.processes === 1;
  const registry = alone
    ? await startRegistry(config)
    : await supervise(config, fileURLToPath(import.meta.url));
  let stopping = false;
  const stop = (why: string, drainTimeoutMs = config.drainTimeoutMs): void => {
    if (stopping) return;
    stopping = true;
    registry.log.info({ signal: why }, "shutting down");
    registry.close(drainTimeoutMs).then(
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
  process.once("SIGTERM", () => stop("SIGTERM"));
  if (worker !== undefined) return work(registry.port, stop);
  process.once("SIGINT", () => stop("SIGINT"));
  // Written whatever LOG_LEVEL says: with PORT=0 it is how the port becomes known.
  const { port } = registry;
  process.stdout.write(
    `${JSON.stringify({ event: "listening", host: config.host, port, pid: process.pid })}\n`,
  );
}

/** A supervisor's process ends when told to, and when there is nobody left to tell it. */
function work(port: number, stop: (why: string, drainTimeoutMs?: number) => void): void {
  const orphaned = (): void => stop("the supervisor is gone");
  if (!process.connected) return orphaned();
  process.once("disconnect", orphaned);
  process.on("message", (message) => {
    const drainTimeoutMs = stopIn(message);
    if (drainTimeoutMs !== undefined) stop("the supervisor ends", drainTimeoutMs);
  });
  tellListening(port);
}

// Ctrl-C reaches every process of a terminal, and the supervisor decides; from the start, which takes longer than a finger.
if (workerNumber() !== undefined) process.on("SIGINT", () => undefined);

main().catch((error: unknown) => {
  const badConfig = error instanceof ConfigError;
  const reason = error instanceof Error ? error.message || error.name : String(error);
  process.stderr.write(`registry: ${badConfig ? "" : "could not start: "}${reason}\n`);
  const childCode = error instanceof ChildFailedError ? error.exitCode : undefined;
  process.exitCode = badConfig ? EXIT_BAD_CONFIG : (childCode ?? 1);
});
