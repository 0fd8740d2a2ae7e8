/** Runs a scratch Redis in a process of its own, so that a test can kill it: home. Prints what it is, then waits. */
import { once } from "node:events";
import { withScratchRedis } from "../../src/target/scratch-redis.ts";
import { neverAborted } from "../integration/stores.ts";

const [home = ""] = process.argv.slice(2);
await withScratchRedis(
  { home, environment: process.env, signal: neverAborted },
  async ({ process: { pid, logPath } }) => {
    process.stdout.write(`${JSON.stringify({ pid, logPath })}\n`);
    setInterval(() => {}, 60_000);
    await once(process, "never");
  },
);
