/** What the operating system says about processes: who they are, CPU time, memory. Linux's /proc; elsewhere only identity. */
import { execFile } from "node:child_process";
import { readdir, readFile, readlink } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
const PS_TIMEOUT_MS = 5_000;
/** USER_HZ, which Linux fixes at 100 for every program that reads /proc. */
const MS_PER_TICK = 10;

/** A process id alone is reused; with the start time it names one process. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: string;
}

interface Stat {
  readonly state: string;
  readonly parent: number;
  readonly startTicks: string;
  /** Of the process itself. */
  readonly cpuMs: number;
  /** Of its children that ended and were waited for. */
  readonly reapedCpuMs: number;
}

/** When the process started, in a form that only serves comparison; undefined when there is no such living process. */
export async function startTicksOf(pid: number): Promise<string | undefined> {
  if (pid <= 0) return undefined;
  if (process.platform === "linux") {
    const stat = await statOf(pid);
    return stat && stat.state !== "Z" && stat.state !== "X" ? stat.startTicks : undefined;
  }
  try {
    const { stdout } = await run("ps", ["-o", "lstart=", "-p", String(pid)], {
      timeout: PS_TIMEOUT_MS,
    });
    return stdout.trim() || undefined;
  } catch {
    return undefined;
  }
}

export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await startTicksOf(identity.pid)) === identity.startTicks;
}

/** Program and arguments of a process, joined by blanks; empty when it is gone. */
export async function commandLineOf(pid: number): Promise<string> {
  try {
    if (process.platform === "linux") {
      return (await readFile(`/proc/${pid}/cmdline`, "utf8")).replaceAll("\0", " ");
    }
    const { stdout } = await run("ps", ["-o", "command=", "-p", String(pid)], {
      timeout: PS_TIMEOUT_MS,
    });
    return stdout;
  } catch {
    return "";
  }
}

export interface TreeUse {
  readonly cpuMs: number;
  readonly residentBytes: number;
  /** So far, voluntary and forced, of the threads that are there now. */
  readonly contextSwitches: number;
}

/** CPU time and context switches so far and memory now of a process and all its descendants; undefined where /proc is missing or it is gone. */
export async function treeUse(root: number): Promise<TreeUse | undefined> {
  const stats = await allStats();
  if (!stats.has(root)) return undefined;
  let cpuMs = 0;
  let residentBytes = 0;
  let contextSwitches = 0;
  for (const pid of membersOf(root, stats)) {
    const stat = stats.get(pid);
    cpuMs += (stat?.cpuMs ?? 0) + (stat?.reapedCpuMs ?? 0);
    residentBytes += await residentBytesOf(pid);
    contextSwitches += await contextSwitchesOf(pid);
  }
  return { cpuMs, residentBytes, contextSwitches };
}

/** A process and all its descendants. */
export async function treeOf(root: number): Promise<ReadonlySet<number>> {
  return membersOf(root, await allStats());
}

function membersOf(root: number, stats: ReadonlyMap<number, Stat>): ReadonlySet<number> {
  const members = new Set([root]);
  // Parents may be listed after their children: repeat until nothing is added.
  for (let grown = true; grown;) {
    grown = false;
    for (const [pid, stat] of stats) {
      if (members.has(pid) || !members.has(stat.parent)) continue;
      members.add(pid);
      grown = true;
    }
  }
  return members;
}

/** A process's parent, its parent and so on. */
export async function ancestorsOf(pid: number): Promise<readonly number[]> {
  const found: number[] = [];
  for (let stat = await statOf(pid); stat && stat.parent > 0; stat = await statOf(stat.parent)) {
    found.push(stat.parent);
  }
  return found;
}

/** Of these processes together, now; those that are gone have none. */
export async function residentBytes(pids: readonly number[]): Promise<number> {
  let bytes = 0;
  for (const pid of pids) bytes += await residentBytesOf(pid);
  return bytes;
}

/** From `status`, which counts in kB: the page size that `stat` counts in differs between machines. */
async function residentBytesOf(pid: number): Promise<number> {
  try {
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Of a process's threads: `status` of the process itself counts the first thread alone. Those of threads that ended are lost. */
async function contextSwitchesOf(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  let switches = 0;
  for (const thread of threads) {
    const status = await readFile(`/proc/${pid}/task/${thread}/status`, "utf8").catch(() => "");
    for (const [, count] of status.matchAll(/^(?:non)?voluntary_ctxt_switches:\s*(\d+)$/gm)) {
      switches += Number(count);
    }
  }
  return switches;
}

/** CPU time so far of each of these processes that is still there; each must have one thread. */
export async function cpuByProcess(pids: readonly number[]): Promise<ReadonlyMap<number, number>> {
  const found = new Map<number, number>();
  for (const pid of pids) {
    const cpuMs = (await scheduledMs(pid)) ?? (await statOf(pid))?.cpuMs;
    if (cpuMs !== undefined) found.set(pid, cpuMs);
  }
  return found;
}

/** Of a process's first thread, in nanoseconds where the kernel keeps them: many sessions that each lose parts of 10 ms add up. */
async function scheduledMs(pid: number): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/schedstat`, "utf8").catch(() => "");
  const nanoseconds = /^(\d+) /.exec(text)?.[1];
  return nanoseconds === undefined ? undefined : Number(nanoseconds) / 1e6;
}

/** CPU time of a process's ended children; undefined when it is gone. */
export async function reapedCpuMs(pid: number): Promise<number | undefined> {
  return (await statOf(pid))?.reapedCpuMs;
}

/** Processes that were started with this variable in their environment, as `NAME=value`. */
export function findMarked(variable: string): Promise<readonly number[]> {
  return findProcesses(async (pid) =>
    (await readFile(`/proc/${pid}/environ`, "utf8")).split("\0").includes(variable),
  );
}

/** Processes of these programs that work in a folder or below. */
export function findWorkingIn(
  folder: string,
  programs: readonly string[],
): Promise<readonly number[]> {
  return findProcesses(async (pid) => {
    const place = await readlink(`/proc/${pid}/cwd`);
    if (place !== folder && !place.startsWith(`${folder}/`)) return false;
    return programs.includes((await readFile(`/proc/${pid}/comm`, "utf8")).trim());
  });
}

/** A process that may not be looked at, or is gone meanwhile, is none of perfopt's. */
async function findProcesses(
  matches: (pid: number) => Promise<boolean>,
): Promise<readonly number[]> {
  const found: number[] = [];
  for (const pid of await allPids()) {
    if (pid !== process.pid && (await matches(pid).catch(() => false))) found.push(pid);
  }
  return found;
}

async function allStats(): Promise<ReadonlyMap<number, Stat>> {
  const stats = new Map<number, Stat>();
  for (const pid of await allPids()) {
    const stat = await statOf(pid);
    if (stat) stats.set(pid, stat);
  }
  return stats;
}

export async function allPids(): Promise<readonly number[]> {
  try {
    return (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  } catch {
    return [];
  }
}

async function statOf(pid: number): Promise<Stat | undefined> {
  try {
    return parseStat(await readFile(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return undefined;
  }
}

/** Fields are counted after the last parenthesis: a program's name may hold blanks and parentheses (proc_pid_stat(5)). */
function parseStat(text: string): Stat | undefined {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const number = (field: number) => Number(fields[field - 3]);
  const startTicks = fields[22 - 3];
  const state = fields[0];
  if (startTicks === undefined || state === undefined) return undefined;
  return {
    state,
    parent: number(4),
    startTicks,
    cpuMs: (number(14) + number(15)) * MS_PER_TICK,
    reapedCpuMs: (number(16) + number(17)) * MS_PER_TICK,
  };
}
