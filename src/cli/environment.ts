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
const NOT_KNOWN = "not known";

/** Without a source: of a service that runs elsewhere, whose stores' versions nobody told. */
export async function environmentFacts(
  context: Context,
  source: Source | undefined,
): Promise<EnvironmentFacts> {
  return {
    perfopt: context.version,
    node: process.versions.node,
    platform: `${type()} ${release()} ${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    postgres: source?.postgresVersion ?? NOT_KNOWN,
    redis: source ? await redisVersion(context).catch(() => NOT_KNOWN) : NOT_KNOWN,
    gitCommit: await gitCommit(context, context.directory),
  };
}

async function redisVersion(context: Context): Promise<string> {
  const { stdout } = await run(await findRedis(context.env), ["--version"], {
    timeout: TIMEOUT_MS,
  });
  return /v=([\d.]+)/.exec(stdout)?.[1] ?? stdout.trim();
}

/** The short commit of a folder; absent outside of a repository. */
export async function gitCommit({ env }: Context, directory: string): Promise<string | undefined> {
  try {
    const { stdout } = await run("git", ["rev-parse", "--short", "HEAD"], {
      cwd: directory,
      env: { ...env },
      timeout: TIMEOUT_MS,
    });
    return stdout.trim();
  } catch {
    return undefined;
  }
}
