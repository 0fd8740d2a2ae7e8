/** What the generator's machine went through during a window: waiting for CPUs, CPUs given away, programs of others (Linux). */
import { readdirSync, readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import type { HostUse } from "../core/sample.ts";

export interface HostMeter {
  /** Cheap: to be called when the window's first request is due, and when the last one was. */
  readonly windowStarts: () => void;
  readonly windowEnds: () => void;
  /** Looks at every process, which takes milliseconds: to be called when the last answer is there. */
  readonly use: () => HostUse;
}

/** PF_KTHREAD of include/linux/sched.h. */
const KERNEL_THREAD = 0x0020_0000;

interface Reading {
  readonly at: number;
  /** Time in which some task waited for a CPU. */
  readonly waitedMs: number | undefined;
  readonly ticks: MachineTicks | undefined;
}

/** Of all CPUs together, in ticks of USER_HZ like all CPU times of /proc. */
interface MachineTicks {
  readonly programs: number;
  readonly steal: number;
  readonly total: number;
}

interface Work {
  readonly ticks: MachineTicks;
  readonly processes: ReadonlyMap<number, ProcessUse>;
}

/** In ticks. */
interface ProcessUse {
  readonly parent: number;
  readonly startedAt: string;
  readonly used: number;
  /** By its children that ended and were waited for. */
  readonly reaped: number;
}

/**
 * Starts before the load does, since it looks at every process first. What a system does not tell is absent from the result.
 * Without `foreignWorkKnown` the work of others is not looked at. `proc` is where the system tells.
 */
export function openHostMeter(foreignWorkKnown: boolean, proc = "/proc"): HostMeter {
  const before = foreignWorkKnown ? readWork(proc) : undefined;
  let start: Reading | undefined;
  let end: Reading | undefined;
  return {
    windowStarts: () => {
      start = readMachine(proc);
    },
    windowEnds: () => {
      end = readMachine(proc);
    },
    use: () => {
      const shares = {
        ...(start && windowShares(start, end ?? readMachine(proc))),
        foreignShare: foreignShare(before, before && readWork(proc)),
      };
      return Object.fromEntries(
        Object.entries(shares).filter(([, share]) => share !== undefined && Number.isFinite(share)),
      );
    },
  };
}

function windowShares(start: Reading, end: Reading) {
  return {
    pressureShare: difference(end.waitedMs, start.waitedMs, end.at - start.at),
    stealShare:
      start.ticks &&
      end.ticks &&
      difference(end.ticks.steal, start.ticks.steal, end.ticks.total - start.ticks.total),
  };
}

/**
 * Two ways of counting that both miss some: the process table is exact, and does not show processes of other containers; the
 * machine's own ticks have all, and are samples that miss who runs only for moments. The greater counts.
 */
function foreignShare(before: Work | undefined, after: Work | undefined): number | undefined {
  if (!before || !after) return undefined;
  const isOwn = familyOf(process.pid, before.processes, after.processes);
  const own = usedBetween(before.processes, after.processes, isOwn);
  const visible = usedBetween(before.processes, after.processes, (pid) => !isOwn(pid));
  const unseen = after.ticks.programs - before.ticks.programs - own;
  return Math.max(visible, unseen, 0) / (after.ticks.total - before.ticks.total);
}

/** Ticks of those still there by difference, and of the ended ones what their parents reaped, less what they had used before. */
function usedBetween(
  before: Work["processes"],
  after: Work["processes"],
  counts: (pid: number) => boolean,
): number {
  let used = 0;
  let reaped = 0;
  for (const [pid, now] of after) {
    if (!counts(pid)) continue;
    const then = before.get(pid);
    const same = then?.startedAt === now.startedAt ? then : undefined;
    used += now.used - (same?.used ?? 0);
    reaped += now.reaped - (same?.reaped ?? 0);
  }
  for (const [pid, then] of before) {
    if (counts(pid) && after.get(pid)?.startedAt !== then.startedAt) {
      reaped -= then.used + then.reaped;
    }
  }
  return used + Math.max(0, reaped);
}

/** A process and its descendants, at either time: one that ended, or lost its parent meanwhile, still belongs to the family. */
function familyOf(root: number, ...tables: readonly Work["processes"][]): (pid: number) => boolean {
  const family = new Set([root]);
  for (const table of tables) {
    const childrenOf = new Map<number, number[]>();
    for (const [pid, { parent }] of table) {
      childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), pid]);
    }
    // The set grows while it is walked: children follow their parents.
    for (const pid of family) {
      for (const child of childrenOf.get(pid) ?? []) family.add(child);
    }
  }
  return (pid) => family.has(pid);
}

function difference(
  after: number | undefined,
  before: number | undefined,
  whole: number,
): number | undefined {
  return after === undefined || before === undefined ? undefined : (after - before) / whole;
}

function readMachine(proc: string): Reading {
  return { at: performance.now(), waitedMs: readWaitedMs(proc), ticks: readTicks(proc) };
}

/** Pressure stall information: microseconds since boot (kernel.org, accounting/psi). */
function readWaitedMs(proc: string): number | undefined {
  const total = /^some .*total=(\d+)/m.exec(read(`${proc}/pressure/cpu`) ?? "")?.[1];
  return total === undefined ? undefined : Number(total) / 1_000;
}

/** The first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal, and guests, which user has already. */
function readTicks(proc: string): MachineTicks | undefined {
  const line = /^cpu +(.*)$/m.exec(read(`${proc}/stat`) ?? "")?.[1];
  if (line === undefined) return undefined;
  const counts = line.split(" ").map(Number).slice(0, 8);
  const [user = Number.NaN, nice = 0, system = 0, , , , , steal = 0] = counts;
  // Interrupts are left out: they belong to nobody, and most of them under load are the load's own packets.
  return {
    programs: user + nice + system,
    steal,
    total: counts.reduce((sum, count) => sum + count, 0),
  };
}

function readWork(proc: string): Work | undefined {
  const ticks = readTicks(proc);
  const processes = readProcesses(proc);
  return ticks && processes.has(process.pid) ? { ticks, processes } : undefined;
}

/** Without the kernel's own threads: what they do under load is mostly the load's work, its packets and its pages. */
function readProcesses(proc: string): Work["processes"] {
  const processes = new Map<number, ProcessUse>();
  for (const name of processNames(proc)) {
    const stat = read(`${proc}/${name}/stat`);
    if (stat === undefined) continue;
    // Fields are counted after the last parenthesis: a program's name may hold blanks and parentheses (proc_pid_stat(5)).
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const field = (position: number) => Number(fields[position - 3]);
    if ((field(9) & KERNEL_THREAD) !== 0) continue;
    processes.set(Number(name), {
      parent: field(4),
      startedAt: fields[22 - 3] ?? "",
      used: field(14) + field(15),
      reaped: field(16) + field(17),
    });
  }
  return processes;
}

function processNames(proc: string): readonly string[] {
  try {
    return readdirSync(proc).filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

/** Undefined when the file is not there, or not any more. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
