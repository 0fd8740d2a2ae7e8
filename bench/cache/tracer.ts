/** What tracing costs a service: time of its processor for one operation, off, sampling, and with every key. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createCacheTracer, traceIoredis, traceLruCache } from "../../src/tracer/index.ts";
import { LRUCache } from "lru-cache";
import type { Acceptance } from "../run.ts";

const KEYS = 50_000;
/** Then a pause of a millisecond, in which rows are written: a service that does nothing but ask its cache would outrun the disk. */
const TURN_OPERATIONS = 2_000;
const GOAL_US = 1;

interface Case {
  readonly what: string;
  readonly share: number;
  readonly promised: boolean;
  readonly prepare: (tracer: ReturnType<typeof createCacheTracer>) => (key: string) => unknown;
}

/** The tracer alone as the goal has it, and the wrappers against what they wrap. */
const CASES: readonly Case[] = [
  {
    what: "tracer, off",
    share: 0,
    promised: true,
    prepare: (tracer) => (key) => tracer.hit(key, 300),
  },
  ...[0.01, 0.1, 1].map((share) => ({
    what: `tracer, ${share * 100} % of the keys`,
    share,
    promised: share < 1,
    prepare: (tracer: ReturnType<typeof createCacheTracer>) => (key: string) =>
      tracer.hit(key, 300),
  })),
  ...[0, 0.01, 1].map((share) => ({
    what: `lru-cache wrapped, ${share === 0 ? "off" : `${share * 100} %`}`,
    share,
    promised: false,
    prepare: (tracer: ReturnType<typeof createCacheTracer>) => {
      const cache = traceLruCache(new LRUCache<string, string>({ max: KEYS }), tracer);
      return (key: string) => cache.get(key) ?? cache.set(key, key);
    },
  })),
  ...[0, 0.01, 1].map((share) => ({
    what: `ioredis wrapped, ${share === 0 ? "off" : `${share * 100} %`}`,
    share,
    promised: false,
    prepare: (tracer: ReturnType<typeof createCacheTracer>) => {
      const client = traceIoredis({ sendCommand: answer }, tracer);
      return (key: string) => client.sendCommand({ name: "get", args: [key], resolve: ignore });
    },
  })),
];

interface SentCommand {
  readonly name: string;
  readonly args: readonly string[];
  resolve: (reply: unknown) => void;
}

const reply = Buffer.alloc(300);

/** A client that answers at once: what is measured is the wrapper. */
function answer(command: SentCommand): void {
  command.resolve(reply);
}

function ignore(): void {}

export async function tracerBench({ tiny }: { readonly tiny: boolean }): Promise<{
  /** What, CPU microseconds an operation over a loop without it, the rounds' range, operations a round, rows that the disk did not take. */
  readonly rows: readonly (readonly string[])[];
  readonly acceptance: readonly Acceptance[];
}> {
  const folder = await mkdtemp(join(tmpdir(), "perfopt-tracer-bench-"));
  try {
    const operations = tiny ? 20_000 : 1_000_000;
    const rounds = tiny ? 3 : 5;
    const keys = Array.from({ length: KEYS }, (_, index) => `models/get:${index * 7919}:en`);
    const base = median(await repeat(rounds, () => measure(keys, operations, (key) => key.length)));
    const rows: (readonly string[])[] = [];
    const acceptance: Acceptance[] = [];
    for (const each of CASES) {
      const path = join(folder, `${rows.length}.csv`);
      const rounded = await repeat(rounds, () => measureCase(each, path, keys, operations));
      const times = rounded.map(({ us }) => us);
      const us = Math.max(0, median(times) - base);
      const spread = `${Math.min(...times).toFixed(2)} to ${Math.max(...times).toFixed(2)}`;
      const dropped = median(rounded.map((round) => round.dropped));
      rows.push([each.what, us.toFixed(3), spread, String(operations), String(dropped)]);
      if (each.promised) {
        acceptance.push({
          what: `${each.what}: CPU time of an operation`,
          value: `${us.toFixed(3)} µs`,
          goal: `at most ${GOAL_US} µs`,
          // A tiny run is mostly the compiler's time.
          ok: tiny || us <= GOAL_US,
        });
      }
    }
    return { rows, acceptance };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function measureCase(
  { share, prepare }: Case,
  path: string,
  keys: readonly string[],
  operations: number,
): Promise<{ readonly us: number; readonly dropped: number }> {
  const tracer =
    share === 0
      ? createCacheTracer({ file: undefined, socketFolder: undefined })
      : createCacheTracer({ file: path, share, salt: "bench" });
  const us = await measure(keys, operations, prepare(tracer));
  const { errors, gets, dropped } = tracer.counts();
  await tracer.close();
  await rm(path, { force: true });
  if (errors > 0 || (share > 0 && gets < operations)) {
    throw new Error(`the tracer saw ${gets} of ${operations} gets, with ${errors} errors`);
  }
  return { us, dropped };
}

/** Microseconds of CPU time an operation, all threads of the process: writing is in it, and waiting for a busy machine is not. */
async function measure(
  keys: readonly string[],
  operations: number,
  operate: (key: string) => unknown,
): Promise<number> {
  const before = process.cpuUsage();
  for (let done = 0; done < operations;) {
    const end = Math.min(operations, done + TURN_OPERATIONS);
    for (; done < end; done += 1) operate(keys[(done * 7919) % KEYS] ?? "");
    await delay(1);
  }
  const used = process.cpuUsage(before);
  return (used.user + used.system) / operations;
}

/** After one more that is not counted. */
async function repeat<T>(rounds: number, measureOnce: () => Promise<T>): Promise<readonly T[]> {
  const times: T[] = [];
  for (let round = 0; round <= rounds; round += 1) times.push(await measureOnce());
  return times.slice(1);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
