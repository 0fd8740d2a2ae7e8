/** The simulated Redis against a real one, run by run; its footprints against used_memory; miniatures against whole simulations. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formulaFootprint } from "../../src/advise/cache/redis/footprint.ts";
import { prepareMiniature } from "../../src/advise/cache/redis/miniature.ts";
import { simulateRedis } from "../../src/advise/cache/redis/simulate.ts";
import { wholeTrace } from "../../src/advise/cache/redis/whole-trace.ts";
import type { RedisPolicy } from "../../src/core/cache-curve.ts";
import type { CacheTrace } from "../../src/core/cache-trace.ts";
import { measureFootprint } from "../../src/target/redis-footprint.ts";
import { replayTrace } from "../../src/target/redis-replay.ts";
import { startRedis, type RedisServer } from "../../src/target/redis-server.ts";
import { drawnTrace } from "../../test/advise/cache/traces.ts";
import type { Acceptance, BenchOptions } from "../run.ts";

const MB = 1024 ** 2;
const MEAN_MAX = 0.3;
const WORST_MAX = 1;
/** A replay of a second shows where the 1 s clock stood, and few rows have errors of their own. */
const TINY_MAX = 3;
const FOOTPRINT_MAX = 1;
const MINIATURE_MAX = 0.5;
const MINIATURE_SHARE = 0.1;
const SEEDS = [1, 2, 3];
const POLICIES: readonly RedisPolicy[] = [
  "allkeys-lru",
  "allkeys-lfu",
  "allkeys-random",
  "volatile-lru",
  "volatile-ttl",
];
/** Of volatile policies: long enough that nothing expires in a run. */
const LONG_TTL_MS = 300_000;
/** The largest servers need more accesses before they evict at all. */
const ROWS = { tiny: 60_000, usual: 300_000, large: 600_000, largeMegabytes: 32 };
const TIMEOUT_MS = 120_000;

interface Run {
  readonly zipf: number;
  readonly megabytes: number;
  readonly policy: RedisPolicy;
  readonly samples?: number;
  readonly ttlMs?: number;
  readonly deletes?: number;
}

const RUNS: readonly Run[] = [
  ...[8, 16, 32].flatMap((megabytes) => POLICIES.map((policy) => ({ zipf: 1, megabytes, policy }))),
  ...POLICIES.map((policy) => ({ zipf: 0.8, megabytes: 8, policy })),
  { zipf: 0.8, megabytes: 32, policy: "allkeys-lru" },
  { zipf: 1, megabytes: 16, policy: "allkeys-lru", samples: 10 },
  { zipf: 0.8, megabytes: 32, policy: "allkeys-lru", ttlMs: 2_000 },
  { zipf: 1, megabytes: 8, policy: "allkeys-lru", ttlMs: 2_000 },
  { zipf: 1, megabytes: 16, policy: "allkeys-lru", deletes: 0.05 },
];
const TINY_RUNS: readonly Run[] = [
  { zipf: 1, megabytes: 4, policy: "allkeys-lru" },
  { zipf: 1, megabytes: 4, policy: "volatile-ttl", deletes: 0.05 },
  { zipf: 1, megabytes: 4, policy: "allkeys-lfu", ttlMs: 500 },
];

export interface RedisBench {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly acceptance: readonly Acceptance[];
}

/** Points are per cent of the gets. */
interface Compared {
  readonly run: Run;
  readonly real: number;
  readonly simulated: number;
  readonly error: number;
  readonly miniatureErrors: readonly number[];
  readonly opsPerSecond: number;
  readonly accessesPerSecond: number;
}

export async function redisBench({ tiny }: BenchOptions): Promise<RedisBench> {
  const home = await mkdtemp(join(tmpdir(), "perfopt-cache-redis-"));
  const { signal } = new AbortController();
  let server: RedisServer | undefined;
  try {
    server = await startRedis({
      folder: join(home, "redis"),
      settings: {},
      environment: process.env,
      signal,
      title: "the benchmark's Redis",
    });
    const compared: Compared[] = [];
    for (const run of tiny ? TINY_RUNS : RUNS) {
      compared.push(await compare(server, run, tiny ? ROWS.tiny : rowsOf(run), signal));
      process.stderr.write(`${rowOf(compared.at(-1)).join(" | ")}\n`);
    }
    return {
      title:
        "Redis: hit rate of a real redis-server, cache-aside as fast as it goes, against the simulation of the same accesses at the same times",
      head: [
        "zipf",
        "MB",
        "policy",
        "with",
        "real %",
        "simulated %",
        "error, points",
        "miniature .1 against whole",
        "op/s",
        "simulated access/s",
      ],
      rows: compared.map(rowOf),
      acceptance: [...acceptanceOf(compared, tiny), await footprintError(server, signal)],
    };
  } finally {
    await server?.stop();
    await rm(home, { recursive: true, force: true });
  }
}

function rowsOf({ megabytes }: Run): number {
  return megabytes >= ROWS.largeMegabytes ? ROWS.large : ROWS.usual;
}

async function compare(
  server: RedisServer,
  run: Run,
  rows: number,
  signal: AbortSignal,
): Promise<Compared> {
  const { policy, samples = 5 } = run;
  const setting = { policy, samples, maxmemoryBytes: run.megabytes * MB };
  const drawn = traceOf(run, rows);
  const real = await replayTrace(server, drawn, {
    ...setting,
    pace: "as fast as possible",
    timeoutMs: TIMEOUT_MS,
    signal,
  });
  const trace: CacheTrace = { ...drawn, timeMs: real.timeMs };
  const footprint = formulaFootprint(undefined, real.serverVersion, real.startupBytes);
  const whole = { ...setting, overheadBytes: real.overheadBytes };
  const started = performance.now();
  const rates = SEEDS.map((seed) => simulateRedis(trace, footprint, whole, seed).hitRate * 100);
  const seconds = (performance.now() - started) / 1_000;
  const simulated = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
  const prepared = wholeTrace(trace, footprint);
  const miniatures = SEEDS.map((seed) => {
    const miniature = prepareMiniature(prepared, { share: MINIATURE_SHARE, seed });
    return miniature(whole).hitRate * 100 - simulated;
  });
  return {
    run,
    real: real.hitRate * 100,
    simulated,
    error: simulated - real.hitRate * 100,
    miniatureErrors: miniatures,
    opsPerSecond: real.opsPerSecond,
    accessesPerSecond: (rows * SEEDS.length) / seconds,
  };
}

function traceOf(run: Run, rows: number): CacheTrace {
  const trace = drawnTrace({
    rows,
    keys: 100_000,
    zipf: run.zipf,
    getsPerSecond: 1_000,
    seed: 3,
    ...(run.deletes === undefined ? {} : { writes: { share: run.deletes, op: "delete" } }),
  });
  const ttlMs = run.ttlMs ?? (run.policy.startsWith("volatile") ? LONG_TTL_MS : 0);
  return ttlMs === 0 ? trace : { ...trace, ttlMs: new Uint32Array(rows).fill(ttlMs) };
}

function rowOf(compared: Compared | undefined): readonly string[] {
  if (!compared) return [];
  const { run, real, simulated, error, miniatureErrors } = compared;
  return [
    run.zipf.toFixed(1),
    String(run.megabytes),
    run.policy,
    [
      ...(run.samples === undefined ? [] : [`${run.samples} samples`]),
      ...(run.ttlMs === undefined ? [] : [`TTL ${run.ttlMs / 1_000} s`]),
      ...(run.deletes === undefined ? [] : [`${run.deletes * 100} % deletes`]),
    ].join(", "),
    real.toFixed(2),
    simulated.toFixed(2),
    signed(error),
    miniatureErrors.map(signed).join(" "),
    compared.opsPerSecond.toFixed(0),
    compared.accessesPerSecond.toFixed(0),
  ];
}

function signed(points: number): string {
  return `${points < 0 ? "" : "+"}${points.toFixed(2)}`;
}

function acceptanceOf(compared: readonly Compared[], tiny: boolean): readonly Acceptance[] {
  const errors = compared.map(({ error }) => Math.abs(error));
  const miniatures = compared.flatMap((each) => each.miniatureErrors.map(Math.abs));
  const runs = `over ${compared.length} runs`;
  return [
    atMost(`Redis: mean error of the hit rate ${runs}`, mean(errors), tiny ? TINY_MAX : MEAN_MAX),
    atMost(
      `Redis: largest error of the hit rate ${runs}`,
      Math.max(...errors),
      tiny ? TINY_MAX : WORST_MAX,
    ),
    atMost(
      `Redis: mean error of a tenth of the keys ${runs}`,
      mean(miniatures),
      tiny ? TINY_MAX : MINIATURE_MAX,
    ),
  ];
}

function atMost(what: string, value: number, limit: number): Acceptance {
  return {
    what,
    value: `${value.toFixed(2)} points`,
    goal: `at most ${limit}`,
    ok: value <= limit,
  };
}

async function footprintError(server: RedisServer, signal: AbortSignal): Promise<Acceptance> {
  const { shapes, allocator } = await measureFootprint(server, signal);
  const formula = formulaFootprint(allocator);
  const errors = shapes.map(({ keyBytes, valueBytes, expires, bytesMeasured }) => {
    const bytes = formula.entryBytes(keyBytes, valueBytes, expires);
    return (Math.abs(bytes - bytesMeasured) / bytesMeasured) * 100;
  });
  const worst = Math.max(...errors);
  return {
    what: `Redis: largest error of an entry's bytes by formula, of ${shapes.length} shapes`,
    value: `${worst.toFixed(2)} %, mean ${mean(errors).toFixed(2)} %`,
    goal: `at most ${FOOTPRINT_MAX} %`,
    ok: worst <= FOOTPRINT_MAX,
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
