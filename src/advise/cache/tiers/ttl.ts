/**
 * Hit rate, stale reads and bytes held by time to live, memory unbounded. Without a limit keys do not touch each other, so
 * rows are put in order of their key once, and each key is played for every time to live in turn: exact, with demand fill,
 * and a single pass over memory for all of them.
 */
import type { TtlPoint } from "../../../core/cache-advice.ts";
import { DELETE, GET, WRITE, type CacheTrace } from "../../../core/cache-trace.ts";
import { busiestPrefixes, getsByPrefix, hitRateOf, lengthMsOf, showsChanges } from "./gets.ts";
import { rowsByKey, type RowsByKey } from "./rows-by-key.ts";
import { staleChance } from "./staleness.ts";

export interface TtlOptions {
  /** Beside all together; the busiest without. */
  readonly prefixes?: readonly string[];
  /**
   * For traces that show no changes: how often the value of a key changes, in an hour. Stale shares are then expectations,
   * with changes at any time alike.
   */
  readonly changesPerKeyHour?: (prefix: string) => number;
}

const PREFIXES_MAX = 30;

/** One for each time to live (0: none) of all gets, then by prefix. Every entry has that time to live, whatever it had. */
export function ttlPoints(
  trace: CacheTrace,
  bytes: Float64Array,
  ttlsMs: readonly number[],
  options: TtlOptions = {},
): readonly TtlPoint[] {
  const groups = groupsOf(trace, options.prefixes);
  const sums = createSums(groups.length, ttlsMs, trace);
  playAll(trace, bytes, { groups, ttlsMs, sums, changesPerKeyHour: options.changesPerKeyHour });
  const stale = options.changesPerKeyHour !== undefined || showsChanges(trace);
  return groups.flatMap((group, place) =>
    ttlsMs.map((ttlMs, ttl) => {
      const { gets, hits, staleReads } = sums.of(place, ttl);
      return {
        prefix: group.name,
        ttlMs,
        hitRate: hitRateOf(group.all ? trace : { sampledShare: 1 }, gets, gets - hits),
        ...(stale ? { staleShare: gets === 0 ? 0 : staleReads / gets } : {}),
        bytes: Math.round(sums.bytesMax(place, ttl) / trace.sampledShare),
      };
    }),
  );
}

interface Group {
  readonly name: string;
  readonly all: boolean;
  readonly prefix: number;
}

/** All gets, then the prefixes that were asked for. "" is all, so a prefix without a name is not listed on its own. */
function groupsOf(trace: CacheTrace, names: readonly string[] | undefined): readonly Group[] {
  const places = names
    ? names.map((name) => trace.prefixes.indexOf(name)).filter((place) => place >= 0)
    : busiestPrefixes(getsByPrefix(trace), PREFIXES_MAX);
  const named = places
    .map((prefix) => ({ name: trace.prefixes[prefix] ?? "", all: false, prefix }))
    .filter(({ name }) => name !== "");
  return [{ name: "", all: true, prefix: -1 }, ...named];
}

/** Points of a trace's length at which the bytes held are added up. */
const INSTANTS = 1_024;

interface Sums {
  readonly add: (group: number, ttl: number, counts: KeyCounts) => void;
  /** Bytes that were held from one time to another, both included. */
  readonly held: (group: number, ttl: number, fromMs: number, toMs: number, bytes: number) => void;
  readonly of: (group: number, ttl: number) => KeyCounts;
  readonly bytesMax: (group: number, ttl: number) => number;
}

interface KeyCounts {
  gets: number;
  hits: number;
  staleReads: number;
}

function createSums(groups: number, ttlsMs: readonly number[], trace: CacheTrace): Sums {
  const counts: readonly KeyCounts[] = Array.from({ length: groups * ttlsMs.length }, () => ({
    gets: 0,
    hits: 0,
    staleReads: 0,
  }));
  const changes = new Float64Array(counts.length * (INSTANTS + 2));
  const begin = trace.timeMs[0] ?? 0;
  const step = lengthMsOf(trace) / INSTANTS;
  const cellOf = (group: number, ttl: number): number => group * ttlsMs.length + ttl;
  return {
    add(group, ttl, { gets, hits, staleReads }) {
      const sum = counts[cellOf(group, ttl)];
      if (!sum) return;
      sum.gets += gets;
      sum.hits += hits;
      sum.staleReads += staleReads;
    },
    held(group, ttl, fromMs, toMs, bytes) {
      // In a trace without length all instants are the same.
      const from = step > 0 ? Math.ceil((fromMs - begin) / step) : 0;
      const to = step > 0 ? Math.floor((toMs - begin) / step) : INSTANTS;
      // The last row's quotient may be rounded beyond the last instant.
      const first = Math.min(INSTANTS, from);
      const last = Math.min(INSTANTS, to);
      if (last < first) return;
      const at = cellOf(group, ttl) * (INSTANTS + 2);
      changes[at + first] = (changes[at + first] ?? 0) + bytes;
      changes[at + last + 1] = (changes[at + last + 1] ?? 0) - bytes;
    },
    of: (group, ttl) => counts[cellOf(group, ttl)] ?? { gets: 0, hits: 0, staleReads: 0 },
    bytesMax(group, ttl) {
      const at = cellOf(group, ttl) * (INSTANTS + 2);
      let now = 0;
      let most = 0;
      for (const change of changes.subarray(at, at + INSTANTS + 1)) {
        now += change;
        most = Math.max(most, now);
      }
      return most;
    },
  };
}

interface Play {
  readonly groups: readonly Group[];
  readonly ttlsMs: readonly number[];
  readonly sums: Sums;
  readonly changesPerKeyHour: TtlOptions["changesPerKeyHour"];
}

function playAll(trace: CacheTrace, bytes: Float64Array, play: Play): void {
  const { groups, ttlsMs, sums, changesPerKeyHour } = play;
  const byKey = rowsByKey(trace);
  const groupOf = new Int32Array(trace.prefixes.length);
  for (const [place, { prefix }] of groups.entries()) if (prefix >= 0) groupOf[prefix] = place;
  const rates = trace.prefixes.map((prefix) => changesPerKeyHour?.(prefix) ?? 0);
  const lives = ttlsMs.map((ttlMs) => (ttlMs > 0 ? ttlMs : Infinity));
  const rows = createKeyRows(byKey);
  const counts: KeyCounts = { gets: 0, hits: 0, staleReads: 0 };
  for (let key = 0; key < trace.keyCount; key += 1) {
    rows.take(trace, bytes, key);
    if (rows.count() === 0) continue;
    const prefix = trace.prefixOf[key] ?? 0;
    const group = groupOf[prefix] ?? 0;
    for (let ttl = 0; ttl < lives.length; ttl += 1) {
      counts.gets = 0;
      counts.hits = 0;
      counts.staleReads = 0;
      playKey(
        rows,
        { lifeMs: lives[ttl] ?? 0, rate: rates[prefix] ?? 0, ttl, group, sums },
        counts,
      );
      sums.add(0, ttl, counts);
      if (group > 0) sums.add(group, ttl, counts);
    }
  }
}

/** The rows of one key, side by side in memory, since they are gone through for every time to live. */
interface KeyRows {
  readonly take: (trace: CacheTrace, bytes: Float64Array, key: number) => void;
  readonly count: () => number;
  readonly timeMs: Float64Array;
  readonly operation: Uint8Array;
  readonly bytes: Float64Array;
}

function createKeyRows({ start, row }: RowsByKey): KeyRows {
  let most = 0;
  for (let key = 0; key + 1 < start.length; key += 1) {
    most = Math.max(most, (start[key + 1] ?? 0) - (start[key] ?? 0));
  }
  const timeMs = new Float64Array(most);
  const operation = new Uint8Array(most);
  const size = new Float64Array(most);
  let count = 0;
  return {
    take(trace, bytes, key) {
      const from = start[key] ?? 0;
      count = (start[key + 1] ?? 0) - from;
      for (let at = 0; at < count; at += 1) {
        const place = row[from + at] ?? 0;
        timeMs[at] = trace.timeMs[place] ?? 0;
        operation[at] = trace.operation[place] ?? GET;
        size[at] = bytes[place] ?? 0;
      }
    },
    count: () => count,
    timeMs,
    operation,
    bytes: size,
  };
}

interface KeyPlay {
  readonly lifeMs: number;
  /** Changes an hour, where the user gave them. */
  readonly rate: number;
  readonly ttl: number;
  /** Beside group 0, which is all keys; 0: none. */
  readonly group: number;
  readonly sums: Sums;
}

function playKey(rows: KeyRows, play: KeyPlay, counts: KeyCounts): void {
  const { timeMs, operation, bytes } = rows;
  const { lifeMs, rate } = play;
  const count = rows.count();
  let storedAt = -1;
  let diesAt = -1;
  let size = 0;
  let changed = false;
  for (let at = 0; at < count; at += 1) {
    const now = timeMs[at] ?? 0;
    const what = operation[at] ?? GET;
    if (what === WRITE) {
      changed = true;
      continue;
    }
    if (what === GET) {
      counts.gets += 1;
      if (storedAt >= 0 && now <= diesAt) {
        counts.hits += 1;
        if (changed) counts.staleReads += 1;
        else if (rate > 0) counts.staleReads += staleChance(now - storedAt, rate);
        continue;
      }
    }
    if (storedAt >= 0) addHeld(play, storedAt, Math.min(now, diesAt), size);
    storedAt = what === DELETE ? -1 : now;
    diesAt = now + lifeMs;
    size = bytes[at] ?? 0;
    changed = false;
  }
  if (storedAt >= 0) addHeld(play, storedAt, diesAt, size);
}

function addHeld({ sums, ttl, group }: KeyPlay, fromMs: number, toMs: number, bytes: number): void {
  sums.held(0, ttl, fromMs, toMs, bytes);
  if (group > 0) sums.held(group, ttl, fromMs, toMs, bytes);
}
