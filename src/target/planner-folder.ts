/** A folder that is gone when its perfopt is gone, with the server that works in it, however perfopt ended. */
import { spawn, type ChildProcess } from "node:child_process";
import { chmod, mkdtemp, readdir, readFile, readlink, realpath, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { PerfoptError } from "../core/errors.ts";
import { checkReachable, isMissing, makeFolder, runsAsRoot, type Environment } from "./home.ts";
import { commandLineOf, findWorkingIn, startTicksOf } from "./proc.ts";
import { stopLeftover } from "./postgres-server.ts";
import { stopProcess } from "./process.ts";
import { REDIS_PROGRAMS, REDIS_STOP } from "./redis-server.ts";

/** Of a Redis that works in the folder's `server`, as its `pidfile` setting says. */
export const REDIS_PID_FILE = "redis.pid";

/** Another machine's processes cannot be seen: what shares this home with it and is older than this was left behind. */
const FOREIGN_AGE_MS = 24 * 60 * 60_000;

export interface PlannerFolder {
  readonly path: string;
  /** Where a PostgreSQL or a Redis server may work: `pgdata` in it, or what REDIS_PID_FILE names, is stopped with the folder. */
  readonly server: string;
  /** Safe to call more than once; the server has to be stopped before. */
  readonly remove: () => Promise<void>;
}

/** Sweeps what dead perfopts left, then makes a folder of this one's own in perfopt's home. */
export async function openPlannerFolder(
  home: string,
  environment: Environment | undefined,
): Promise<PlannerFolder> {
  const parent = join(home, "planner");
  await makeFolder(parent);
  await checkReachable(parent);
  await sweep(parent);
  const path = await mkdtemp(join(parent, `${await ownPrefix()}-`));
  const server = join(path, "server");
  const guard = await startGuard(path, environment).catch(async (error: unknown) => {
    await rm(path, { recursive: true, force: true });
    throw error;
  });
  const remove = async () => {
    await rm(path, { recursive: true, force: true });
    guard.kill("SIGKILL");
  };
  try {
    // The server's own user has to get through; its data folder lets in nobody else.
    if (runsAsRoot()) await chmod(path, 0o755);
    return { path, server, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Names the owner: machine, process and when it started, since process ids come again. */
async function ownPrefix(): Promise<string> {
  return prefixOf(process.pid, (await startTicksOf(process.pid)) ?? "unknown");
}

function prefixOf(pid: number, startTicks: string): string {
  return `of-${plain(hostname())}-${pid}-${plain(startTicks)}`;
}

function plain(text: string): string {
  return text.replaceAll(/[^\w.]+/g, "_");
}

async function sweep(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const path = join(parent, name);
    try {
      if (!name.startsWith("of-") || (await isOwned(name, path))) continue;
      await stopLeftover(join(path, "server"));
      await stopLeftoverRedis(path);
      await rm(path, { recursive: true, force: true });
    } catch {
      // Another user's, or another perfopt sweeps it too: what is left hinders nobody, and the next start tries again.
    }
  }
}

/** Where the guard was killed too, a Redis runs on: the one that the pid file names, and any that had not written it yet. */
async function stopLeftoverRedis(path: string): Promise<void> {
  const folder = await realpath(path);
  const noted = await notedPid(join(folder, "server", REDIS_PID_FILE));
  const found = new Set(await findWorkingIn(folder, REDIS_PROGRAMS));
  if (noted !== undefined && (await isAtWorkIn(folder, noted))) found.add(noted);
  for (const pid of found) {
    const startTicks = await startTicksOf(pid);
    if (startTicks !== undefined) await stopProcess({ pid, startTicks }, REDIS_STOP);
  }
}

async function notedPid(file: string): Promise<number | undefined> {
  try {
    const pid = Number.parseInt(await readFile(file, "utf8"), 10);
    return pid > 0 ? pid : undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Process ids come again: another's process is left alone. */
async function isAtWorkIn(folder: string, pid: number): Promise<boolean> {
  const place = await readlink(`/proc/${pid}/cwd`).catch(() => "");
  return place.startsWith(`${folder}/`) || (await commandLineOf(pid)).includes(`${folder}/`);
}

async function isOwned(name: string, path: string): Promise<boolean> {
  if (!name.startsWith(`of-${plain(hostname())}-`)) return (await ageMs(path)) < FOREIGN_AGE_MS;
  const pid = Number(/-(\d+)-[^-]*-[^-]*$/.exec(name)?.[1]);
  const startTicks = await startTicksOf(pid);
  return startTicks !== undefined && name.startsWith(`${prefixOf(pid, startTicks)}-`);
}

async function ageMs(path: string): Promise<number> {
  try {
    return Date.now() - (await stat(path)).mtimeMs;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

/**
 * Reads from perfopt until perfopt is gone, by whatever signal, then ends the server and removes the folder. The process
 * behind postmaster.pid is ended only when its command line names the folder or its working directory is there. Without `ps` the server ends by itself within
 * a minute, when it misses its lock file (RecheckDataDirLockFile in miscinit.c).
 */
const GUARD = `
while read -r line; do :; done
for file in "$1/server/pgdata/postmaster.pid" "$1/server/${REDIS_PID_FILE}"; do
  if read -r pid < "$file"; then
    case "$(ps -o args= -p "$pid") $(readlink "/proc/$pid/cwd")" in *"$1"*)
      kill -QUIT "$pid"
      case "$file" in */${REDIS_PID_FILE}) kill -TERM "$pid";; esac
      tries=0
      while kill -0 "$pid" && [ "$tries" -lt 50 ]; do tries=$((tries + 1)); sleep 0.1; done
    esac
  fi
done
rm -rf -- "$1"
` as const;

/** In a group of its own, so that Ctrl-C on the terminal does not reach it. */
function startGuard(path: string, environment: Environment | undefined): Promise<ChildProcess> {
  const guard = spawn("sh", ["-c", GUARD, "perfopt-guard", path], {
    cwd: "/",
    env: { PATH: environment?.["PATH"] ?? "/usr/local/bin:/usr/bin:/bin" },
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  guard.unref();
  if ("unref" in guard.stdin && typeof guard.stdin.unref === "function") guard.stdin.unref();
  return new Promise((resolve, reject) => {
    guard.once("spawn", () => resolve(guard));
    guard.once("error", (cause) =>
      reject(
        new PerfoptError(
          "cannot-measure",
          "no `sh` could be started to watch over the planner's server",
          "check that /bin/sh is there and that the system lets perfopt start processes",
          { cause },
        ),
      ),
    );
  });
}
