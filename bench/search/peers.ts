/** What else is in use for the same task: golden section, a grid of 8, hill climbing, random; each as its textbook has it, on a log scale. */
import type { SearchKnob, Values } from "../../src/advise/concurrency/search.ts";
import { randomFrom } from "../../test/noise.ts";

/** Yields what to measure, is told the throughput, and returns when it has nothing more to try. */
export type Peer = (
  knobs: readonly SearchKnob[],
  startMeasured: number,
  seed: number,
) => Generator<Values, void, number>;

/** A step or an interval below 7 % ends a search, as it ends ours. */
const SAME = 0.07;
const SECTION = (Math.sqrt(5) - 1) / 2;

/** One knob after the other, each over its whole range, the others at the best seen. */
export const goldenSection: Peer = function* (knobs) {
  let best = presentOf(knobs);
  for (const knob of knobs) {
    let low = Math.log(knob.min);
    let high = Math.log(knob.max);
    let left = yield* measured(best, knob, high - SECTION * (high - low));
    let right = yield* measured(best, knob, low + SECTION * (high - low));
    while (high - low > SAME && left.value < right.value) {
      if (left.metric >= right.metric) {
        high = right.height;
        right = left;
        left = yield* measured(best, knob, high - SECTION * (high - low));
      } else {
        low = left.height;
        left = right;
        right = yield* measured(best, knob, low + SECTION * (high - low));
      }
    }
    best = { ...best, [knob.id]: left.metric >= right.metric ? left.value : right.value };
  }
};

function* measured(
  values: Values,
  knob: SearchKnob,
  height: number,
): Generator<
  Values,
  { readonly height: number; readonly value: number; readonly metric: number },
  number
> {
  const value = nearest(knob, height);
  const metric = yield { ...values, [knob.id]: value };
  return { height, value, metric };
}

/** Eight values of one knob, those nearest to the present one first; then all of them again. */
export const gridOfEight: Peer = function* (knobs) {
  const [knob] = knobs;
  if (!knob) return;
  const heights = Array.from(
    { length: 8 },
    (_, index) => Math.log(knob.min) + (Math.log(knob.max / knob.min) * index) / 7,
  );
  const away = (height: number) => Math.abs(height - Math.log(knob.start));
  for (;;) {
    for (const height of heights.toSorted((a, b) => away(a) - away(b))) {
      yield { [knob.id]: nearest(knob, height) };
    }
  }
};

/** Every whole value of one knob, those nearest to the present one first; then all of them again. */
export const everyValue: Peer = function* (knobs) {
  const [knob] = knobs;
  if (!knob) return;
  const values = Array.from({ length: knob.max - knob.min + 1 }, (_, index) => knob.min + index);
  const away = (value: number) => Math.abs(value - knob.start);
  for (;;) {
    for (const value of values.toSorted((a, b) => away(a) - away(b))) {
      if (value !== knob.start) yield { [knob.id]: value };
    }
  }
};

/** Doubles or halves one knob after the other, goes where it is better, and halves its step when nothing is. */
export const hillClimbing: Peer = function* (knobs, startMeasured) {
  let best = presentOf(knobs);
  let top = startMeasured;
  for (let step = Math.log(2); step > SAME; step /= 2) {
    for (let moved = true; moved;) {
      moved = false;
      for (const knob of knobs) {
        for (const side of [1, -1]) {
          const from = best[knob.id] ?? knob.start;
          const value = nearest(knob, Math.log(from) + side * step);
          if (value === from) continue;
          const values = { ...best, [knob.id]: value };
          const metric = yield values;
          if (metric <= top) continue;
          best = values;
          top = metric;
          moved = true;
          break;
        }
      }
    }
  }
};

export const randomSearch: Peer = function* (knobs, _startMeasured, seed) {
  const random = randomFrom(seed + 700_001);
  for (;;) {
    yield Object.fromEntries(
      knobs.map((knob) => [
        knob.id,
        nearest(knob, Math.log(knob.min) + Math.log(knob.max / knob.min) * random.uniform()),
      ]),
    );
  }
};

function presentOf(knobs: readonly SearchKnob[]): Values {
  return Object.fromEntries(knobs.map((knob) => [knob.id, knob.start]));
}

function nearest(knob: SearchKnob, height: number): number {
  return Math.min(knob.max, Math.max(knob.min, Math.round(Math.exp(height))));
}
