/** Starting and stopping processes without a shell, each in its own group, with its output in a file. */
import { spawn, type ChildProcess } from "node:child_process";
import { open, type FileHandle } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { messageOf, PerfoptError, redactSecrets } from "../core/errors.ts";
import type { Command } from "../core/target-file.ts";
import { isMissing, type Environment } from "./home.ts";
import { isAlive, startTicksOf, type ProcessIdentity } from "./proc.ts";

/** The variable by which rollback finds a process whose id did not reach the journal before a crash. */
export const RESOURCE_VARIABLE = "PERFOPT_RESOURCE";

const POLL_MS = 25;
const KILL_TIMEOUT_MS = 5_000;
const TAIL_BYTES = 16_384;
const TAIL_LINES = 15;

export interface StartOptions {
  readonly command: Command;
  readonly env: Environment;
  readonly logPath: string;
  readonly title: string;
  readonly resourceId?: string;
  /** To run as another user. */
  readonly user?: { readonly uid: number; readonly gid: number };
}

export interface RunningProcess extends ProcessIdentity {
  readonly title: string;
  readonly logPath: string;
  /** How it ended, for a sentence: "exit code 1", "signal SIGKILL"; undefined while it runs. */
  ended(): string | undefined;
  /** Resolves with the same words when it ends; never rejects. */
  readonly ending: Promise<string>;
  /** Lets perfopt exit while the process goes on. */
  release(): void;
}

/**
 * Starts a process as leader of its own group: a Ctrl-C on the terminal reaches perfopt alone, which undoes its changes
 * while the stores still run.
 */
export async function startProcess(options: StartOptions): Promise<RunningProcess> {
  const log = await open(options.logPath, "a", 0o600);
  try {
    const child = launch(options, log);
    const ending = endingOf(child);
    await started(child, options);
    const pid = child.pid ?? 0;
    let ended: string | undefined;
    const remembered = ending.then((words) => (ended = words));
    return {
      pid,
      // A process that is gone already has no start time left to read; its ending says so.
      startTicks: (await startTicksOf(pid)) ?? "gone",
      title: options.title,
      logPath: options.logPath,
      ended: () => ended,
      ending: remembered,
      release: () => child.unref(),
    };
  } finally {
    await log.close();
  }
}

function launch(options: StartOptions, log: FileHandle): ChildProcess {
  const { command } = options;
  const mark = options.resourceId === undefined ? {} : { [RESOURCE_VARIABLE]: options.resourceId };
  return spawn(command.program, command.args, {
    cwd: command.directory,
    env: { ...options.env, ...mark },
    stdio: ["ignore", log.fd, log.fd],
    detached: true,
    ...options.user,
  });
}

function endingOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) =>
      resolve(signal === null ? `exit code ${code}` : `signal ${signal}`),
    );
    child.once("error", (error) => resolve(messageOf(error)));
  });
}

function started(child: ChildProcess, options: StartOptions): Promise<void> {
  const { program, directory } = options.command;
  return new Promise((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (cause) => {
      reject(
        new PerfoptError(
          "bad-input",
          `${options.title} could not be started: ${program} in ${directory}: ${messageOf(cause)}`,
          "check that the program is installed, on the PATH, and that its folder exists",
          { cause },
        ),
      );
    });
  });
}

export interface StopOptions {
  readonly signals: readonly NodeJS.Signals[];
  /** For each signal but the last, which is SIGKILL. */
  readonly timeoutMs: number;
}

/** Signals a process's group until it is gone: each signal in turn, SIGKILL at last. Safe for one that is gone. */
export async function stopProcess(identity: ProcessIdentity, options: StopOptions): Promise<void> {
  for (const signal of options.signals) {
    if (!(await isAlive(identity))) break;
    signalGroup(identity.pid, signal);
    if (await goneWithin(identity, options.timeoutMs)) break;
  }
  const stillThere = await isAlive(identity);
  if (stillThere) signalGroup(identity.pid, "SIGKILL");
  if (!(await goneWithin(identity, KILL_TIMEOUT_MS))) {
    throw new PerfoptError(
      "dirty-target",
      `process ${identity.pid} did not end, not even by SIGKILL`,
      `end it by hand (kill -9 ${identity.pid}), then run \`perfopt rollback\``,
    );
  }
}

/** The group, so that a service's own children go too; a group that is gone needs nothing. */
function signalGroup(pid: number, signal: NodeJS.Signals): void {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, signal);
      return;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
    }
  }
}

async function goneWithin(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (await isAlive(identity)) {
    if (performance.now() > deadline) return false;
    await delay(POLL_MS);
  }
  return true;
}

/** The last lines of a log, with secrets hidden, to put below an error message. */
export async function logTail(path: string): Promise<string> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (isMissing(error)) return "(no log)";
    throw error;
  }
  try {
    const { size } = await file.stat();
    const length = Math.min(size, TAIL_BYTES);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    const lines = buffer.toString("utf8").trimEnd().split("\n").slice(-TAIL_LINES);
    return redactSecrets(lines.join("\n")) || "(the log is empty)";
  } finally {
    await file.close();
  }
}
