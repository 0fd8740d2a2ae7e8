/** Removes what a killed run left: its processes, its databases, its folders, and nothing else. */
import { realpath, rm } from "node:fs/promises";
import { relative, resolve } from "node:path";
import { messageOf, PerfoptError } from "../core/errors.ts";
import type { Resource } from "../core/event.ts";
import { CLONE_PREFIX, dropClone } from "./clone.ts";
import { findMarked, findWorkingIn, isAlive, startTicksOf, type ProcessIdentity } from "./proc.ts";
import { RESOURCE_VARIABLE, stopProcess } from "./process.ts";
import { REDIS_PROGRAMS } from "./redis-server.ts";
import { isSocketFolder } from "./socket-folder.ts";

/** Services and Redis end by SIGTERM. */
const STOP = { signals: ["SIGTERM"], timeoutMs: 10_000 } as const;

export interface RecoverOptions {
  readonly home: string;
  /** To any database of the server that holds the clones; undefined when there is none to reach. */
  readonly adminUrl: string | undefined;
}

/** Returns a sentence for each thing that was still there. Goes on after a failure, and reports all of them at the end. */
export async function removeResources(
  resources: readonly Resource[],
  options: RecoverOptions,
): Promise<readonly string[]> {
  const done: string[] = [];
  const failures: string[] = [];
  // Processes first: they hold connections to the databases and files in the folders.
  for (const resource of resources.toSorted(
    (left, right) => ORDER[left.kind] - ORDER[right.kind],
  )) {
    try {
      const sentence = await remove(resource, options);
      if (sentence !== undefined) done.push(sentence);
    } catch (error) {
      failures.push(`${resource.id}: ${messageOf(error)}`);
    }
  }
  if (failures.length === 0) return done;
  throw new PerfoptError(
    "dirty-target",
    `not everything that the run left could be removed: ${failures.join("; ")}`,
    "read the messages, then run `perfopt rollback` again",
  );
}

const ORDER = { process: 0, database: 1, directory: 2 } as const;

async function remove(resource: Resource, options: RecoverOptions): Promise<string | undefined> {
  switch (resource.kind) {
    case "process":
      return removeProcess(resource);
    case "database":
      if (!resource.name.startsWith(CLONE_PREFIX))
        throw new Error("its name is not one that perfopt gives");
      if (options.adminUrl === undefined) throw new Error("there is no server to drop it from");
      await dropClone(options.adminUrl, resource.name);
      return `database ${resource.name} is gone`;
    case "directory":
      return removeFolder(resource.path, options.home);
    default:
      return resource satisfies never;
  }
}

/**
 * Redis covers its environment, and with it the mark by which a process is found whose id is unknown; but it works in the
 * run's folder.
 */
async function removeFolder(path: string, home: string): Promise<string | undefined> {
  if (!isBelow(home, path) && !isSocketFolder(path)) {
    throw new Error(`${path} is not below ${home}`);
  }
  const servers = await identitiesOf(
    await findWorkingIn(await realpath(path).catch(() => path), REDIS_PROGRAMS),
  );
  for (const server of servers) await stopProcess(server, STOP);
  await rm(path, { recursive: true, force: true });
  if (servers.length === 0) return undefined;
  return `Redis (process ${servers.map((each) => each.pid).join(", ")}) is stopped`;
}

/** A process id that now belongs to another program has another start time, and is left alone. */
async function removeProcess(
  resource: Extract<Resource, { kind: "process" }>,
): Promise<string | undefined> {
  const known = resource.pid > 0 ? [resource] : await processesOf(resource.id);
  const alive: ProcessIdentity[] = [];
  for (const each of known) {
    if (await isAlive(each)) alive.push(each);
  }
  for (const each of alive) await stopProcess(each, STOP);
  if (alive.length === 0) return undefined;
  return `${resource.title} (process ${alive.map((each) => each.pid).join(", ")}) is stopped`;
}

/** Of a process that was started right before the crash only the resource's id is known. */
async function processesOf(id: string): Promise<readonly ProcessIdentity[]> {
  return identitiesOf(await findMarked(`${RESOURCE_VARIABLE}=${id}`));
}

async function identitiesOf(pids: readonly number[]): Promise<readonly ProcessIdentity[]> {
  const found: ProcessIdentity[] = [];
  for (const pid of pids) {
    const startTicks = await startTicksOf(pid);
    if (startTicks !== undefined) found.push({ pid, startTicks });
  }
  return found;
}

function isBelow(home: string, path: string): boolean {
  const way = relative(resolve(home), resolve(path));
  return way !== "" && !way.startsWith("..") && resolve(home, way) === resolve(path);
}
