/** The space that a search moves in: knobs on a log scale, and what was measured there as points of it. */

export interface SearchKnob {
  readonly id: string;
  /** The present value. */
  readonly start: number;
  /** The first value to try, when a hypothesis says so; else a factor of 2.5 up. */
  readonly first?: number;
  readonly min: number;
  readonly max: number;
  /** Values are whole numbers unless this is true; then they have three significant digits. */
  readonly real?: boolean;
}

export type Values = Readonly<Record<string, number>>;

/** Natural logarithms of the knobs' values, in the order of the knobs. */
export type Place = readonly number[];

export interface Point {
  readonly values: Values;
  readonly place: Place;
  /** Higher is better: the metric's logarithm or the metric, signed; the mean of several measurements. */
  readonly score: number;
  readonly measurements: number;
}

/** A range that holds zero is moved up by so much that its logarithm exists. */
function shiftOf(knob: SearchKnob): number {
  return knob.min > 0 ? 0 : 1 - knob.min;
}

export function heightOf(knob: SearchKnob, value: number): number {
  return Math.log(value + shiftOf(knob));
}

export function placeOf(knobs: readonly SearchKnob[], values: Values): Place {
  return knobs.map((knob) => heightOf(knob, values[knob.id] ?? knob.start));
}

/** The nearest values that the knobs can have. */
export function valuesAt(knobs: readonly SearchKnob[], place: Place): Values {
  return Object.fromEntries(
    knobs.map((knob, index) => {
      const height = place[index] ?? heightOf(knob, knob.start);
      return [knob.id, nearest(knob, Math.exp(height) - shiftOf(knob))];
    }),
  );
}

function nearest(knob: SearchKnob, value: number): number {
  const inside = Math.min(knob.max, Math.max(knob.min, value));
  return knob.real === true
    ? Math.min(knob.max, Math.max(knob.min, Number(inside.toPrecision(3))))
    : Math.round(inside);
}

/** The height of the nearest value that a knob can have: 85 % of 2 workers are 2 workers, or nothing small could be recommended. */
export function settableHeight(knob: SearchKnob, height: number): number {
  return heightOf(knob, nearest(knob, Math.exp(height) - shiftOf(knob)));
}

export function startOf(knobs: readonly SearchKnob[]): Values {
  return Object.fromEntries(knobs.map((knob) => [knob.id, knob.start]));
}

/** What makes two settings the same one. */
export function keyOf(knobs: readonly SearchKnob[], values: Values): string {
  return knobs.map((knob) => values[knob.id] ?? knob.start).join(" ");
}

/** With the present value of every knob that is not named. */
export function completeValues(knobs: readonly SearchKnob[], values: Values): Values {
  return Object.fromEntries(knobs.map((knob) => [knob.id, values[knob.id] ?? knob.start]));
}

export function distance(a: Place, b: Place): number {
  return Math.sqrt(a.reduce((sum, height, index) => sum + (height - (b[index] ?? 0)) ** 2, 0));
}

export function highest(points: readonly Point[]): Point {
  return points.reduce((a, b) => (b.score > a.score ? b : a));
}
