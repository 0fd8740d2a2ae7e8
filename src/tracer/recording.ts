/** One capture, from its first row to its last: hashes and samples keys, writes rows, and counts what it leaves out. */
import { hashKey, type KeyHash, type Salt } from "./hash.ts";
import { createPrefixes } from "./prefix.ts";
import { createRowWriter, TRACE_FORMAT, TRACE_HEADER, type Operation } from "./row-writer.ts";
import type { Sink } from "./sinks.ts";

/** A reader sees rows so late at the most. */
const FLUSH_MS = 200;
const TWO_32 = 2 ** 32;

export interface RecordingOptions {
  readonly sink: Sink;
  readonly salt: Salt;
  /** Share of the keys, chosen by hash. */
  readonly share: number;
  readonly prefixOf: ((key: string) => string) | undefined;
  readonly rowsMax: number;
  readonly durationMsMax: number;
  /** It has reached a limit. */
  readonly onEnd: () => void;
}

export interface Recording {
  /** Whether the key is in the sample; its hash is then in `hash`. */
  take(key: string): boolean;
  readonly hash: KeyHash;
  /** Counts a get, of whatever key. */
  countGet(): void;
  /** Of the key that was taken last; numbers below 0 and NaN are unknown. */
  row(
    key: string,
    operation: Operation,
    size: number,
    ttlMs: number,
    costMs: number,
    hit: boolean | undefined,
  ): void;
  /** Of a key that only its hash is known of. */
  rowOfHash(hash: KeyHash, operation: Operation): void;
  readonly counts: { rows: number; gets: number; dropped: number };
  /** As far as possible without waiting. */
  finishNow(): void;
  close(): Promise<void>;
}

export function startRecording(options: RecordingOptions): Recording {
  const { sink, salt, share, rowsMax, durationMsMax, onEnd } = options;
  const hash: KeyHash = { high: 0, low: 0, bytes: 0 };
  const prefixes = createPrefixes(options.prefixOf);
  const noPrefix = new Uint8Array(0);
  const counts = { rows: 0, gets: 0, dropped: 0 };
  const writer = createRowWriter(process.pid, (block, rows) => {
    const taken = sink.write(block);
    if (!taken) counts.dropped += rows;
    return taken;
  });
  const startedMs = performance.now();
  // performance.now() has the digits, Date.now() is what other processes agree with.
  let clockMs = Date.now() - startedMs;
  let told = { gets: 0, dropped: 0 };

  writer.comment(TRACE_FORMAT);
  writer.comment(`salt ${salt.name}`);
  writer.comment(`share ${share}`);
  writer.line(TRACE_HEADER);
  // At once: a reader on the socket takes it for the answer that tracing has begun.
  writer.flush();

  const tell = (): void => {
    writer.flush();
    const { gets, dropped } = counts;
    if (gets > told.gets) writer.comment(`gets ${gets - told.gets}`);
    if (dropped > told.dropped) writer.comment(`dropped ${dropped - told.dropped}`);
    // What a full buffer did not take is told again later.
    if (writer.flush()) told = { gets, dropped };
  };
  const timer = setInterval(() => {
    clockMs = Date.now() - performance.now();
    tell();
    if (performance.now() - startedMs > durationMsMax) onEnd();
  }, FLUSH_MS);
  timer.unref();

  const put: Recording["row"] = (key, operation, size, ttlMs, costMs, hit) => {
    counts.rows += 1;
    const prefix = prefixes.of(key, hash);
    writer.row(clockMs + performance.now(), hash, prefix, operation, size, ttlMs, costMs, hit);
    if (counts.rows >= rowsMax) onEnd();
  };
  return {
    hash,
    counts,
    take: createSampler(hash, salt, share),
    countGet: () => {
      counts.gets += 1;
    },
    row: put,
    rowOfHash: (known, operation) => {
      counts.rows += 1;
      const nan = Number.NaN;
      writer.row(clockMs + performance.now(), known, noPrefix, operation, nan, nan, nan, undefined);
      if (counts.rows >= rowsMax) onEnd();
    },
    finishNow: () => {
      clearInterval(timer);
      tell();
      sink.finishNow();
    },
    close: () => {
      clearInterval(timer);
      tell();
      return sink.close();
    },
  };
}

/** Hashes keys into `hash`; true for those in the sample. */
function createSampler(hash: KeyHash, salt: Salt, share: number): (key: string) => boolean {
  const below = share * TWO_32;
  let latest: string | undefined;
  let taken = false;
  return (key) => {
    // The wrappers ask for the sample first, then for the row: the key is hashed once.
    if (key === latest) return taken;
    hashKey(hash, key, salt);
    latest = key;
    taken = hash.high < below;
    return taken;
  };
}
