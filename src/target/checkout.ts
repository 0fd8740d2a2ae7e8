/** Checkouts of commits in perfopt's home: git worktrees, kept with what was built in them, so that the next gate need not build again. */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, realpath, rm, stat, utimes } from "node:fs/promises";
import { basename, isAbsolute, join, relative, resolve, sep } from "node:path";
import { PerfoptError } from "../core/errors.ts";
import type { Command, TargetFile } from "../core/target-file.ts";
import { askGit, git, repositoryRoot, resolveCommit, type Repository } from "./git.ts";
import { exists, isMissing, makeFolder, writeDurably } from "./home.ts";
import { takeLock, type Lock } from "./lock.ts";

/** Of one repository: the base is the same for many changes, and a head is often measured again. */
const KEPT_MAX = 4;
/** Of the holder of a checkout's lock, for others to read. */
const LOCK_COMMAND = "perfopt gate";
/** Says that the worktree is complete. */
const READY = "ready.json";
const NO_HOOKS = ["-c", "core.hooksPath=/dev/null"];

export interface CheckoutOptions {
  /** Any folder of the repository's working tree, which is only read. */
  readonly repository: Repository;
  readonly ref: string;
  readonly home: string;
  readonly onProgress: (line: string) => void;
}

export interface Checkout {
  /** The top folder of the checked out files. */
  readonly directory: string;
  /** The full id. */
  readonly commit: string;
  /** Where a build's log and its mark of success lie. */
  readonly folder: string;
  /** What a build may miss here, one sentence each. */
  readonly warnings: readonly string[];
  /** Back to the files of the commit alone: whatever a build left goes. */
  readonly clean: () => Promise<void>;
  /** Lets others use it; the files stay for the next time. */
  readonly close: () => Promise<void>;
}

/** Throws bad-input for an unknown ref, cannot-measure when another perfopt works with the same commit. */
export async function checkoutRef(options: CheckoutOptions): Promise<Checkout> {
  const { repository, home } = options;
  const commit = await resolveCommit(repository, options.ref);
  const root = await realpath(await repositoryRoot(repository));
  const repositoryFolder = join(home, "checkouts", `${basename(root)}-${shortHash(root)}`);
  const folder = join(repositoryFolder, commit);
  await makeFolder(home);
  // What is checked out here may be nobody else's business.
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const lock = await share(folder);
  try {
    const directory = join(folder, `${basename(root)}-${commit.slice(0, 12)}`);
    if (!(await isReady(folder, directory, commit, repository))) {
      options.onProgress(`checking out ${commit.slice(0, 12)} (${options.ref})`);
      await checkOut(folder, directory, commit, repository);
    }
    const now = new Date();
    await utimes(join(folder, READY), now, now);
    await prune(repositoryFolder, repository);
    const inside = { ...repository, directory };
    return {
      directory,
      commit,
      folder,
      warnings: await warningsOf(directory, inside),
      clean: async () => {
        await git(inside, [...NO_HOOKS, "reset", "--quiet", "--hard", commit]);
        await git(inside, ["clean", "--quiet", "-ffdx"]);
      },
      close: () => lock.release(),
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Checkouts of this process: both sides of a self-test are the same commit. */
const held = new Map<string, { users: number; readonly lock: Promise<Lock> }>();

async function share(folder: string): Promise<Pick<Lock, "release">> {
  const entry = held.get(folder) ?? { users: 0, lock: takeLock(folder, LOCK_COMMAND) };
  held.set(folder, entry);
  entry.users += 1;
  let released = false;
  const release = async () => {
    if (released) return;
    released = true;
    entry.users -= 1;
    if (entry.users > 0) return;
    held.delete(folder);
    await (await entry.lock).release();
  };
  try {
    await entry.lock;
  } catch (error) {
    held.delete(folder);
    throw error;
  }
  return { release };
}

async function isReady(
  folder: string,
  directory: string,
  commit: string,
  repository: Repository,
): Promise<boolean> {
  if (!(await exists(join(folder, READY))) || !(await exists(directory))) return false;
  // A repository that was cloned anew in the same place knows nothing of it.
  const head = await askGit({ ...repository, directory }, ["rev-parse", "HEAD"]);
  return head.ok && head.output === commit;
}

async function checkOut(
  folder: string,
  directory: string,
  commit: string,
  repository: Repository,
): Promise<void> {
  await removeWorktree(folder, directory, repository);
  await git(repository, [
    ...NO_HOOKS,
    "worktree",
    "add",
    "--force",
    "--detach",
    "--quiet",
    directory,
    commit,
  ]);
  await writeDurably(join(folder, READY), JSON.stringify({ commit }));
}

/** Only this one: `git worktree prune` would forget the user's own worktrees on disks that are not there now. */
async function removeWorktree(
  folder: string,
  directory: string,
  repository: Repository,
): Promise<void> {
  await rm(join(folder, READY), { force: true });
  // It fails for one that git does not know, which is as good.
  await askGit(repository, ["worktree", "remove", "--force", "--force", directory]);
  await rm(directory, { recursive: true, force: true });
}

/** Removes the checkouts that were used least lately, but none that is in use. */
async function prune(repositoryFolder: string, repository: Repository): Promise<void> {
  const found: { readonly folder: string; readonly usedMs: number }[] = [];
  for (const name of await readdir(repositoryFolder)) {
    const folder = join(repositoryFolder, name);
    found.push({ folder, usedMs: await usedMs(folder) });
  }
  const surplus = found.toSorted((left, right) => right.usedMs - left.usedMs).slice(KEPT_MAX);
  for (const { folder } of surplus) {
    // Held by nobody else from here on; it goes with the folder.
    const free = await takeLock(folder, LOCK_COMMAND).then(
      () => true,
      () => false,
    );
    if (!free) continue;
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) await removeWorktree(folder, join(folder, entry.name), repository);
    }
    await rm(folder, { recursive: true, force: true });
  }
}

async function usedMs(folder: string): Promise<number> {
  try {
    return (await stat(join(folder, READY))).mtimeMs;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

async function warningsOf(directory: string, inside: Repository): Promise<readonly string[]> {
  const warnings: string[] = [];
  if (await exists(join(directory, ".gitmodules"))) {
    warnings.push(
      `submodules are not checked out in ${directory}: add \`git submodule update --init\` to service.build`,
    );
  }
  const attributes = await readFile(join(directory, ".gitattributes"), "utf8").catch(() => "");
  if (/\bfilter=lfs\b/.test(attributes) && !(await askGit(inside, ["lfs", "version"])).ok) {
    warnings.push(
      `git-lfs is not installed, so that large files in ${directory} are pointers to them`,
    );
  }
  return warnings;
}

function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}

/**
 * The target with its start, build and migration in another copy of a repository: folders below `from` become those below `to`.
 * Absolute paths among arguments stay. Throws bad-input when the service does not run inside `from`.
 */
export function targetIn(targetFile: TargetFile, from: string, to: string): TargetFile {
  const { service } = targetFile;
  const moved = (command: Command, name: string): Command => {
    const way = relative(resolve(from), resolve(command.directory));
    if (way === ".." || way.startsWith(`..${sep}`) || isAbsolute(way)) {
      throw new PerfoptError(
        "bad-input",
        `${targetFile.path}: ${name} runs in ${command.directory}, outside of ${from}, so that a checkout has no version of it`,
        "give two directories or commands instead of refs, or keep the service in the repository",
      );
    }
    return { ...command, directory: join(to, way) };
  };
  return {
    ...targetFile,
    service: {
      ...service,
      start: moved(service.start, "service.start"),
      ...(service.build
        ? { build: service.build.map((command) => moved(command, "service.build")) }
        : {}),
      ...(service.migrate ? { migrate: moved(service.migrate, "service.migrate") } : {}),
    },
  };
}
