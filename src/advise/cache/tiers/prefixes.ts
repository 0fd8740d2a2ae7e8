/** The kinds of keys in a trace, by what their names begin with: how often they are asked for, found, changed, and why they miss. */
import type { PrefixFacts } from "../../../core/cache-advice.ts";
import type { CacheTrace } from "../../../core/cache-trace.ts";
import { ceilingByPrefix } from "./ceiling.ts";
import { busiestPrefixes, changesOf, getsByPrefix, lengthMsOf, showsChanges } from "./gets.ts";
import { medianOf } from "./quantiles.ts";
import type { PrefixCounts } from "./tier-setup.ts";

/** What a simulation counted of a prefix; `simulateTiers(...).byPrefix` is one. */
export type PrefixOutcome = Pick<PrefixCounts, "gets" | "hitRate" | "misses" | "staleShare">;

const PREFIXES_MAX = 30;
/** The name of those that are listed together. */
const OTHERS = "others";

/**
 * The busiest, then all others together. `outcomes` are in the order of the trace's prefixes. Misses are shares of the
 * prefix's gets.
 */
export function prefixFacts(
  trace: CacheTrace,
  bytes: Float64Array,
  outcomes: readonly PrefixOutcome[],
): readonly PrefixFacts[] {
  const gets = getsByPrefix(trace);
  const listed = busiestPrefixes(gets, PREFIXES_MAX);
  const rest = busiestPrefixes(gets, trace.prefixes.length).slice(listed.length);
  const groups = [
    ...listed.map((prefix) => ({ name: trace.prefixes[prefix] ?? "", prefixes: [prefix] })),
    ...(rest.length > 0 ? [{ name: OTHERS, prefixes: rest }] : []),
  ];
  const groupOf = new Int16Array(trace.prefixes.length).fill(-1);
  for (const [place, group] of groups.entries()) {
    for (const prefix of group.prefixes) groupOf[prefix] = place;
  }
  const measured = measureGroups(trace, bytes, groupOf, groups.length);
  const ceilings = ceilingByPrefix(trace);
  return groups.map((group, place) => ({
    prefix: group.name,
    ...joined(group.prefixes, gets, outcomes),
    ceiling: weighted(group.prefixes, gets, (prefix) => ceilings[prefix]?.hitRate ?? 0),
    ...measured(place),
  }));
}

function joined(
  prefixes: readonly number[],
  gets: Float64Array,
  outcomes: readonly PrefixOutcome[],
): Pick<PrefixFacts, "gets" | "hitRate" | "misses" | "staleShare"> {
  const missShare = (why: keyof PrefixOutcome["misses"]): number => {
    const missed = prefixes.reduce((sum, prefix) => sum + (outcomes[prefix]?.misses[why] ?? 0), 0);
    const counted = prefixes.reduce((sum, prefix) => sum + (outcomes[prefix]?.gets ?? 0), 0);
    return counted === 0 ? 0 : missed / counted;
  };
  const staleKnown = prefixes.every((prefix) => outcomes[prefix]?.staleShare !== undefined);
  return {
    gets: prefixes.reduce((sum, prefix) => sum + (gets[prefix] ?? 0), 0),
    hitRate: weighted(prefixes, gets, (prefix) => outcomes[prefix]?.hitRate ?? 0),
    misses: {
      compulsory: missShare("compulsory"),
      capacity: missShare("capacity"),
      expired: missShare("expired"),
      invalidated: missShare("invalidated"),
    },
    ...(staleKnown
      ? { staleShare: weighted(prefixes, gets, (prefix) => outcomes[prefix]?.staleShare ?? 0) }
      : {}),
  };
}

function weighted(
  prefixes: readonly number[],
  gets: Float64Array,
  value: (prefix: number) => number,
): number {
  let sum = 0;
  let weight = 0;
  for (const prefix of prefixes) {
    sum += value(prefix) * (gets[prefix] ?? 0);
    weight += gets[prefix] ?? 0;
  }
  return weight === 0 ? 0 : sum / weight;
}

type Measured = Pick<PrefixFacts, "keys" | "bytes" | "ttlMs" | "writesPerKeyHour" | "costMs">;

const MS_PER_HOUR = 3_600_000;

/** Keys and bytes are of all keys, in a sampled trace too. */
function measureGroups(
  trace: CacheTrace,
  bytes: Float64Array,
  groupOf: Int16Array,
  groups: number,
): (group: number) => Measured {
  const { rows, key, ttlMs, prefixOf, sampledShare } = trace;
  const changes = changesOf(trace);
  const groupOfKey = (id: number): number => groupOf[prefixOf[id] ?? 0] ?? -1;
  const size = new Float64Array(trace.keyCount);
  const ttl = new Float64Array(ttlMs ? trace.keyCount : 0);
  const seen = new Uint8Array(trace.keyCount);
  const writes = new Float64Array(groups);
  for (let row = 0; row < rows; row += 1) {
    const id = key[row] ?? 0;
    seen[id] = 1;
    const held = bytes[row] ?? 0;
    if (held > 0) size[id] = held;
    const life = ttlMs?.[row] ?? 0;
    if (life > 0) ttl[id] = life;
    const group = groupOfKey(id);
    if (changes(row) && group >= 0) writes[group] = (writes[group] ?? 0) + 1;
  }
  const keys = new Float64Array(groups);
  const bytesHeld = new Float64Array(groups);
  const ttls: number[][] = Array.from({ length: groups }, () => []);
  for (let id = 0; id < trace.keyCount; id += 1) {
    const group = groupOfKey(id);
    if (group < 0 || seen[id] === 0) continue;
    keys[group] = (keys[group] ?? 0) + 1;
    bytesHeld[group] = (bytesHeld[group] ?? 0) + (size[id] ?? 0);
    if ((ttl[id] ?? 0) > 0) ttls[group]?.push(ttl[id] ?? 0);
  }
  const hours = lengthMsOf(trace) / MS_PER_HOUR;
  const showsWrites = hours > 0 && showsChanges(trace);
  const costs = costsByGroup(trace, groupOfKey, groups);
  return (group) => {
    const ttlMedian = medianOf(Float64Array.from(ttls[group] ?? []));
    const costMs = medianOf(costs[group] ?? new Float64Array(0));
    const known = keys[group] ?? 0;
    return {
      keys: Math.round(known / sampledShare),
      bytes: Math.round((bytesHeld[group] ?? 0) / sampledShare),
      ...(ttlMedian === undefined ? {} : { ttlMs: ttlMedian }),
      ...(showsWrites && known > 0
        ? { writesPerKeyHour: (writes[group] ?? 0) / known / hours }
        : {}),
      ...(costMs === undefined ? {} : { costMs }),
    };
  };
}

/** Enough for a median. */
const COSTS_MAX = 20_000;

/** Every n-th known cost of each group, so that no more are kept than a median needs. */
function costsByGroup(
  trace: CacheTrace,
  groupOfKey: (key: number) => number,
  groups: number,
): readonly Float64Array[] {
  const { costMs, key, rows } = trace;
  const kept: number[][] = Array.from({ length: groups }, () => []);
  if (!costMs) return kept.map((each) => Float64Array.from(each));
  const known = new Float64Array(groups);
  const eachKnown = (visit: (group: number, cost: number) => void): void => {
    for (let row = 0; row < rows; row += 1) {
      const cost = costMs[row] ?? 0;
      const group = groupOfKey(key[row] ?? 0);
      if (cost > 0 && group >= 0) visit(group, cost);
    }
  };
  eachKnown((group) => (known[group] = (known[group] ?? 0) + 1));
  const at = new Float64Array(groups);
  eachKnown((group, cost) => {
    const step = Math.ceil((known[group] ?? 0) / COSTS_MAX);
    if ((at[group] ?? 0) % step === 0) kept[group]?.push(cost);
    at[group] = (at[group] ?? 0) + 1;
  });
  return kept.map((each) => Float64Array.from(each));
}
