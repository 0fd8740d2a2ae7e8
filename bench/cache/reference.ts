/** The curves that libCacheSim's profiler printed for the traces of the data folder. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PerfoptError } from "../../src/core/errors.ts";

export interface Reference {
  readonly trace: string;
  readonly sizes: readonly number[];
  readonly hitRate: readonly number[];
  readonly byteHitRate: readonly number[];
  /** Of its whole process, once, on another day than this run: to be read beside our times, not against them. */
  readonly elsewhereMs: number;
  /** Largest mean error of an exact curve, in points. */
  readonly errorMax: number;
}

/** Notes to the data: best of 3, libCacheSim in C, exact, 50 sizes. web12: where its profiler counts entries' own sizes is not where we do. */
const TRACES = [
  { trace: "w106", elsewhereMs: 3955, errorMax: 0.05 },
  { trace: "cloudPhysicsIO", elsewhereMs: 292, errorMax: 0.05 },
  { trace: "web12", elsewhereMs: 235, errorMax: 0.15 },
] as const;

/** Undefined without such a folder. */
export async function readReferences(dataDir: string): Promise<readonly Reference[] | undefined> {
  const folder = join(dataDir, "cache", "ref");
  if (!existsSync(folder)) return undefined;
  return Promise.all(
    TRACES.map(async ({ trace, ...facts }) => ({
      trace,
      ...facts,
      ...pointsOf(
        await readFile(join(folder, `${trace}.libcachesim.lru_exact.txt`), "utf8"),
        trace,
      ),
    })),
  );
}

/** Lines of `1127424B <tab> miss rate <tab> byte miss rate`, after a head. */
function pointsOf(text: string, name: string) {
  const points = [...text.matchAll(/^(\d+)B\t([\d.]+)\t([\d.]+)$/gm)].map((match) =>
    match.slice(1).map(Number),
  );
  if (points.length === 0) {
    throw new PerfoptError(
      "bad-input",
      `the reference of ${name} has no sizes`,
      "look at the file",
    );
  }
  return {
    sizes: points.map(([size = 0]) => size),
    hitRate: points.map(([, miss = 1]) => 1 - miss),
    byteHitRate: points.map(([, , miss = 1]) => 1 - miss),
  };
}
