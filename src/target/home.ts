/** Where perfopt keeps what outlives a run: PostgreSQL's binaries, seeded clusters, what was applied, the list of runs. */
import { lstat, mkdir, open, readdir, rename, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { PerfoptError } from "../core/errors.ts";

/** Environment variables as a command line got them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * PERFOPT_HOME, or a cache folder. For root that is not below /root: PostgreSQL refuses to run as root, and the
 * unprivileged user that runs it instead cannot enter /root.
 */
export function perfoptHome(env: Environment, root = runsAsRoot()): string {
  const given = env["PERFOPT_HOME"];
  if (given) return given;
  if (root) return "/var/cache/perfopt";
  const cache = env["XDG_CACHE_HOME"];
  return cache ? join(cache, "perfopt") : join(env["HOME"] ?? homedir(), ".cache", "perfopt");
}

export function runsAsRoot(): boolean {
  return process.getuid?.() === 0;
}

export function targetFolder(home: string, name: string): string {
  return join(home, "targets", name);
}

/** Makes a folder that PostgreSQL's unprivileged user may enter. */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o755 });
}

/** When root, checks that another user can reach a folder: the mode bits of it and of every folder above it. */
export async function checkReachable(path: string): Promise<void> {
  if (!runsAsRoot()) return;
  for (let folder = path; ; folder = dirname(folder)) {
    const { mode } = await stat(folder);
    if ((mode & 0o001) === 0) {
      throw new PerfoptError(
        "bad-input",
        `${folder} is closed to other users, so PostgreSQL, which never runs as root, cannot work in ${path}`,
        "set PERFOPT_HOME to a folder that everyone can enter, for example /var/cache/perfopt",
      );
    }
    if (folder === dirname(folder)) return;
  }
}

/** Replaces a file so that after a crash it is wholly the old one or wholly the new one. */
export async function writeDurably(path: string, text: string, mode = 0o644): Promise<void> {
  const beside = `${path}.${process.pid}.new`;
  const file = await open(beside, "w", mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(beside, path);
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Bytes of all files below a folder; 0 when there is none. */
export async function folderBytes(path: string): Promise<number> {
  let total = 0;
  for (const entry of await entriesOf(path)) {
    const below = join(path, entry.name);
    if (entry.isDirectory()) total += await folderBytes(below);
    else total += await bytesOf(below);
  }
  return total;
}

async function entriesOf(path: string) {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** A running server removes files while they are counted. */
async function bytesOf(path: string): Promise<number> {
  try {
    return (await lstat(path)).size;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
