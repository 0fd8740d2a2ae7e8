/** Runs the command line as a process, as a user does. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const root = resolve(import.meta.dirname, "../..");
export const program = join(root, "bin", "perfopt.js");

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A home of the test's own, and a folder to run in. */
export interface Place {
  readonly home: string;
  readonly folder: string;
  readonly remove: () => void;
}

export function makePlace(): Place {
  const folder = mkdtempSync(join(tmpdir(), "perfopt cli "));
  // PostgreSQL's unprivileged user has to get through it.
  const home = join(folder, "home");
  return { home, folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export function perfopt(
  place: Place,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<Ended> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      [program, ...args],
      {
        cwd: place.folder,
        env: { ...process.env, PERFOPT_HOME: place.home, CI: "true", ...env },
        timeout: 240_000,
        maxBuffer: 64 * 1024 * 1024,
      },
      (error, out, err) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
        done({ code, out, err });
      },
    );
  });
}
