/** The tiers of a cache while a trace is played through them: what is stored where, and how old it is. */
import type { CacheTrace } from "../../../core/cache-trace.ts";
import type { SimulatedCache } from "../simulated-cache.ts";
import { createFlights, type Flights } from "./flights.ts";
import { createLruCache } from "./lru-cache.ts";
import type { DurationCounts } from "./quantiles.ts";
import type { L1Setup, L2Setup, TierSetup } from "./tier-setup.ts";

/** What an entry of the bundled service's L1 costs beside its key and value: createMemoryTier in src/registry. */
const L1_ENTRY_OVERHEAD_BYTES = 400;

/** A cache, and by key where its value came from: the row at which it was loaded from its source, plus 1. */
export interface Tier {
  readonly cache: SimulatedCache;
  readonly loadedBy: Uint32Array;
}

export interface Stack {
  readonly l1: readonly Tier[];
  readonly l2: Tier | undefined;
  readonly l3Of: (key: number) => Tier | undefined;
  readonly storeL1: (row: number, process: number, loadedBy: number) => void;
  readonly storeL2: (row: number, loadedBy: number) => void;
  readonly storeL3: (row: number, loadedBy: number) => void;
  readonly set: (row: number, process: number) => void;
  readonly delete: (row: number, process: number) => void;
  readonly change: (row: number) => void;
  readonly isStale: (key: number, loadedBy: number) => boolean;
  readonly flights: Flights | undefined;
}

interface EvictionAges {
  readonly l1Eviction: DurationCounts;
  readonly l2Eviction: DurationCounts;
}

export function createStack(
  trace: CacheTrace,
  bytes: Float64Array,
  setup: TierSetup,
  ages: EvictionAges,
): Stack {
  const { keyCount, key, timeMs } = trace;
  const processes = Math.max(1, setup.processes);
  const tierOf = (cache: SimulatedCache): Tier => ({ cache, loadedBy: new Uint32Array(keyCount) });
  const l1 = l1Caches(trace, setup.l1, processes, ages.l1Eviction).map(tierOf);
  const l2 = setup.l2 && tierOf(setup.l2.make((_, idleMs) => ages.l2Eviction.add(idleMs)));
  const l3Of = l3Lookup(trace, setup, tierOf);
  const l1BytesOf = l1EntryBytes(trace, setup.l1);
  const l2TtlOf = l2TimeToLive(trace, setup.l2);
  const changedBy = new Uint32Array(keyCount);
  const flights = setup.singleFlight && createFlights(keyCount, processes);
  const stack: Stack = {
    l1,
    l2,
    l3Of,
    storeL1: (row, process, loadedBy) =>
      put(l1[process], row, loadedBy, l1BytesOf(row), trace.ttlMs?.[row] ?? 0),
    storeL2: (row, loadedBy) => put(l2, row, loadedBy, bytes[row] ?? 0, l2TtlOf(row)),
    storeL3: (row, loadedBy) => put(l3Of(key[row] ?? 0), row, loadedBy, bytes[row] ?? 0, 0),
    set(row, process) {
      forget(row, process);
      stack.storeL1(row, process, row + 1);
      stack.storeL2(row, row + 1);
      stack.storeL3(row, row + 1);
    },
    delete(row, process) {
      forget(row, process);
      const id = key[row] ?? 0;
      l2?.cache.delete(id, timeMs[row] ?? 0);
      l3Of(id)?.cache.delete(id, timeMs[row] ?? 0);
    },
    change(row) {
      changedBy[key[row] ?? 0] = row + 1;
    },
    isStale: (id, loadedBy) => (changedBy[id] ?? 0) > loadedBy,
    flights,
  };
  return stack;

  function put(tier: Tier | undefined, row: number, loadedBy: number, size: number, ttl: number) {
    if (!tier) return;
    const id = key[row] ?? 0;
    tier.loadedBy[id] = loadedBy;
    tier.cache.set(id, size, timeMs[row] ?? 0, ttl);
  }

  /** The writing process knows of its write; the others only when they are told. */
  function forget(row: number, process: number): void {
    const id = key[row] ?? 0;
    const now = timeMs[row] ?? 0;
    for (let each = 0; each < l1.length; each += 1) {
      if (each === process || setup.invalidatesL1 !== false) l1[each]?.cache.delete(id, now);
    }
    flights?.supersede(id);
    stack.change(row);
  }
}

function l1Caches(
  trace: CacheTrace,
  l1: L1Setup | undefined,
  processes: number,
  evictionAges: DurationCounts,
): readonly SimulatedCache[] {
  if (!l1) return [];
  const bytesMax = l1.bytesMax * trace.sampledShare;
  return Array.from({ length: processes }, () =>
    createLruCache({
      bytesMax,
      ttlMs: l1.ttlMs,
      onEvict: (_, idleMs) => evictionAges.add(idleMs),
    }),
  );
}

function l3Lookup(
  trace: CacheTrace,
  setup: TierSetup,
  tierOf: (cache: SimulatedCache) => Tier,
): (key: number) => Tier | undefined {
  if (!setup.l3) return () => undefined;
  const { ttlMs, prefixes } = setup.l3;
  const tier = tierOf(createLruCache({ bytesMax: undefined, ttlMs }));
  const covered = trace.prefixes.map((prefix) => prefixes?.includes(prefix) ?? true);
  return (key) => (covered[trace.prefixOf[key] ?? 0] ? tier : undefined);
}

function l1EntryBytes(trace: CacheTrace, l1: L1Setup | undefined): (row: number) => number {
  const overhead = l1?.entryOverheadBytes ?? L1_ENTRY_OVERHEAD_BYTES;
  const { key, keyBytes, valueBytes } = trace;
  return (row) => (valueBytes[row] ?? 0) + (keyBytes[key[row] ?? 0] ?? 0) + overhead;
}

function l2TimeToLive(trace: CacheTrace, l2: L2Setup | undefined): (row: number) => number {
  const { key, ttlMs } = trace;
  const { ttlOf, ttlFactor } = l2 ?? {};
  if (ttlOf) return (row) => ttlOf(key[row] ?? 0);
  if (!ttlMs) return () => 0;
  const factor = ttlFactor ?? 1;
  return (row) => (ttlMs[row] ?? 0) * factor;
}
