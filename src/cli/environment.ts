/** The machine and the versions that a run was made with. */
import { execFile } from "node:child_process";
import { availableParallelism, cpus, release, totalmem, type } from "node:os";
import { promisify } from "node:util";
import type { EnvironmentFacts } from "../core/event.ts";
import { findRedis } from "../target/redis-server.ts";
import type { Source } from "../target/source.ts";
import type { Context } from "./context.ts";

const run = promisify(execFile);
const TIMEOUT_MS = 5_000;

export async function environmentFacts(
  context: Context,
  source: Source,
): Promise<EnvironmentFacts> {
  return {
    perfopt: context.version,
    node: process.versions.node,
    platform: `${type()} ${release()} ${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    postgres: source.postgresVersion,
    redis: await redisVersion(context),
    gitCommit: await gitCommit(context),
  };
}

async function redisVersion(context: Context): Promise<string> {
  const { stdout } = await run(await findRedis(context.env), ["--version"], {
    timeout: TIMEOUT_MS,
  });
  return /v=([\d.]+)/.exec(stdout)?.[1] ?? stdout.trim();
}

/** Of the folder that the command ran in; absent outside of a repository. */
async function gitCommit(context: Context): Promise<string | undefined> {
  try {
    const { stdout } = await run("git", ["rev-parse", "--short", "HEAD"], {
      cwd: context.directory,
      timeout: TIMEOUT_MS,
    });
    return stdout.trim();
  } catch {
    return undefined;
  }
}
