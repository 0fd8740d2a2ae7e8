/** What the threads of a service's processes do, seen from outside: CPU time, time in line for a core, context switches. Linux only. */
import { readdir, readFile } from "node:fs/promises";
import { treeOf } from "./proc.ts";
import { findHolder, listeningSockets } from "./sockets.ts";

/** Of one thread so far. */
interface ThreadUse {
  readonly main: boolean;
  readonly runMs: number;
  /** Runnable, and another task had the core. */
  readonly waitMs: number;
  readonly switches: number;
}

/** By process and thread id. */
export type ThreadTable = ReadonlyMap<string, ThreadUse>;

/** The process that listens on a URL's port of this machine; undefined for another machine, or where it may not be looked at. */
export async function listenerOf(baseUrl: string): Promise<number | undefined> {
  const url = new URL(baseUrl);
  if (!["127.0.0.1", "localhost", "[::1]"].includes(url.hostname)) return undefined;
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  const sockets = await listeningSockets(port);
  return sockets && (await findHolder(sockets)).pid;
}

/** Threads of a process and its descendants. */
export async function readThreads(root: number): Promise<ThreadTable> {
  const table = new Map<string, ThreadUse>();
  for (const pid of await treeOf(root)) {
    const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
    for (const thread of threads) {
      const use = await readThread(pid, Number(thread));
      if (use) table.set(`${pid}/${thread}`, use);
    }
  }
  return table;
}

/** `schedstat`: nanoseconds on a core, nanoseconds in line for one, turns (kernel.org, scheduler/sched-stats). */
async function readThread(pid: number, thread: number): Promise<ThreadUse | undefined> {
  const folder = `/proc/${pid}/task/${thread}`;
  const schedule = await readFile(`${folder}/schedstat`, "utf8").catch(() => "");
  const [, run, wait] = /^(\d+) (\d+) /.exec(schedule) ?? [];
  if (run === undefined || wait === undefined) return undefined;
  const status = await readFile(`${folder}/status`, "utf8").catch(() => "");
  const switches = [...status.matchAll(/^(?:non)?voluntary_ctxt_switches:\s*(\d+)$/gm)];
  return {
    main: pid === thread,
    runMs: Number(run) / 1e6,
    waitMs: Number(wait) / 1e6,
    switches: switches.reduce((sum, [, count]) => sum + Number(count), 0),
  };
}

export interface ThreadsInWindow {
  readonly cpuCores: number;
  /** Of the process whose main thread had the most to do. */
  readonly mainThreadCores: number;
  readonly mainThreadWanting: number;
  readonly busiestHelperCores: number;
  readonly otherHelpersCores: number;
  readonly switchesPerSecond: number;
}

/** Between two tables so many milliseconds apart; undefined when no main thread is in both. */
export function threadsBetween(
  before: ThreadTable,
  after: ThreadTable,
  elapsedMs: number,
): ThreadsInWindow | undefined {
  const grown = [...after].map(([id, now]) => {
    const then = before.get(id);
    return {
      main: now.main,
      run: (now.runMs - (then?.runMs ?? 0)) / elapsedMs,
      wait: (now.waitMs - (then?.waitMs ?? 0)) / elapsedMs,
      switches: now.switches - (then?.switches ?? 0),
    };
  });
  const [main] = grown
    .filter((each) => each.main)
    .toSorted((left, right) => right.run + right.wait - left.run - left.wait);
  if (!main || elapsedMs <= 0) return undefined;
  const helpers = grown
    .filter((each) => !each.main)
    .map(({ run }) => run)
    .toSorted((left, right) => right - left);
  return {
    cpuCores: sum(grown.map(({ run }) => run)),
    mainThreadCores: main.run,
    mainThreadWanting: Math.min(1, main.run + main.wait),
    busiestHelperCores: helpers[0] ?? 0,
    otherHelpersCores: sum(helpers.slice(1)),
    switchesPerSecond: (sum(grown.map(({ switches }) => switches)) * 1_000) / elapsedMs,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, each) => total + each, 0);
}

/** One look at a main thread: how often it has paused by itself, and its CPU time. */
interface Look {
  readonly pauses: number;
  readonly runMs: number;
}

export interface TickWatch {
  /** To be called every few milliseconds. */
  readonly look: () => Promise<void>;
  /** The most CPU time between two pauses, as finely as was looked; undefined where nothing could be seen. */
  readonly longestMs: () => number | undefined;
}

/** An event loop pauses when nothing is due. CPU time that grows without a pause is one tick, or several in a row. */
export function openTickWatch(pid: number): TickWatch {
  let stretch: Look | undefined;
  let longest: number | undefined;
  return {
    look: async () => {
      const now = await lookAt(pid);
      if (!now) return;
      if (!stretch || stretch.pauses !== now.pauses) stretch = now;
      longest = Math.max(longest ?? 0, now.runMs - stretch.runMs);
    },
    longestMs: () => longest,
  };
}

async function lookAt(pid: number): Promise<Look | undefined> {
  const folder = `/proc/${pid}/task/${pid}`;
  const status = await readFile(`${folder}/status`, "utf8").catch(() => "");
  const schedule = await readFile(`${folder}/schedstat`, "utf8").catch(() => "");
  const pauses = /^voluntary_ctxt_switches:\s*(\d+)$/m.exec(status)?.[1];
  const run = /^(\d+) /.exec(schedule)?.[1];
  if (pauses === undefined || run === undefined) return undefined;
  return { pauses: Number(pauses), runMs: Number(run) / 1e6 };
}
