/** A longer trace made from a short one: keys drawn again as often as they are likely, over the windows of a trial. */
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { DELETE, GET, type CacheTrace } from "../../../core/cache-trace.ts";
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
  /** Rows up to the end of each window. */
  readonly windowEnds: readonly number[];
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
  /** SET and WRITE; deletes come with the gets that they follow. */
  readonly changes: Uint32Array;
  readonly deletes: number;
  /** By key: invalidations a row of load, while something is there to be invalidated. */
  readonly cutRate: Float64Array;
}

function donorsOf(trace: CacheTrace, counts: Uint32Array): Donors {
  const ofKey = new Uint32Array(trace.keyCount);
  const singles: number[] = [];
  const changes: number[] = [];
  let deletes = 0;
  for (let row = 0; row < trace.rows; row += 1) {
    const key = trace.key[row] ?? 0;
    const operation = trace.operation[row];
    if (operation === DELETE) deletes += 1;
    else if (operation !== GET) changes.push(row);
    else {
      ofKey[key] = row;
      if (counts[key] === 1) singles.push(row);
    }
  }
  return {
    ofKey,
    ofUnseen: Uint32Array.from(singles.length > 0 ? singles : ofKey),
    changes: Uint32Array.from(changes),
    deletes,
    cutRate: cutRates(trace, counts, deletes),
  };
}

/** A key's kind counts as one invalidation of its own: a key that was seen twice says little of itself. */
const KIND_WEIGHT = 1;
/** A delete falls anywhere between two rows. */
const HALF_ROW = 0.5;

/**
 * Invalidations are traced where something was there to be invalidated: a key that is written ten times between two gets has
 * one delete. So each get begins a wait that ends with a delete, or is cut short by the next get or the trace's end, and the rate is
 * that of deletes over the time waited (the maximum likelihood of an exponential with censoring). Time is counted in rows other
 * than deletes, so that a trial of another rate, whose writes come faster too, has the same.
 */
function cutRates(trace: CacheTrace, counts: Uint32Array, deletes: number): Float64Array {
  const { rows, key, operation, keyCount } = trace;
  const cuts = new Float64Array(keyCount);
  if (deletes === 0) return cuts;
  const waited = new Float64Array(keyCount);
  const since = new Float64Array(keyCount).fill(-1);
  let now = 0;
  const end = (id: number, more: number): void => {
    const from = since[id] ?? -1;
    if (from >= 0) waited[id] = (waited[id] ?? 0) + now - from + more;
    since[id] = -1;
  };
  for (let row = 0; row < rows; row += 1) {
    const id = key[row] ?? 0;
    if (operation[row] === DELETE) {
      if ((since[id] ?? -1) >= 0) cuts[id] = (cuts[id] ?? 0) + 1;
      end(id, HALF_ROW);
      continue;
    }
    now += 1;
    if (operation[row] !== GET) continue;
    end(id, 0);
    since[id] = now;
  }
  for (let id = 0; id < keyCount; id += 1) end(id, 0);
  const usual = usualRates(trace, counts, { cuts, waited });
  return cuts.map((cut, id) => {
    const rate = usual[id] ?? 0;
    return rate > 0 ? (cut + KIND_WEIGHT) / ((waited[id] ?? 0) + KIND_WEIGHT / rate) : 0;
  });
}

interface Waits {
  readonly cuts: Float64Array;
  readonly waited: Float64Array;
}

/**
 * By key, what its kind says: keys of a kind are written alike often (a search that any write empties), or as often as they are
 * read (what is popular is changed more), whichever makes what was seen more likely.
 */
function usualRates(
  { keyCount, prefixOf, prefixes }: CacheTrace,
  counts: Uint32Array,
  { cuts, waited }: Waits,
): Float64Array {
  const kinds = prefixes.map(() => ({ cuts: 0, waited: 0, waitedByGets: 0, logGets: 0 }));
  for (let id = 0; id < keyCount; id += 1) {
    const kind = kinds[prefixOf[id] ?? 0];
    const gets = counts[id] ?? 0;
    if (!kind || gets === 0) continue;
    kind.cuts += cuts[id] ?? 0;
    kind.waited += waited[id] ?? 0;
    kind.waitedByGets += (waited[id] ?? 0) * gets;
    kind.logGets += (cuts[id] ?? 0) * Math.log(gets);
  }
  const models = kinds.map((kind) => {
    const alike = kind.cuts / Math.max(1, kind.waited);
    const byGets = kind.cuts / Math.max(1, kind.waitedByGets);
    // Both fit the number of deletes as a whole, so that what is left of the log-likelihood is the sum over deletes.
    const likelier = kind.cuts * Math.log(byGets) + kind.logGets > kind.cuts * Math.log(alike);
    return { alike, byGets, likelier };
  });
  return new Float64Array(keyCount).map((_, id) => {
    const model = models[prefixOf[id] ?? 0];
    if (!model) return 0;
    return model.likelier ? model.byGets * (counts[id] ?? 0) : model.alike;
  });
}

interface Draw {
  readonly random: RandomGenerator;
  readonly population: Population;
  readonly donors: Donors;
}

function trialOf(source: Source, protocol: Protocol, draw: Draw): Resampled {
  const { trace, bytes } = source;
  const { random, donors, population } = draw;
  const others = Math.max(1, trace.rows - donors.deletes);
  const times = timesOf(protocol, (source.rowsPerMs * others) / trace.rows, random);
  const changeShare = donors.changes.length / others;
  // At most one delete a get.
  const key = new Uint32Array(times.timeMs.length * 2);
  const donor = new Uint32Array(key.length);
  const operation = new Uint8Array(key.length);
  const timeMs = new Float64Array(key.length);
  const counted = new Uint8Array(key.length);
  let rows = 0;
  const cutAt = new Map<number, number>();
  const windowEnds: number[] = [];
  const perWindow = times.timeMs.length / protocol.windows;
  const add = (moment: number, id: number, like: number, what: number): void => {
    key[rows] = id;
    donor[rows] = like;
    operation[rows] = what;
    timeMs[rows] = times.timeMs[moment] ?? 0;
    counted[rows] = times.counted[moment] ?? 0;
    rows += 1;
  };
  for (let moment = 0; moment < times.timeMs.length; moment += 1) {
    if (moment >= perWindow * (windowEnds.length + 1)) windowEnds.push(rows);
    if (uniformFloat64(random) < changeShare) {
      const like = donors.changes[Math.floor(uniformFloat64(random) * donors.changes.length)] ?? 0;
      add(moment, trace.key[like] ?? 0, like, trace.operation[like] ?? GET);
      continue;
    }
    const id = population.draw();
    const like = donorOf(donors, id);
    // A delete shows at the next get alone, so that is where it stands.
    if ((cutAt.get(id) ?? Infinity) <= moment) add(moment, id, like, DELETE);
    add(moment, id, like, GET);
    const rate = donors.cutRate[trace.key[like] ?? 0] ?? 0;
    if (rate > 0) cutAt.set(id, moment - Math.log(1 - uniformFloat64(random)) / rate);
  }
  windowEnds.push(rows);
  const like = donor.subarray(0, rows);
  return {
    counted: counted.subarray(0, rows),
    windowEnds,
    bytes: new Float64Array(rows).map((_, row) => bytes[like[row] ?? 0] ?? 0),
    trace: {
      ...columnsOf(trace, like),
      rows,
      operation: operation.subarray(0, rows),
      timeMs: timeMs.subarray(0, rows),
      key: key.subarray(0, rows),
      ...keysOf(source, donors, population),
    },
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
  { valueBytes, ttlMs, costMs, prefixes, processes }: CacheTrace,
  donor: Uint32Array,
): Pick<CacheTrace, "valueBytes" | "ttlMs" | "costMs" | "prefixes" | "processes" | "source"> {
  return {
    source: "a trace drawn again",
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
