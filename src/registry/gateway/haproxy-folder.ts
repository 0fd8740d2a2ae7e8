// HAProxy's folder under the system's temporary one, and what is left of those whose supervisor was killed.

import { lstat, mkdtemp, readFile, readdir, readlink, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PREFIX = "registry-haproxy-";
const OWNER = "owner";
export const STATS_SOCKET = "stats";
const ANSWER_TIMEOUT_MS = 1_000;
/** Of what follows the name in /proc/PID/stat: when the process started, in ticks since the machine did. */
const START_FIELD = 19;

/** Removes those that are left, and makes one with a note in it that says whose it is; without /proc there is none, and the folder is never taken for a left one. */
export async function makeFolder(): Promise<string> {
  await removeLeftFolders();
  const folder = await mkdtemp(join(tmpdir(), PREFIX));
  const owner = await describe(process.pid).catch(() => undefined);
  if (owner !== undefined) await writeFile(join(folder, OWNER), owner, { mode: 0o600 });
  return folder;
}

/** Removes this user's folders whose supervisor has ended and whose HAProxy does not answer. What is in doubt stays. */
export async function removeLeftFolders(): Promise<void> {
  const names = await readdir(tmpdir()).catch(() => []);
  const folders = names.filter((name) => name.startsWith(PREFIX));
  await Promise.all(folders.map((name) => removeIfLeft(join(tmpdir(), name)).catch(nothing)));
}

function nothing(): void {
  // A folder that stays is no reason not to start.
}

async function removeIfLeft(folder: string): Promise<void> {
  const about = await lstat(folder);
  if (!about.isDirectory() || about.uid !== process.getuid?.()) return;
  const noted = await readFile(join(folder, OWNER), "utf8");
  const pid = Number(noted.split(" ", 1)[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0) return;
  // Another container may share the folder but not the numbers of processes.
  if (noted.split(" ")[1] !== (await namespace())) return;
  const now = await describe(pid).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  });
  if (now === noted || (await answers(join(folder, STATS_SOCKET)))) return;
  await rm(folder, { recursive: true, force: true });
}

/** The same for as long as it is the same process: numbers are used again. */
async function describe(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The name, in parentheses, may hold spaces.
  const started = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[START_FIELD];
  return `${pid} ${await namespace()} ${started}`;
}

/** Of this machine's run and of its process numbers. */
async function namespace(): Promise<string> {
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8");
  return `${boot.trim()}/${await readlink("/proc/self/ns/pid")}`;
}

/** Whether somebody listens there; in doubt, yes. */
function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    const settle = (answer: boolean): void => {
      resolve(answer);
      socket.destroy();
    };
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => settle(true));
    socket.once("connect", () => settle(true));
    socket.once("error", (error) => {
      const code = codeOf(error);
      settle(code !== "ENOENT" && code !== "ECONNREFUSED");
    });
  });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
