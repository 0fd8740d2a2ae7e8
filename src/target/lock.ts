/** One perfopt at a time works with a cluster or a checkout: a lock file that names its holder, taken over when the holder is gone. */
import { randomUUID } from "node:crypto";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PerfoptError } from "../core/errors.ts";
import { isMissing, makeFolder } from "./home.ts";
import { isAlive, startTicksOf, type ProcessIdentity } from "./proc.ts";

const TRIES = 10;

interface Holder extends ProcessIdentity {
  readonly command: string;
}

export interface Lock {
  /** From now on another process holds it: what perfopt leaves running in the background. */
  transfer(holder: ProcessIdentity, command: string): Promise<void>;
  release(): Promise<void>;
}

/** Throws PerfoptError that names the living holder, if there is one. */
export async function takeLock(folder: string, command: string): Promise<Lock> {
  await makeFolder(folder);
  const path = join(folder, "lock.json");
  const own = await claim(process.pid, command);
  for (let tries = 0; tries < TRIES; tries += 1) {
    if (await create(path, own)) return lockOf(path);
    const found = await read(path);
    if (found === undefined) continue;
    const holder = parse(found);
    if (holder && (await isAlive(holder))) throw held(folder, holder);
    await removeStale(path, found);
  }
  throw new PerfoptError(
    "cannot-measure",
    `the lock ${path} could not be taken: other processes take and release it all the time`,
    "wait until they have ended, and run this again",
  );
}

/** Who holds a folder's lock, alive; undefined when nobody does. */
export async function lockHolder(folder: string): Promise<number | undefined> {
  const text = await read(join(folder, "lock.json"));
  const holder = text === undefined ? undefined : parse(text);
  return holder && (await isAlive(holder)) ? holder.pid : undefined;
}

async function claim(pid: number, command: string): Promise<string> {
  const holder: Holder = { pid, startTicks: (await startTicksOf(pid)) ?? "unknown", command };
  return JSON.stringify(holder);
}

function lockOf(path: string): Lock {
  return {
    transfer: async (holder, command) => {
      const beside = `${path}.${randomUUID()}`;
      await writeFile(beside, JSON.stringify({ ...holder, command }));
      await rename(beside, path);
    },
    release: () => rm(path, { force: true }),
  };
}

/** A link appears with its whole content at once, and only when there was none. */
async function create(path: string, text: string): Promise<boolean> {
  const beside = `${path}.${randomUUID()}`;
  await writeFile(beside, text);
  try {
    await link(beside, path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(beside, { force: true });
  }
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function parse(text: string): Holder | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return undefined;
    if (!("pid" in value) || !("startTicks" in value) || !("command" in value)) return undefined;
    const { pid, startTicks, command } = value;
    if (typeof pid !== "number" || typeof startTicks !== "string") return undefined;
    return { pid, startTicks, command: String(command) };
  } catch {
    return undefined;
  }
}

/** Two may find the same stale lock; the slower one must not remove the lock that the faster one has taken. */
async function removeStale(path: string, stale: string): Promise<void> {
  const aside = `${path}.stale.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  const moved = await read(aside);
  if (moved !== undefined && moved !== stale) await create(path, moved);
  await rm(aside, { force: true });
}

function held(folder: string, holder: Holder): PerfoptError {
  return new PerfoptError(
    "cannot-measure",
    `${folder} is in use by process ${holder.pid} (${holder.command})`,
    holder.command === UP_COMMAND
      ? "run `perfopt target down` first"
      : `wait until it has ended, or stop it (kill ${holder.pid})`,
  );
}

export const UP_COMMAND = "perfopt target up";
