/** Hit-rate curves of perfopt: how near they are to libCacheSim's and to an LRU cache written plainly, how fast, and in how much memory. */
import { execFile } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { HitCurve } from "../../src/core/cache-curve.ts";
import type { Accesses } from "../../src/advise/cache/curve/accesses.ts";
import { exactCurve, sampledCurve } from "../../src/advise/cache/curve/curve.ts";
import { logSizes } from "../../src/advise/cache/curve/log-sizes.ts";
import { createNestedLru } from "../../src/advise/cache/curve/nested-lru.ts";
import { bruteForce, drawnAccesses } from "../../test/advise/cache/curve/brute-force.ts";
import { drawnTrace } from "../../test/advise/cache/traces.ts";
import type { Acceptance } from "../run.ts";
import type { CsvCurve } from "./csv-to-curve.ts";
import { loadAccesses } from "./load-trace.ts";
import { readReferences, type Reference } from "./reference.ts";

const DATA = "../shared/data";
const SAMPLES = [
  { keysMax: 32_768, errorMax: 0.7 },
  { keysMax: 65_536, errorMax: 0.4 },
] as const;
const SALTS = 6;
const SPEED_TRACE = "w106";
const SPEED_LEAST = 1.8e6;
const CSV_ROWS = 5_000_000;
const CSV_MS_MAX = 6000;
const CSV_BYTES_MAX = 250 * 1024 ** 2;
const CSV_TIMEOUT_MS = 120_000;
const MB = 1024 ** 2;

export interface CurvesBench {
  /** What, of which trace, how near, how fast. */
  readonly rows: string[][];
  readonly acceptance: Acceptance[];
}

/** Without the data folder, CSV is of a drawn trace and there is no reference. */
export async function curvesBench({ tiny, dataDir }: CurvesOptions): Promise<CurvesBench> {
  const folder = dataDir ?? DATA;
  const references = tiny ? undefined : await readReferences(folder);
  const bench: CurvesBench = { rows: [], acceptance: [] };
  againstBruteForce(bench, tiny ? 20 : 500);
  let csv = tiny ? drawn(20_000, 2000) : undefined;
  for (const reference of references ?? []) {
    const accesses = await loadAccesses(join(folder, "cache", `${reference.trace}.csv.gz`));
    againstReference(bench, reference, accesses);
    if (reference.trace === SPEED_TRACE) csv = accesses;
  }
  if (!references && !tiny) {
    bench.rows.push([
      "LRU curves",
      `no ${join(folder, "cache", "ref")}: name it by --data`,
      "",
      "",
    ]);
  }
  await fromCsv(bench, csv ?? drawn(CSV_ROWS, 300_000), tiny);
  return bench;
}

export interface CurvesOptions {
  readonly tiny: boolean;
  readonly dataDir: string | undefined;
}

/** Entries of all kinds: with one size or many, set, deleted, larger than the cache. */
function againstBruteForce({ rows, acceptance }: CurvesBench, traces: number): void {
  const sizes = logSizes(5, 4000, 12);
  let same = 0;
  for (let seed = 1; seed <= traces; seed += 1) {
    const accesses = drawnAccesses({
      seed,
      rows: 600,
      keys: 10 + (seed % 90),
      bytesMax: 1 + (seed % 60),
      resized: seed % 2 === 1,
      otherOf10: seed % 5,
    });
    const curve = exactCurve(accesses, sizes);
    const brute = sizes.map((size) => bruteForce(accesses, size)[0]);
    const isSame = brute.every(
      (of, at) =>
        of !== undefined &&
        curve.hitRate[at] === of.hits / of.gets &&
        curve.byteHitRate[at] === (of.bytes > 0 ? of.hitBytes / of.bytes : 0),
    );
    same += Number(isSame);
  }
  const what = `exact LRU curve against a plain LRU cache, ${traces} random traces, ${sizes.length} sizes`;
  rows.push([what, "drawn", `${same} identical`, ""]);
  acceptance.push({ what, value: `${same} identical`, goal: "all", ok: same === traces });
}

function againstReference(bench: CurvesBench, reference: Reference, accesses: Accesses): void {
  const { rows, acceptance } = bench;
  const { trace, sizes, errorMax } = reference;
  const accessCount = accesses.key.length;
  const input = `${trace}: ${accessCount} accesses, ${accesses.keyCount} keys`;
  const exact = timed(3, () => exactCurve(accesses, sizes));
  const error = errorsOf(exact.result, reference);
  rows.push([
    "exact LRU curve against libCacheSim",
    input,
    `mean error ${points(error.mean)}, of bytes ${points(error.bytesMean)}, largest ${points(error.most)}`,
    `${duration(exact.ms, accessCount)}; libCacheSim elsewhere, earlier: ${reference.elsewhereMs} ms`,
  ]);
  acceptance.push({
    what: `exact curve of ${trace}, mean error`,
    value: `${points(error.mean)}, of bytes ${points(error.bytesMean)}`,
    goal: `at most ${errorMax} points`,
    ok: error.mean <= errorMax && error.bytesMean <= errorMax,
  });
  bySize(bench, input, reference, accesses, exact.result);
  if (trace === SPEED_TRACE) {
    const speed = (accessCount / exact.ms) * 1000;
    acceptance.push({
      what: `exact curve of ${trace}, speed`,
      value: `${(speed / 1e6).toFixed(2)} million accesses/s, ${exact.ms.toFixed(0)} ms (libCacheSim elsewhere, earlier: ${reference.elsewhereMs} ms)`,
      goal: `at least ${SPEED_LEAST / 1e6}`,
      ok: speed >= SPEED_LEAST,
    });
  }
  for (const sample of SAMPLES) sampled(bench, input, reference, accesses, exact.ms, sample);
}

/** What an exact curve takes where distances would not be exact: entries that change or are removed. */
function bySize(
  { rows }: CurvesBench,
  input: string,
  { sizes }: Reference,
  { key, bytes }: Accesses,
  exact: HitCurve,
): void {
  const { result, ms } = timed(3, () => {
    const lru = createNestedLru(sizes);
    for (let row = 0; row < key.length; row += 1) lru.get(key[row] ?? 0, bytes[row] ?? 0, 0);
    return lru.counts(0);
  });
  const off = exact.hitRate.map((rate, at) =>
    Math.abs(rate - (result.hits[at] ?? 0) / result.gets),
  );
  rows.push([
    `the same size by size, as where entries change or are removed`,
    input,
    `apart from the curve above by at most ${points(Math.max(...off))}`,
    duration(ms, key.length),
  ]);
}

function sampled(
  { rows, acceptance }: CurvesBench,
  input: string,
  reference: Reference,
  accesses: Accesses,
  exactMs: number,
  { keysMax, errorMax }: (typeof SAMPLES)[number],
): void {
  const each = Array.from({ length: SALTS }, (_, seed) =>
    timed(1, () =>
      sampledCurve(accesses, reference.sizes, { keysMax, samples: 1, seed: seed + 1 }),
    ),
  );
  const errors = each.map(({ result }) => errorsOf(result, reference));
  const error = meanOf(errors.map(({ mean }) => mean));
  const ms = Math.min(...each.map((one) => one.ms));
  rows.push([
    `SHARDS of ${keysMax} keys, ${SALTS} salts`,
    input,
    `mean error ${points(error)}, largest ${points(Math.max(...errors.map(({ most }) => most)))}`,
    `${duration(ms, accesses.key.length)}; ${(ms / exactMs).toFixed(2)} of the exact curve's time`,
  ]);
  acceptance.push({
    what: `SHARDS of ${keysMax} keys of ${reference.trace}, mean error over ${SALTS} salts`,
    value: points(error),
    goal: `at most ${errorMax} points`,
    ok: error <= errorMax,
  });
}

async function fromCsv(
  { rows, acceptance }: CurvesBench,
  accesses: Accesses,
  tiny: boolean,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "perfopt-curves-"));
  const file = join(folder, "trace.csv");
  const key = accesses.key.subarray(0, CSV_ROWS);
  const bytes = accesses.bytes.subarray(0, CSV_ROWS);
  const sizes = logSizes(16 * 1024, 2 * 1024 ** 3, 50);
  try {
    await pipeline(Readable.from(csvLines(key, bytes)), createWriteStream(file));
    const script = fileURLToPath(new URL("csv-to-curve.ts", import.meta.url));
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--import", "tsx", script, file, JSON.stringify(sizes)],
      { timeout: CSV_TIMEOUT_MS, maxBuffer: 16 * MB },
    );
    const curve: CsvCurve = JSON.parse(stdout);
    const exact = exactCurve({ ...accesses, key, bytes }, sizes);
    const isSame = sizes.every((_, at) => exact.hitRate[at] === curve.hitRate[at]);
    const what = `CSV of ${curve.rows} rows, ${curve.keys} keys, to the exact curve, a process of its own`;
    const value = `${(curve.elapsedMs / 1000).toFixed(2)} s, ${(curve.rssBytes / MB).toFixed(0)} MB at the most`;
    rows.push([what, "", isSame ? "identical to that in memory" : "NOT that in memory", value]);
    const within = curve.elapsedMs <= CSV_MS_MAX && curve.rssBytes <= CSV_BYTES_MAX;
    acceptance.push({
      what,
      value: `${value}, ${isSame ? "" : "not "}identical to that in memory`,
      goal: tiny ? "identical" : `at most ${CSV_MS_MAX / 1000} s and ${CSV_BYTES_MAX / MB} MB`,
      ok: isSame && (tiny || within),
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function* csvLines(key: Uint32Array, bytes: Accesses["bytes"]): Generator<string> {
  let text = "time,key,size,op\n";
  for (let row = 0; row < key.length; row += 1) {
    text += `${Math.floor(row / 1000)},${key[row]},${bytes[row]},get\n`;
    if (text.length < 1 << 16) continue;
    yield text;
    text = "";
  }
  yield text;
}

function drawn(rows: number, keys: number): Accesses {
  const trace = drawnTrace({ rows, keys, zipf: 0.9, getsPerSecond: 1000, seed: 1 });
  return { key: trace.key, bytes: trace.valueBytes, keyCount: keys };
}

interface CurveErrors {
  readonly mean: number;
  readonly bytesMean: number;
  readonly most: number;
}

function errorsOf({ hitRate, byteHitRate }: HitCurve, reference: Reference): CurveErrors {
  const off = reference.hitRate.map((rate, at) => Math.abs(rate - (hitRate[at] ?? 0)));
  const bytesOff = reference.byteHitRate.map((rate, at) => Math.abs(rate - (byteHitRate[at] ?? 0)));
  return { mean: meanOf(off), bytesMean: meanOf(bytesOff), most: Math.max(...off) };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function timed<T>(times: number, work: () => T): { readonly result: T; readonly ms: number } {
  let best = Infinity;
  let result: T;
  do {
    const started = performance.now();
    result = work();
    best = Math.min(best, performance.now() - started);
    times -= 1;
  } while (times > 0);
  return { result, ms: best };
}

function points(share: number): string {
  return `${(share * 100).toFixed(4)} points`;
}

function duration(ms: number, accesses: number): string {
  return `${ms.toFixed(0)} ms, ${(accesses / ms / 1000).toFixed(2)} million/s`;
}
