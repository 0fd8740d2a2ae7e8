/** Accesses of a running Redis, watched by MONITOR for a while, with sizes and times to live of a sample of its keys; nothing is changed. */
import { createTraceBuilder } from "../advise/cache/trace/builder.ts";
import { hashText, type HashTarget } from "../advise/cache/trace/key-table.ts";
import { prefixOfKey } from "../advise/cache/trace/prefix.ts";
import { parseMonitorLine } from "../advise/cache/trace/monitor.ts";
import type { TraceRow } from "../advise/cache/trace/rows.ts";
import type { PresentCache } from "../advise/cache/question.ts";
import { GET } from "../core/cache-trace.ts";
import { PerfoptError, redactSecrets } from "../core/errors.ts";
import { formatDuration, formatRatio, parseDuration, significant } from "../core/units.ts";
import { sampleKeys, type KeySample } from "../target/redis-keys.ts";
import { captureMonitor, type Capture } from "../target/redis-monitor.ts";
import { policyOf, samplingOf, type CacheSource, type CacheSourceOptions } from "./cache-source.ts";
import type { Context } from "./context.ts";
import { countOf } from "./load.ts";
import { required } from "./parsed-options.ts";
import type { Progress } from "./progress.ts";

const CAPTURE = "60s";
const KEYS_MAX = 50_000;
const ROWS_MAX = 10_000_000;
/** A sample takes some time of its own: that of the capture at most, at this rate. */
const KEYS_PER_SECOND = 2_000;

export async function captureRedis(
  context: Context,
  options: CacheSourceOptions,
  url: string,
  progress: Progress,
): Promise<CacheSource> {
  checkUrl(url);
  const { signal } = context;
  const durationMs = required(
    options.capture ?? CAPTURE,
    "--capture",
    parseDuration,
    "a time such as 60s",
  );
  const database = databaseOf(url);
  const known = new Map<number, Known>();
  const lives = new Map<string, number>();
  const sample = await sampleKeys(url, {
    keysMax: KEYS_MAX,
    keysPerSecond: KEYS_PER_SECOND,
    signal,
    onProgress: progress.say,
    onKey: ({ key, valueBytes, ttlMs }) => {
      const prefix = prefixOfKey(key);
      known.set(numberOf(key, database), { valueBytes, prefix });
      // What is left of it: of many keys of a kind, one was stored just now.
      lives.set(prefix, Math.max(lives.get(prefix) ?? 0, ttlMs));
    },
  });
  const builder = createTraceBuilder(`MONITOR of ${redactSecrets(url)}`, { rowsMax: ROWS_MAX });
  const capture = await captureMonitor(url, {
    durationMs,
    rowsMax: ROWS_MAX,
    opsPerSecondMax: countOf("--max-ops", options.maxOps, 1, 10_000_000),
    signal,
    onProgress: progress.say,
    onLine: (line) => {
      parseMonitorLine(line, (row) => builder.add(completed(row, { known, lives })));
    },
  });
  progress.print(capture.detail);
  refuseNothing(builder.rows(), capture, url);
  return {
    trace: builder.finish({ storesShown: true }),
    present: presentOf(sample),
    sampling: samplingOf(sample.settings),
    server: { version: sample.version, allocator: sample.allocator },
    caveats: caveatsOf(sample, capture),
  };
}

function checkUrl(url: string): void {
  const protocol = URL.canParse(url) ? new URL(url).protocol : "";
  if (protocol === "redis:" || protocol === "rediss:") return;
  throw new PerfoptError(
    "bad-input",
    `--url ${redactSecrets(url)} is no URL of a Redis`,
    "give one that begins with redis:// or rediss://",
  );
}

/** `redis://host/2` is database 2, as clients read it: MONITOR's lines of others are of other keys. */
function databaseOf(url: string): number {
  const path = new URL(url).pathname.slice(1);
  return /^\d+$/.test(path) ? Number(path) : 0;
}

interface Known {
  readonly valueBytes: number;
  readonly prefix: string;
}

interface Sampled {
  readonly known: ReadonlyMap<number, Known>;
  /** Times to live by prefix. */
  readonly lives: ReadonlyMap<string, number>;
}

const hash: HashTarget = { hashHigh: 0, hashLow: 0 };

/** 53 bits of the key's hash: names are not kept. */
function numberOf(key: string, database: number): number {
  hashText(hash, key, database);
  return joined(hash.hashHigh, hash.hashLow);
}

function joined(high: number, low: number): number {
  return (high >>> 0) * 2 ** 21 + (low >>> 11);
}

/** MONITOR does not show what a get returned: the sample knows sizes. */
function completed(row: TraceRow, { known, lives }: Sampled): TraceRow {
  if (row.operation !== GET) return row;
  const key = joined(row.hashHigh ?? 0, row.hashLow ?? 0);
  const found = known.get(key);
  if (!found) return row;
  const ttlMs = lives.get(found.prefix) ?? 0;
  return {
    ...row,
    valueBytes: found.valueBytes,
    ...(ttlMs > 0 ? { ttlMs } : {}),
  };
}

function refuseNothing(rows: number, { lines }: Capture, url: string): void {
  if (rows > 0) return;
  throw new PerfoptError(
    "cannot-measure",
    lines === 0
      ? `nobody asked Redis at ${redactSecrets(url)} for anything meanwhile`
      : `of ${lines} commands at ${redactSecrets(url)}, none reads or writes a string: only GET, SET and their kin are modelled`,
    "capture while the service is used, or longer: --capture 5m",
  );
}

function presentOf({ maxmemoryBytes, policy }: KeySample): PresentCache {
  const known = policyOf(policy);
  return {
    maxmemoryBytes,
    ...(known ? { policy: known } : {}),
  };
}

function caveatsOf(sample: KeySample, capture: Capture): readonly string[] {
  const { before, during, dutyShare, windows, stoppedBecause, linesTooLong } = capture;
  const others = Object.entries(sample.keysByType).filter(([type]) => type !== "string");
  const every = sample.complete
    ? "all"
    : `${significant(sample.rows)} of ${significant(sample.keys)}`;
  return [
    `sizes of values that were only read are known of ${every} keys`,
    "MONITOR does not say whether a get hit: one that is followed by a store of its key is taken for a miss, any other for a hit; keys that were neither stored nor sampled look new",
    ...(stoppedBecause === "duration" ? [] : [capture.detail]),
    ...(linesTooLong > 0 ? [`${linesTooLong} commands with values above 8 MB are left out`] : []),
    ...(sample.touched
      ? ["reading sizes counts as a use of each sampled key on this server (before 7.2)"]
      : []),
    ...(others.length > 0
      ? [
          `${others.map(([type, count]) => `${count} ${type}`).join(", ")} among the sampled keys: only strings are modelled`,
        ]
      : []),
    ...(dutyShare < 1
      ? [
          `MONITOR was on for ${formatRatio(dutyShare)} of the time, in ${windows.length} windows: uses on both sides of a pause look further apart or new`,
        ]
      : []),
    ...(before.cpuMicrosecondsPerCommand !== undefined &&
    during.cpuMicrosecondsPerCommand !== undefined
      ? [
          `the capture of ${formatDuration(lengthOf(windows))} took ${significant(during.cpuMicrosecondsPerCommand - before.cpuMicrosecondsPerCommand)} microseconds of the server's CPU a command (${significant(before.cpuMicrosecondsPerCommand)} before)`,
        ]
      : []),
  ];
}

function lengthOf(windows: Capture["windows"]): number {
  return windows.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
}
