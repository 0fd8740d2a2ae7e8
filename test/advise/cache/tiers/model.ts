/** Tiers as one would write them without a thought for speed: what the fast simulation is compared with. */
import type { CacheTrace } from "../../../../src/core/cache-trace.ts";
import type { TierSetup } from "../../../../src/advise/cache/tiers/tier-setup.ts";

interface Entry {
  readonly key: number;
  readonly bytes: number;
  readonly diesAt: number;
  /** Changes of the key that the value knows of. */
  readonly version: number;
}

interface ModelTier {
  /** Least recently used first. */
  entries: Entry[];
  readonly bytesMax: number;
  readonly past: Map<number, { why: "evicted" | "expired" | "invalidated"; diesAt: number }>;
}

export interface ModelOutcome {
  gets: number;
  l1Hits: number;
  l2Hits: number;
  l3Hits: number;
  loads: number;
  joined: number;
  staleReads: number;
  costMs: number;
  misses: { compulsory: number; capacity: number; expired: number; invalidated: number };
}

export interface ModelSetup extends Omit<TierSetup, "l2"> {
  readonly l2?: { readonly bytesMax: number; readonly ttlFactor?: number };
}

/** Of traces that say which process asks. */
export function modelTiers(
  trace: CacheTrace,
  bytes: Float64Array,
  setup: ModelSetup,
): ModelOutcome {
  const l1 = setup.l1
    ? Array.from({ length: setup.processes }, () => emptyTier(setup.l1!.bytesMax))
    : [];
  const l2 = setup.l2 ? emptyTier(setup.l2.bytesMax) : undefined;
  const l3 = setup.l3 ? emptyTier(Infinity) : undefined;
  const versions = new Map<number, number>();
  const flights = new Map<string, { until: number; version: number }>();
  const outcome: ModelOutcome = {
    gets: 0,
    l1Hits: 0,
    l2Hits: 0,
    l3Hits: 0,
    loads: 0,
    joined: 0,
    staleReads: 0,
    costMs: 0,
    misses: { compulsory: 0, capacity: 0, expired: 0, invalidated: 0 },
  };
  for (let row = 0; row < trace.rows; row += 1) {
    const key = trace.key[row]!;
    const now = trace.timeMs[row]!;
    const process = trace.process?.[row] ?? 0;
    const own = l1[process];
    const ttl = trace.ttlMs?.[row] ?? 0;
    const covered =
      !setup.l3?.prefixes || setup.l3.prefixes.includes(trace.prefixes[trace.prefixOf[key]!]!);
    const last = covered ? l3 : undefined;
    const current = (): number => versions.get(key) ?? 0;
    const fill = (which: "all" | "l1" | "l1 and l2", version: number): void => {
      const size =
        trace.valueBytes[row]! + trace.keyBytes[key]! + (setup.l1?.entryOverheadBytes ?? 400);
      if (own) store(own, { key, bytes: size, version, diesAt: end(now, setup.l1!.ttlMs || ttl) });
      if (which === "l1") return;
      const lifeMs = ttl * (setup.l2?.ttlFactor ?? 1);
      if (l2) store(l2, { key, bytes: bytes[row]!, version, diesAt: end(now, lifeMs) });
      if (which === "all" && last)
        store(last, { key, bytes: 0, version, diesAt: end(now, setup.l3!.ttlMs) });
    };
    const operation = ["get", "set", "delete", "write"][trace.operation[row]!];
    if (operation !== "get") {
      versions.set(key, current() + 1);
      if (operation === "write") continue;
      for (const flight of flights.keys()) if (flight.endsWith(` ${key}`)) flights.delete(flight);
      for (const [number, each] of l1.entries()) {
        if (number === process || setup.invalidatesL1 !== false) take(each, key);
      }
      for (const each of [l2, last]) if (each) take(each, key);
      if (operation === "set") fill("all", current());
      continue;
    }
    outcome.gets += 1;
    const read = (version: number): void => {
      if (version < current()) outcome.staleReads += 1;
    };
    const flight = flights.get(`${process} ${key}`);
    if (flight && now < flight.until) {
      outcome.joined += 1;
      read(flight.version);
      continue;
    }
    let why: keyof ModelOutcome["misses"] = "compulsory";
    let found = false;
    for (const [each, name] of [
      [own, "l1"],
      [l2, "l2"],
      [last, "l3"],
    ] as const) {
      if (!each || found) continue;
      const entry = lookUp(each, key, now);
      if (typeof entry === "string") {
        why = entry;
        continue;
      }
      found = true;
      outcome[`${name}Hits`] += 1;
      read(entry.version);
      if (name === "l2") fill("l1", entry.version);
      if (name === "l3") fill("l1 and l2", entry.version);
    }
    if (found) continue;
    outcome.loads += 1;
    outcome.misses[why] += 1;
    const cost = trace.costMs?.[row] ?? 0;
    outcome.costMs += cost;
    if (setup.singleFlight)
      flights.set(`${process} ${key}`, { until: now + cost, version: current() });
    fill("all", current());
  }
  return outcome;
}

function emptyTier(bytesMax: number): ModelTier {
  return { entries: [], bytesMax, past: new Map() };
}

function end(now: number, ttl: number): number {
  return ttl === 0 ? Infinity : now + ttl;
}

function lookUp(tier: ModelTier, key: number, now: number): Entry | keyof ModelOutcome["misses"] {
  const entry = tier.entries.find((each) => each.key === key);
  if (!entry) {
    const gone = tier.past.get(key);
    if (!gone) return "compulsory";
    if (gone.why === "evicted") return now > gone.diesAt ? "expired" : "capacity";
    return gone.why;
  }
  tier.entries = tier.entries.filter((each) => each !== entry);
  if (now > entry.diesAt) {
    tier.past.set(key, { why: "expired", diesAt: 0 });
    return "expired";
  }
  tier.entries.push(entry);
  return entry;
}

function store(tier: ModelTier, entry: Entry): void {
  tier.entries = tier.entries.filter((each) => each.key !== entry.key);
  if (entry.bytes > tier.bytesMax) {
    tier.past.set(entry.key, { why: "evicted", diesAt: entry.diesAt });
    return;
  }
  tier.entries.push(entry);
  const held = (): number => tier.entries.reduce((sum, { bytes }) => sum + bytes, 0);
  while (held() > tier.bytesMax) {
    const oldest = tier.entries.shift()!;
    tier.past.set(oldest.key, { why: "evicted", diesAt: oldest.diesAt });
  }
}

function take(tier: ModelTier, key: number): void {
  const had = tier.entries.some((each) => each.key === key) || tier.past.has(key);
  tier.entries = tier.entries.filter((each) => each.key !== key);
  if (had) tier.past.set(key, { why: "invalidated", diesAt: 0 });
}
