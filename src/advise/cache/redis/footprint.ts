/** What an entry takes in Redis: by formula from its lengths, or by the formula corrected by what was measured on a server. */
import { median } from "simple-statistics";
import type { FootprintFacts } from "../../../core/cache-advice.ts";
import type { MeasuredShape } from "../../../core/cache-footprint.ts";
import type { CacheTrace } from "../../../core/cache-trace.ts";
import { classesOf, roundUpOf, type ClassesOfAllocator, type RoundUp } from "./allocator.ts";

export interface Footprint {
  /** The hash tables' slots left out. A value that is an integer takes less: lengths do not tell which are. */
  entryBytes(keyBytes: number, valueBytes: number, expires: boolean): number;
  /** Of the tables of keys and of times to live, both at rest: Redis doubles them at powers of two. */
  tableBytes(keys: number, keysWithTtl: number): number;
  readonly startupBytes: number;
  readonly facts: FootprintFacts;
}

/** dictEntry (dict.h): key, value, next. The table of keys has one an entry, that of times to live another. */
const DICT_ENTRY_BYTES = 24;
/** redisObject (server.h). */
const OBJECT_BYTES = 16;
/** OBJ_ENCODING_EMBSTR_SIZE_LIMIT (object.c): up to this the value stands behind its object, header and final zero included. */
const EMBEDDED_BYTES_MAX = 44;
const EMBEDDED_HEADER_BYTES = 4;
const SLOT_BYTES = 8;
/** DICT_HT_INITIAL_SIZE (dict.h). */
export const TABLE_SLOTS_LEAST = 4;
/** Of a server with default settings on 64 bits; INFO has the server's own as used_memory_startup. */
const STARTUP_BYTES = 0.9 * 1024 ** 2;
/** Shapes to state an overhead for, where no trace says which there are. */
const TYPICAL = { keyBytes: 24, valueBytes: 300 } as const;

/** Redis 6.2 to 7.4: entry, name, object and value are allocations of their own; Redis 8.2 and Valkey 8 merge some: calibrate there. */
export function formulaFootprint(
  allocator?: string,
  version?: string,
  startupBytes = STARTUP_BYTES,
): Footprint {
  const roundUp = roundUpOf[classesOf(allocator)];
  const entryBytes = (keyBytes: number, valueBytes: number, expires: boolean) =>
    formulaBytes(roundUp, keyBytes, valueBytes, expires);
  return {
    entryBytes,
    tableBytes,
    startupBytes,
    facts: {
      from: "formula",
      ...(version === undefined ? {} : { serverVersion: version }),
      overheadBytesMean:
        entryBytes(TYPICAL.keyBytes, TYPICAL.valueBytes, false) -
        TYPICAL.keyBytes -
        TYPICAL.valueBytes,
    },
  };
}

function formulaBytes(
  roundUp: RoundUp,
  keyBytes: number,
  valueBytes: number,
  expires: boolean,
): number {
  const value =
    valueBytes <= EMBEDDED_BYTES_MAX
      ? roundUp(OBJECT_BYTES + EMBEDDED_HEADER_BYTES + valueBytes)
      : roundUp(OBJECT_BYTES) + roundUp(stringBytes(valueBytes));
  // Names shorter than 32 bytes have the one-byte header (sds.c, sdsReqType); values never do, for they may grow.
  const name = roundUp(keyBytes > 0 && keyBytes < 32 ? keyBytes + 2 : stringBytes(keyBytes));
  const entry = roundUp(DICT_ENTRY_BYTES);
  return entry + name + value + (expires ? entry : 0);
}

/** sdshdr8, 16 and 32 (sds.h), and the final zero. */
function stringBytes(length: number): number {
  if (length < 256) return length + 4;
  return length < 65_536 ? length + 6 : length + 10;
}

function tableBytes(keys: number, keysWithTtl: number): number {
  return SLOT_BYTES * (slotsFor(keys) + slotsFor(keysWithTtl));
}

/** _dictNextExp (dict.c); none before the first key. */
export function slotsFor(keys: number): number {
  return keys <= 0 ? 0 : Math.max(TABLE_SLOTS_LEAST, 2 ** Math.ceil(Math.log2(keys)));
}

/** Of one connection's buffers at work; INFO has the server's own as mem_clients_normal. */
const CLIENT_BYTES = 64 * 1024;
/** Since 7.0 each command has a latency histogram from its first use on (latency-tracking), as measured on 7.0.15. */
const HISTOGRAM_BYTES = 24_640;
/** GET, SET, DEL, EXPIRE, and what clients and monitoring send. */
const COMMANDS = 8;

/** What a server has beside startup, tables and entries: connections, and a histogram for each command in its `INFO commandstats`. */
export function overheadBytes(
  server: { readonly clientBytes?: number; readonly commands?: number } = {},
): number {
  return (server.clientBytes ?? CLIENT_BYTES) + (server.commands ?? COMMANDS) * HISTOGRAM_BYTES;
}

interface Fit {
  readonly classes: ClassesOfAllocator;
  readonly perKey: number;
  readonly perTtl: number;
  readonly residual: number;
}

const CLASSES: readonly ClassesOfAllocator[] = ["jemalloc-16", "jemalloc-8", "libc"];

/** The allocator's classes that fit best, and what the formula lacks a key and a time to live; `facts.residual` says what is left. */
export function calibratedFootprint(
  shapes: readonly MeasuredShape[],
  server: { readonly startupBytes?: number; readonly serverVersion?: string } = {},
): Footprint {
  const usable = shapes.filter(({ bytesMeasured }) => bytesMeasured > 0);
  if (usable.length === 0) return formulaFootprint(undefined, server.serverVersion);
  const fit = CLASSES.map((classes) => fitted(classes, usable)).reduce((best, each) =>
    each.residual < best.residual ? each : best,
  );
  const roundUp = roundUpOf[fit.classes];
  const overheads = usable.map((each) => each.bytesMeasured - each.keyBytes - each.valueBytes);
  return {
    entryBytes: (keyBytes, valueBytes, expires) =>
      formulaBytes(roundUp, keyBytes, valueBytes, expires) +
      fit.perKey +
      (expires ? fit.perTtl : 0),
    tableBytes,
    startupBytes: server.startupBytes ?? STARTUP_BYTES,
    facts: {
      from: "calibrated",
      ...(server.serverVersion === undefined ? {} : { serverVersion: server.serverVersion }),
      overheadBytesMean: overheads.reduce((sum, each) => sum + each, 0) / overheads.length,
      residual: fit.residual,
    },
  };
}

/** Medians rather than means: a table that doubled during a measurement must not move all shapes. */
function fitted(classes: ClassesOfAllocator, shapes: readonly MeasuredShape[]): Fit {
  const roundUp = roundUpOf[classes];
  const lacking = shapes.map((shape) => ({
    shape,
    bytes:
      shape.bytesMeasured - formulaBytes(roundUp, shape.keyBytes, shape.valueBytes, shape.expires),
  }));
  const bytesOf = (expires: boolean) =>
    lacking.filter(({ shape }) => shape.expires === expires).map(({ bytes }) => bytes);
  const [persistent, expiring] = [bytesOf(false), bytesOf(true)];
  const perKey = median(persistent.length > 0 ? persistent : expiring);
  const perTtl = persistent.length > 0 && expiring.length > 0 ? median(expiring) - perKey : 0;
  const residuals = lacking.map(
    ({ shape, bytes }) =>
      Math.abs(bytes - perKey - (shape.expires ? perTtl : 0)) / shape.bytesMeasured,
  );
  return { classes, perKey, perTtl, residual: Math.max(...residuals) };
}

/** Bytes that an entry takes when it is stored by each row of the trace. */
export function entryBytesOf(trace: CacheTrace, footprint: Footprint): Float64Array {
  const { valueBytes, keyBytes } = withSizes(trace);
  const entries = new Float64Array(trace.rows);
  for (let row = 0; row < trace.rows; row += 1) {
    entries[row] = footprint.entryBytes(
      keyBytes[trace.key[row] ?? 0] ?? 0,
      valueBytes[row] ?? 0,
      (trace.ttlMs?.[row] ?? 0) > 0,
    );
  }
  return entries;
}

/** The trace with likely sizes where it has none, as simulations count them: for a replay that must store the same. */
export function withSizes(trace: CacheTrace): CacheTrace {
  const keyBytes = knownKeyBytes(trace);
  if (trace.valueBytes.every((bytes) => bytes > 0)) return { ...trace, keyBytes };
  const known = knownBytes(trace);
  const valueBytes = trace.valueBytes.map((bytes, row) =>
    bytes > 0 ? bytes : (known[trace.key[row] ?? 0] ?? 0),
  );
  return { ...trace, keyBytes, valueBytes };
}

/** By key, for rows without a size: the largest that any row of the key has, and the mean of all where none does. */
function knownBytes(trace: CacheTrace): Float64Array {
  const bytes = new Float64Array(trace.keyCount);
  for (let row = 0; row < trace.rows; row += 1) {
    const key = trace.key[row] ?? 0;
    bytes[key] = Math.max(bytes[key] ?? 0, trace.valueBytes[row] ?? 0);
  }
  return withMean(bytes);
}

function knownKeyBytes({ keyBytes }: CacheTrace): Uint16Array {
  if (keyBytes.every((bytes) => bytes > 0)) return keyBytes;
  const known = keyBytes.some((bytes) => bytes > 0);
  return known
    ? Uint16Array.from(withMean(Float64Array.from(keyBytes)))
    : new Uint16Array(keyBytes.length).fill(TYPICAL.keyBytes);
}

function withMean(values: Float64Array): Float64Array {
  let sum = 0;
  let known = 0;
  for (const value of values) {
    if (value > 0) {
      sum += value;
      known += 1;
    }
  }
  const mean = known === 0 ? 0 : Math.round(sum / known);
  return values.map((value) => (value > 0 ? value : mean));
}
