/** A longer trace made from a short one: keys drawn again as often as they are likely, over the windows of a trial. */
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { GET, type CacheTrace } from "../../../core/cache-trace.ts";
import { createPopulation, type Popularity, type Population } from "./popularity.ts";

/** Load comes in windows: each warms up, is measured, and is followed by a gap without load. */
export interface Protocol {
  readonly warmupMs: number;
  readonly windowMs: number;
  readonly gapMs: number;
  readonly windows: number;
}

export interface Resampled {
  readonly trace: CacheTrace;
  readonly bytes: Float64Array;
  /** By row: 1 in the measured parts. */
  readonly counted: Uint8Array;
}

export interface Source {
  readonly trace: CacheTrace;
  readonly bytes: Float64Array;
  /** Of gets and all else. */
  readonly rowsPerMs: number;
}

/** A world that a trace may have come from: gives as many trials, and as many traces, as wanted. */
export interface World {
  readonly trial: (protocol: Protocol) => Resampled;
  /** Gets of each key in a capture as long as the trace's. */
  readonly capture: (gets: number) => Uint32Array;
}

export function createWorld(source: Source, popularity: Popularity, seed: number): World {
  const random = xoroshiro128plus(seed);
  const population = createPopulation(popularity, random);
  const donors = donorsOf(source.trace, popularity.counts);
  return {
    trial: (protocol) => trialOf(source, protocol, { random, population, donors }),
    capture(gets) {
      const keys = Uint32Array.from({ length: gets }, population.draw);
      const counts = new Uint32Array(population.keys());
      for (const key of keys) counts[key] = (counts[key] ?? 0) + 1;
      return counts;
    },
  };
}

/** Rows whose size, time to live and cost stand for a key's; those of keys seen once stand for keys not seen. */
interface Donors {
  readonly ofKey: Uint32Array;
  readonly ofUnseen: Uint32Array;
  readonly changes: Uint32Array;
}

function donorsOf(trace: CacheTrace, counts: Uint32Array): Donors {
  const ofKey = new Uint32Array(trace.keyCount);
  const singles: number[] = [];
  const changes: number[] = [];
  for (let row = 0; row < trace.rows; row += 1) {
    const key = trace.key[row] ?? 0;
    if (trace.operation[row] !== GET) {
      changes.push(row);
      continue;
    }
    ofKey[key] = row;
    if (counts[key] === 1) singles.push(row);
  }
  return {
    ofKey,
    ofUnseen: Uint32Array.from(singles.length > 0 ? singles : ofKey),
    changes: Uint32Array.from(changes),
  };
}

interface Draw {
  readonly random: RandomGenerator;
  readonly population: Population;
  readonly donors: Donors;
}

function trialOf(source: Source, protocol: Protocol, draw: Draw): Resampled {
  const { trace, bytes } = source;
  const { random, donors, population } = draw;
  const { timeMs, counted } = timesOf(protocol, source.rowsPerMs, random);
  const rows = timeMs.length;
  const changeShare = donors.changes.length / Math.max(1, trace.rows);
  const key = new Uint32Array(rows);
  const donor = new Uint32Array(rows);
  for (let row = 0; row < rows; row += 1) {
    if (uniformFloat64(random) < changeShare) {
      donor[row] = donors.changes[Math.floor(uniformFloat64(random) * donors.changes.length)] ?? 0;
      key[row] = trace.key[donor[row] ?? 0] ?? 0;
    } else {
      key[row] = population.draw();
      donor[row] = donorOf(donors, key[row] ?? 0);
    }
  }
  return {
    counted,
    bytes: new Float64Array(rows).map((_, row) => bytes[donor[row] ?? 0] ?? 0),
    trace: { ...columnsOf(trace, donor), rows, timeMs, key, ...keysOf(source, donors, population) },
  };
}

function donorOf({ ofKey, ofUnseen }: Donors, key: number): number {
  if (key < ofKey.length) return ofKey[key] ?? 0;
  return ofUnseen[(key - ofKey.length) % Math.max(1, ofUnseen.length)] ?? 0;
}

/** Rows come evenly, each at any moment of its share of the time. */
function timesOf(
  protocol: Protocol,
  rowsPerMs: number,
  random: RandomGenerator,
): { readonly timeMs: Float64Array; readonly counted: Uint8Array } {
  const { warmupMs, windowMs, gapMs, windows } = protocol;
  const activeMs = warmupMs + windowMs;
  const rows = Math.floor(activeMs * windows * rowsPerMs);
  const timeMs = new Float64Array(rows);
  const counted = new Uint8Array(rows);
  for (let row = 0; row < rows; row += 1) {
    const active = (row + uniformFloat64(random)) / rowsPerMs;
    const window = Math.floor(active / activeMs);
    timeMs[row] = active + window * gapMs;
    counted[row] = active - window * activeMs >= warmupMs ? 1 : 0;
  }
  return { timeMs, counted };
}

/** Which process asks is drawn anew, and no get has an outcome yet. */
function columnsOf(
  { operation, valueBytes, ttlMs, costMs, prefixes, processes }: CacheTrace,
  donor: Uint32Array,
): Pick<
  CacheTrace,
  "operation" | "valueBytes" | "ttlMs" | "costMs" | "prefixes" | "processes" | "source"
> {
  return {
    source: "a trace drawn again",
    operation: new Uint8Array(donor.length).map((_, row) => operation[donor[row] ?? 0] ?? 0),
    valueBytes: new Uint32Array(donor.length).map((_, row) => valueBytes[donor[row] ?? 0] ?? 0),
    ...(ttlMs
      ? { ttlMs: new Uint32Array(donor.length).map((_, row) => ttlMs[donor[row] ?? 0] ?? 0) }
      : {}),
    ...(costMs
      ? { costMs: new Float32Array(donor.length).map((_, row) => costMs[donor[row] ?? 0] ?? 0) }
      : {}),
    prefixes,
    processes,
  };
}

function keysOf(
  { trace }: Source,
  donors: Donors,
  population: Population,
): Pick<CacheTrace, "keyCount" | "keyBytes" | "prefixOf" | "sampledShare"> {
  const keyCount = population.keys();
  // A key of the trace is itself; one that was not seen is like its donor.
  const like = (key: number): number =>
    key < trace.keyCount ? key : (trace.key[donorOf(donors, key)] ?? 0);
  return {
    keyCount,
    keyBytes: new Uint16Array(keyCount).map((_, key) => trace.keyBytes[like(key)] ?? 0),
    prefixOf: new Uint16Array(keyCount).map((_, key) => trace.prefixOf[like(key)] ?? 0),
    sampledShare: trace.sampledShare,
  };
}
