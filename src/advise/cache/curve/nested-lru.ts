/**
 * LRU caches of several sizes at once: exact where entries differ in size, change it, are removed, or are larger than
 * a cache. What an LRU cache has are the most recent entries, down to some age. So caches of all sizes share one axis of
 * accesses, and each has a cursor on it: the place of its oldest entry. An access is a hit in those whose cursor is not
 * beyond the key's last place. Stack distances need no list of sizes, but are not exact once an entry shrinks or is
 * removed: they give back what had been evicted before.
 */
import { grown } from "./grown.ts";
import { sumsOf, type HitCounts } from "./hit-counts.ts";

export interface NestedLru {
  /** Asks for an entry, and stores it where it is missing; it has these bytes from now on. Counted apart by group, 0 to `groups` - 1. */
  get(id: number, bytes: number, group: number): void;
  /** Stores, or replaces. */
  set(id: number, bytes: number): void;
  remove(id: number): void;
  counts(group: number): HitCounts;
}

export interface NestedLruOptions {
  /** Keys are this share of all, chosen by hash: a cache holds that share of its size. An entry's own bytes are no sample: they count for that share where the question is whether the entry itself is still there. */
  readonly share?: number;
  readonly groups?: number;
  /** Places on the axis to begin with; a test makes them few, to see more renumberings. */
  readonly places?: number;
}

/** Sizes ascend. An entry larger than a cache is not stored in it. Ids are dense from 0. */
export function createNestedLru(
  sizes: readonly number[],
  { share = 1, groups = 1, places = 4096 }: NestedLruOptions = {},
): NestedLru {
  const state: State = {
    fits: Float64Array.from(sizes),
    capacity: Float64Array.from(sizes, (size) => size * share),
    used: new Float64Array(sizes.length),
    cursor: new Int32Array(sizes.length).fill(1),
    had: new Uint8Array(sizes.length),
    notOwn: 1 - share,
    placeOf: new Int32Array(places),
    axisBytes: new Float64Array(places + 1),
    axisId: new Int32Array(places + 1),
    end: 0,
    nestedFrom: 0,
  };
  const gets = new Float64Array(groups);
  const bytesAsked = new Float64Array(groups);
  // Counted as steps from size to size: an access that hits from one size on is one addition.
  const steps = sizes.length + 1;
  const hitSteps = new Float64Array(groups * steps);
  const byteSteps = new Float64Array(groups * steps);
  const count = (at: number, times: number, bytes: number): void => {
    hitSteps[at] = (hitSteps[at] ?? 0) + times;
    byteSteps[at] = (byteSteps[at] ?? 0) + times * bytes;
  };
  return {
    get(id, bytes, group) {
      gets[group] = (gets[group] ?? 0) + 1;
      bytesAsked[group] = (bytesAsked[group] ?? 0) + bytes;
      const first = store(state, id, bytes);
      let smallerHad = 0;
      for (let size = 0; size < state.nestedFrom; size += 1) {
        const had = state.had[size] ?? 0;
        if (had !== smallerHad) count(group * steps + size, had - smallerHad, bytes);
        smallerHad = had;
      }
      if (smallerHad === 1) count(group * steps + state.nestedFrom, -1, bytes);
      count(group * steps + first, 1, bytes);
    },
    set: (id, bytes) => void store(state, id, bytes),
    remove: (id) => remove(state, id),
    counts: (group) => ({
      gets: gets[group] ?? 0,
      bytes: bytesAsked[group] ?? 0,
      hits: sumsOf(hitSteps.subarray(group * steps), sizes.length),
      hitBytes: sumsOf(byteSteps.subarray(group * steps), sizes.length),
    }),
  };
}

interface State {
  /** By size: the largest entry that is stored, the bytes that all may have and do have, the place of the oldest entry. */
  readonly fits: Float64Array;
  readonly capacity: Float64Array;
  readonly used: Float64Array;
  readonly cursor: Int32Array;
  /** By size below `nestedFrom`: whether it had the entry that was stored last. */
  readonly had: Uint8Array;
  /** Of an entry's own bytes, the share that does not count against itself. */
  readonly notOwn: number;
  /** By id; places begin with 1, and 0 is below every cursor. */
  placeOf: Int32Array;
  /** By place: of the entry there, 0 when it has moved on. */
  axisBytes: Float64Array;
  /** By place: whose it was; it is still there if `placeOf` says so. */
  axisId: Int32Array;
  /** The last place taken. */
  end: number;
  /** From this size on, larger caches have all that smaller ones have. That ends for a cache when an entry comes that is too large for it. */
  nestedFrom: number;
}

/** Makes the entry the most recent one. Returns the first size of `nestedFrom` and above that had it before; for those below, `had` says it. */
function store(state: State, id: number, bytes: number): number {
  // Before the place is read: renumbering changes it.
  if (state.end + 1 >= state.axisBytes.length) renumber(state);
  const { axisBytes, fits } = state;
  const before = state.placeOf[id] ?? 0;
  const bytesBefore = axisBytes[before] ?? 0;
  axisBytes[before] = 0;
  state.end += 1;
  const place = state.end;
  axisBytes[place] = bytes;
  state.axisId[place] = id;
  if (id >= state.placeOf.length) state.placeOf = grown(state.placeOf, id);
  state.placeOf[id] = place;
  while (bytes > (fits[state.nestedFrom] ?? Infinity)) state.nestedFrom += 1;
  for (let size = 0; size < state.nestedFrom; size += 1) {
    storeIn(state, size, before, bytesBefore, bytes);
  }
  return storeInNested(state, before, bytesBefore, bytes);
}

function storeInNested(state: State, before: number, bytesBefore: number, bytes: number): number {
  const { cursor, used, capacity } = state;
  let size = state.nestedFrom;
  for (; size < cursor.length && before < (cursor[size] ?? 0); size += 1) {
    const sum = (used[size] ?? 0) + bytes;
    used[size] = sum <= (capacity[size] ?? 0) ? sum : evict(state, size, sum);
  }
  const first = size;
  if (bytes === bytesBefore) return first;
  for (; size < cursor.length; size += 1) {
    const sum = (used[size] ?? 0) + bytes - bytesBefore;
    used[size] = sum <= (capacity[size] ?? 0) ? sum : evict(state, size, sum);
  }
  return first;
}

function storeIn(
  state: State,
  size: number,
  before: number,
  bytesBefore: number,
  bytes: number,
): void {
  const { cursor, used, capacity, fits, had } = state;
  const most = fits[size] ?? 0;
  let sum = (used[size] ?? 0) + (bytes <= most ? bytes : 0);
  had[size] = 0;
  if (before >= (cursor[size] ?? 0) && bytesBefore <= most) {
    had[size] = 1;
    sum -= bytesBefore;
  }
  used[size] = sum <= (capacity[size] ?? 0) ? sum : evict(state, size, sum);
}

/** Lets the oldest entries go until the rest fits, and returns the bytes of the rest; the newest one always fits. */
function evict(state: State, size: number, bytes: number): number {
  const { axisBytes, notOwn, end } = state;
  const most = state.capacity[size] ?? 0;
  const largest = state.fits[size] ?? 0;
  let left = bytes;
  let place = state.cursor[size] ?? 0;
  for (; place < end; place += 1) {
    const oldest = axisBytes[place] ?? 0;
    if (oldest > largest) continue;
    if (left - notOwn * oldest <= most) break;
    left -= oldest;
  }
  state.cursor[size] = place;
  return left;
}

function remove(state: State, id: number): void {
  const { cursor, used, fits, axisBytes, placeOf } = state;
  const place = placeOf[id] ?? 0;
  if (place === 0) return;
  const bytes = axisBytes[place] ?? 0;
  for (let size = 0; size < cursor.length; size += 1) {
    const isIn = place >= (cursor[size] ?? 0) && bytes <= (fits[size] ?? 0);
    if (isIn) used[size] = (used[size] ?? 0) - bytes;
  }
  axisBytes[place] = 0;
  placeOf[id] = 0;
}

/** Forgets the places that are empty or older than any cache is, and makes room for as many accesses as there are entries left. */
function renumber(state: State): void {
  const { cursor, placeOf, axisBytes, axisId, end } = state;
  const oldest = cursor.reduce((least, place) => Math.min(least, place), end);
  const byPlace = Array.from(cursor.keys()).toSorted((a, b) => (cursor[a] ?? 0) - (cursor[b] ?? 0));
  let kept = 0;
  let moved = 0;
  for (let place = 1; place <= end; place += 1) {
    for (; (cursor[byPlace[moved] ?? -1] ?? Infinity) <= place; moved += 1) {
      cursor[byPlace[moved] ?? 0] = kept + 1;
    }
    const id = axisId[place] ?? 0;
    if (placeOf[id] !== place) continue;
    if (place < oldest) {
      placeOf[id] = 0;
      continue;
    }
    kept += 1;
    axisBytes[kept] = axisBytes[place] ?? 0;
    axisId[kept] = id;
    placeOf[id] = kept;
  }
  state.end = kept;
  if (kept * 2 < axisBytes.length) return;
  state.axisBytes = new Float64Array(kept * 2 + 2);
  state.axisBytes.set(axisBytes.subarray(0, kept + 1));
  state.axisId = new Int32Array(kept * 2 + 2);
  state.axisId.set(axisId.subarray(0, kept + 1));
}
