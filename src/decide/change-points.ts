/** Change points of a series: where its level changed for good, by E-divisive means with a permutation test. */
import { median } from "simple-statistics";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { splitStatistics } from "./change-points-energy.ts";
import { neighbourCorrelation, shuffler } from "./change-points-null.ts";

export interface ChangePointOptions {
  /** `ratio`: levels are compared as ratios, on a log scale when all values are above 0. */
  readonly compare: "ratio" | "difference";
  /** How often a series without a change may show one; 1 % when absent, as in the gate. */
  readonly level?: number;
  /** The fewest values between two change points; 3 when absent. */
  readonly segmentMin?: number;
  /** Smaller changes are left out: 0.02 is 2 % for ratios, or a difference in the values' unit. */
  readonly magnitudeMin?: number;
  /** Of the permutations: equal series always get equal answers. */
  readonly seed?: number;
}

export interface FoundChange {
  /** Of the first value at the new level. */
  readonly index: number;
  /** Medians of the values since the change before, and until the next one. */
  readonly before: number;
  readonly after: number;
  readonly p: number;
}

/** A test by so many permutations, of which at most `level` may do as well. */
interface Test {
  readonly permutations: number;
  readonly level: number;
}

/** Candidates are only looked for: 1 permutation in 50 may not do as well, so that most stretches are done after a few. */
const SEARCH: Test = { permutations: 49, level: 0.02 };
/** The least p is 1 in 500. */
const PERMUTATIONS = 499;
const LEVEL = 0.01;
const SEGMENT_MIN = 3;
/**
 * A level that came and went is lost in a long stretch, so windows are searched too, as Hunter does (Fleming et al., ICPE 2023):
 * of this many values, twice as many, and so on, each overlapping the next by half.
 */
const WINDOW_MIN = 16;

interface Split {
  readonly index: number;
  readonly p: number;
}

interface Search {
  /** Centred, on the scale of the comparison. */
  readonly series: Float64Array;
  readonly segmentMin: number;
  readonly correlation: number;
  readonly seed: number;
  readonly test: Test;
}

/** In order. Throws when a value is not a finite number. */
export function changePoints(
  values: readonly number[],
  options: ChangePointOptions,
): readonly FoundChange[] {
  if (!values.every((value) => Number.isFinite(value)))
    throw new RangeError("a series with a value that is not a number has no change points");
  const search: Search = {
    series: centred(values, options.compare),
    segmentMin: options.segmentMin ?? SEGMENT_MIN,
    correlation: 0,
    seed: options.seed ?? 1,
    test: SEARCH,
  };
  const test = { permutations: PERMUTATIONS, level: options.level ?? LEVEL };
  let splits = settle(candidates(search), search);
  for (;;) {
    const bounds = splits.map(({ index }) => index);
    const correlation = neighbourCorrelation(search.series, bounds);
    const settled = settle(splits, { ...search, test, correlation });
    // Fewer splits leave more to be explained by correlation, and more correlation may leave fewer splits.
    const fewer = settled.length < splits.length;
    splits = settled;
    if (fewer) continue;
    const found = describe(values, splits);
    const least = leastOf(found, options);
    if (least === undefined) return found;
    splits = splits.filter(({ index }) => index !== least.index);
  }
}

/**
 * The fewest values that can be relied on to show even the clearest change: of their orders, no more than half the level look as
 * changed. At the level itself the permutations that happen to be drawn would decide.
 */
export function valuesNeeded(level = LEVEL): number {
  let half = 1;
  // Of the ways to choose the lower half, two split it off: first or last.
  for (let ways = 2; 2 / ways > level / 2; ways = (ways * 2 * (2 * half - 1)) / half) half += 1;
  return 2 * half;
}

function centred(values: readonly number[], compare: "ratio" | "difference"): Float64Array {
  const inLogs = compare === "ratio" && values.every((value) => value > 0);
  const scaled = inLogs ? values.map((value) => Math.log(value)) : values;
  // Sums of what is far from zero lose the digits that matter.
  const centre = scaled.length === 0 ? 0 : median([...scaled]);
  return Float64Array.from(scaled, (value) => value - centre);
}

/** Splits of the whole and of each window, of which many are the same one seen twice. */
function candidates(search: Search): readonly Split[] {
  const byIndex = new Map<number, Split>();
  for (const [from, to] of windowsOf(search.series.length)) {
    for (const split of splitAll(search, from, to)) byIndex.set(split.index, split);
  }
  return [...byIndex.values()].toSorted((a, b) => a.index - b.index);
}

function windowsOf(count: number): readonly (readonly [number, number])[] {
  const windows: (readonly [number, number])[] = [[0, count]];
  for (let length = WINDOW_MIN; length < count; length *= 2) {
    for (let from = 0; from + length / 2 < count; from += length / 2) {
      windows.push([Math.max(0, Math.min(from, count - length)), Math.min(count, from + length)]);
    }
  }
  return windows;
}

/** Splits at the best place while that is significant, and then each side in turn. */
function splitAll(search: Search, start: number, end: number): readonly Split[] {
  const found: Split[] = [];
  const waiting: (readonly [number, number])[] = [[start, end]];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const [from, to] = next;
    const split = bestSplit(search, from, to);
    if (!split || split.p > search.test.level) continue;
    found.push(split);
    waiting.push([from, split.index], [split.index, to]);
  }
  return found;
}

/**
 * A split was placed and tested among values whose own changes were not known yet. Each is placed and tested again between its
 * neighbours; the weakest that fails goes, until all hold.
 */
function settle(splits: readonly Split[], search: Search): readonly Split[] {
  const known = new Map<string, Split>();
  const between = (from: number, to: number): Split => {
    const key = `${from}-${to}`;
    const split = known.get(key) ?? bestSplit(search, from, to) ?? { index: from, p: 1 };
    known.set(key, split);
    return split;
  };
  let current = splits;
  // Every round removes a split or moves some to where Q is greater; the bound is for rounding.
  for (let round = 0; round < 2 * splits.length + 10; round += 1) {
    const again = current.map((_, position) =>
      between(
        current[position - 1]?.index ?? 0,
        current[position + 1]?.index ?? search.series.length,
      ),
    );
    const weakest = Math.max(...again.map(({ p }) => p));
    if (weakest > search.test.level) {
      const gone = again.findIndex(({ p }) => p === weakest);
      current = current.filter((_, position) => position !== gone);
      continue;
    }
    const moved = again.some(({ index }, position) => index !== current[position]?.index);
    current = again;
    if (!moved) break;
  }
  return current;
}

/** The best split of a stretch and its p; undefined when it is too short or all values are equal. */
function bestSplit(search: Search, from: number, to: number): Split | undefined {
  const { segmentMin } = search;
  if (to - from < 2 * segmentMin) return undefined;
  const stretch = search.series.slice(from, to);
  const { index, q } = greatest(splitStatistics(stretch, segmentMin));
  const size = stretch.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (q <= ROUNDING * size) return undefined;
  return { index: from + index, p: chanceOf(q, stretch, search, mixed(search.seed, from, to)) };
}

/** Sums of the same values in another order differ by less than this share. */
const ROUNDING = 1e-9;

/**
 * The share of series without a change whose best split is as good. Stops when the level can no longer be reached (Besag and
 * Clifford, Biometrika 78(2), 1991): p is then a lower bound, and above the level.
 */
function chanceOf(q: number, stretch: Float64Array, search: Search, seed: number): number {
  const { permutations, level } = search.test;
  const draw = shuffler(stretch, search.correlation, xoroshiro128plus(seed));
  const enough = level * (permutations + 1);
  let asGood = 1;
  for (let done = 0; done < permutations && asGood <= enough; done += 1) {
    const drawn = greatest(splitStatistics(draw(), search.segmentMin));
    if (drawn.q >= q * (1 - ROUNDING)) asGood += 1;
  }
  return asGood / (permutations + 1);
}

function greatest(q: Float64Array): { readonly index: number; readonly q: number } {
  let best = 0;
  for (let index = 1; index < q.length; index += 1) {
    if ((q[index] ?? 0) > (q[best] ?? 0)) best = index;
  }
  return { index: best, q: q[best] ?? 0 };
}

/** Seeds that differ little give generators that differ at once only when their bits are spread (the mixer of MurmurHash3). */
function mixed(...parts: readonly number[]): number {
  return parts.reduce((hash, part) => {
    const stirred = Math.imul(hash ^ part, 0x85ebca6b);
    return Math.imul(stirred ^ (stirred >>> 13), 0xc2b2ae35);
  }, 0x9e3779b9);
}

function describe(values: readonly number[], splits: readonly Split[]): readonly FoundChange[] {
  return splits.map(({ index, p }, position) => ({
    index,
    before: median(values.slice(splits[position - 1]?.index ?? 0, index)),
    after: median(values.slice(index, splits[position + 1]?.index ?? values.length)),
    p,
  }));
}

/** The smallest of the changes that are too small to be shown. */
function leastOf(
  found: readonly FoundChange[],
  { compare, magnitudeMin = 0 }: ChangePointOptions,
): FoundChange | undefined {
  const size = ({ before, after }: FoundChange) =>
    compare === "ratio" ? Math.abs(after / before - 1) : Math.abs(after - before);
  const small = found.filter((change) => size(change) < magnitudeMin);
  return small.toSorted((a, b) => size(a) - size(b))[0];
}
