/**
 * How often each key is asked for, from how often it was in a short trace; and how many keys there are that the trace did not
 * show. Counts come from a mixture of Poisson rates whose weights are found by expectation-maximisation (the nonparametric
 * maximum likelihood of Norris and Pollock, Biometrics 52, 1996, on a grid of rates): no law of popularity is assumed. What is
 * left over for unseen keys agrees with Good and Turing: their share of gets is about the share of keys seen once.
 */
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";

export interface Popularity {
  /** Gets a key, in the trace, that classes of keys stand for. */
  readonly rates: Float64Array;
  /** By class: keys that the trace did not show. */
  readonly unseenKeys: Float64Array;
  /** Of all gets, those of keys that the trace did not show. */
  readonly unseenShare: number;
  /** Chances of the classes, added up, for a key seen so often; undefined when that is as good as its rate. */
  readonly classesOf: (count: number) => Float64Array | undefined;
  readonly counts: Uint32Array;
}

/** Keys seen more often are taken at their count. */
const COUNT_MAX = 24;
/** Gets in the trace, of the least popular keys: rarer ones are all new in whatever is predicted from it. */
const RATE_MIN = 0.01;
const RATES_PER_OCTAVE = 4;
/** Beyond it, weights move by less than what a trace's own chance does. */
const ITERATIONS = 1_000;
/** So small a part of the keys moving between classes in a step moves no prediction. */
const SETTLED = 1e-5;
/** How the share of rare classes falls where the trace cannot tell them apart: found on Zipf traces, 0.25 to 0.5 do alike. */
const RARE_EXPONENT = 0.5;

/** `counts`: gets of each key. */
export function fitPopularity(counts: Uint32Array): Popularity {
  const rates = ratesOfGrid();
  const chance = chancesOf(rates);
  const weights = weightsOf(counts, rates, chance);
  const unseenKeys = rates.map(
    (rate, each) => ((weights[each] ?? 0) * Math.exp(-rate)) / -Math.expm1(-rate),
  );
  const unseenGets = unseenKeys.reduce((sum, keys, each) => sum + keys * (rates[each] ?? 0), 0);
  const seenGets = counts.reduce((sum, count) => sum + count, 0);
  const posteriors = Array.from({ length: COUNT_MAX + 1 }, (_, count) => {
    const likely = chance.map((of, each) => (of[count] ?? 0) * (weights[each] ?? 0));
    return count === 0 ? undefined : addedUp(Float64Array.from(likely));
  });
  return {
    rates,
    unseenKeys,
    unseenShare: seenGets === 0 ? 1 : Math.min(1, unseenGets / seenGets),
    classesOf: (count) => posteriors[count],
    counts,
  };
}

function ratesOfGrid(): Float64Array {
  const count = Math.ceil(Math.log2((COUNT_MAX * 1.6) / RATE_MIN) * RATES_PER_OCTAVE);
  return Float64Array.from(
    { length: count },
    (_, each) => RATE_MIN * 2 ** (each / RATES_PER_OCTAVE),
  );
}

/** By class and count: the chance of that count, of a key that was seen. */
function chancesOf(rates: Float64Array): readonly Float64Array[] {
  return Array.from(rates, (rate) => {
    const chance = new Float64Array(COUNT_MAX + 1);
    let term = Math.exp(-rate) / -Math.expm1(-rate);
    for (let count = 1; count <= COUNT_MAX; count += 1) {
      term *= rate / count;
      chance[count] = term;
    }
    return chance;
  });
}

/** By class: how many of the keys that were seen at most COUNT_MAX times are of it. */
function weightsOf(
  counts: Uint32Array,
  rates: Float64Array,
  chance: readonly Float64Array[],
): Float64Array {
  const keysSeen = new Float64Array(COUNT_MAX + 1);
  for (const count of counts) {
    if (count > 0 && count <= COUNT_MAX) keysSeen[count] = (keysSeen[count] ?? 0) + 1;
  }
  const total = keysSeen.reduce((sum, keys) => sum + keys, 0);
  let weights: Float64Array = rates.map((rate) => rate ** RARE_EXPONENT);
  const scale = total / weights.reduce((sum, weight) => sum + weight, 0);
  weights = weights.map((weight) => weight * scale);
  if (total === 0) return weights;
  const byCount = chanceByCount(chance, rates.length);
  for (let round = 0; round < ITERATIONS; round += 1) {
    const next = stepped(weights, keysSeen, byCount);
    const moved = next.reduce(
      (sum, weight, each) => sum + Math.abs(weight - (weights[each] ?? 0)),
      0,
    );
    weights = next;
    if (moved < total * SETTLED) break;
  }
  return weights;
}

/** By count, then class: in the order in which a step reads it. */
function chanceByCount(chance: readonly Float64Array[], classes: number): Float64Array {
  const flat = new Float64Array((COUNT_MAX + 1) * classes);
  for (let count = 1; count <= COUNT_MAX; count += 1) {
    for (let each = 0; each < classes; each += 1)
      flat[count * classes + each] = chance[each]?.[count] ?? 0;
  }
  return flat;
}

/** One step of expectation-maximisation. */
function stepped(
  weights: Float64Array,
  keysSeen: Float64Array,
  chance: Float64Array,
): Float64Array {
  const classes = weights.length;
  const next = new Float64Array(classes);
  for (let count = 1; count <= COUNT_MAX; count += 1) {
    const keys = keysSeen[count] ?? 0;
    if (keys === 0) continue;
    const from = count * classes;
    let sum = 0;
    for (let each = 0; each < classes; each += 1)
      sum += (weights[each] ?? 0) * (chance[from + each] ?? 0);
    if (sum <= 0) continue;
    const scale = keys / sum;
    for (let each = 0; each < classes; each += 1)
      next[each] = (next[each] ?? 0) + (weights[each] ?? 0) * (chance[from + each] ?? 0) * scale;
  }
  return next;
}

/** Keys to draw from. Those of the trace keep their numbers, new ones are numbered on from there as they come up. */
export interface Population {
  readonly draw: () => number;
  readonly keys: () => number;
}

/** One of the populations that the trace may have come from. */
export function createPopulation(popularity: Popularity, random: RandomGenerator): Population {
  const { counts, rates } = popularity;
  const next = (): number => uniformFloat64(random);
  const unseen = popularity.unseenKeys.map((keys) => Math.floor(keys + next()));
  const mass = new Float64Array(counts.length + rates.length);
  for (const [key, count] of counts.entries()) {
    const classes = count === 0 ? undefined : popularity.classesOf(count);
    mass[key] = classes ? (rates[drawPlace(classes, next())] ?? 0) : count;
  }
  for (const [each, rate] of rates.entries())
    mass[counts.length + each] = rate * (unseen[each] ?? 0);
  const cumulative = addedUp(mass);
  const numbers = unseen.reduce((sum, keys) => sum + keys, 0);
  const firstOf = addedUp(unseen).map((sum, each) => sum - (unseen[each] ?? 0));
  const known = new Map<number, number>();
  return {
    keys: () => counts.length + known.size,
    draw() {
      const place = drawPlace(cumulative, next());
      if (place < counts.length) return place;
      const each = place - counts.length;
      const within = Math.floor(next() * (unseen[each] ?? 0));
      const number = Math.min(numbers - 1, (firstOf[each] ?? 0) + within);
      const key = known.get(number) ?? counts.length + known.size;
      known.set(number, key);
      return key;
    },
  };
}

function addedUp(values: Float64Array): Float64Array {
  let sum = 0;
  return values.map((value) => (sum += value));
}

/** A place, as likely as its part of the sum; `uniform` is from 0 to below 1. */
function drawPlace(cumulative: Float64Array, uniform: number): number {
  const wanted = uniform * (cumulative[cumulative.length - 1] ?? 0);
  let low = 0;
  let high = cumulative.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((cumulative[middle] ?? 0) <= wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
