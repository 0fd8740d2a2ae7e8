// The haproxy program: found, held against a configuration, started so that it ends with this process.

import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { accessSync, constants, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { ConfigError } from "../config.ts";

const VALIDATE_TIMEOUT_MS = 10_000;
const COMPLAINT_MAX_BYTES = 4_096;
/** Of /proc; the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Throws ConfigError, which names the package, when there is none. */
export function haproxyProgram(environment: Readonly<Record<string, string | undefined>>): string {
  const found = onPath("haproxy", environment["PATH"] ?? "");
  if (found !== undefined) return found;
  throw new ConfigError(
    "GATEWAY is haproxy, and there is no haproxy on the PATH; install it (the package is called haproxy; on Debian: apt-get install haproxy) or set GATEWAY=embedded.",
  );
}

function onPath(program: string, path: string): string | undefined {
  return path
    .split(delimiter)
    .map((folder) => join(folder, program))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Throws with HAProxy's own words when it would not run with the file. */
export function validateConfig(program: string, configPath: string): void {
  const { status, stderr, error } = spawnSync(program, ["-c", "-q", "-f", configPath], {
    encoding: "utf8",
    timeout: VALIDATE_TIMEOUT_MS,
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`HAProxy refuses its configuration: ${stderr.trim()}`);
}

export type HaproxyEvents = {
  readonly logged: (line: string) => void;
  /** With what it said on stderr. */
  readonly ended: (complaint: string) => void;
};

export function startHaproxy(
  program: string,
  configPath: string,
  events: HaproxyEvents,
): ChildProcess {
  const own = [program, "-db", "-f", configPath];
  // The kernel ends it when this process dies, however that happens: it would go on holding the port.
  const guard = onPath("setpriv", process.env["PATH"] ?? "");
  const [file = program, ...args] =
    guard === undefined ? own : [guard, "--pdeathsig", "TERM", "--", ...own];
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(-COMPLAINT_MAX_BYTES);
  });
  createInterface(child.stdout).on("line", events.logged);
  let over = false;
  const end = (why: string): void => {
    if (!over) events.ended(why);
    over = true;
  };
  child.once("error", (error) => end(error.message));
  child.once("close", (code, signal) =>
    end(
      `ended with ${signal ?? `exit code ${code}`}${complaint === "" ? "" : `: ${complaint.trim()}`}`,
    ),
  );
  return child;
}

/** 0 where there is no /proc. */
export function cpuSecondsOf(pid: number | undefined): number {
  if (pid === undefined) return 0;
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold spaces.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return 0;
  }
}
