/** Seeded services whose best setting is known: the families of research/tuning.md section 1.2 and the hostile ones of 1.4. */
import type { SearchKnob, Values } from "../../src/advise/concurrency/search.ts";
import { randomFrom } from "../../test/noise.ts";

export interface Instance {
  /** In the order that a right diagnosis would give: the one that matters most first. */
  readonly knobs: readonly SearchKnob[];
  /** Throughput, in any unit; higher is better. */
  readonly truth: (values: Values) => number;
  /** The highest truth there is. */
  readonly optimum: number;
  /** Of a cliff: the last value of the only knob that works; all past it do not. */
  readonly limit?: number;
  /** Those below the limit are past it, not those above. */
  readonly isBelow?: true;
}

export interface Family {
  readonly name: string;
  readonly instance: (seed: number) => Instance;
}

export type Random = ReturnType<typeof randomFrom>;

/** Throughput by the value of one knob, its highest about 1. */
export type Curve = (value: number) => number;

export interface Shape {
  readonly knob: SearchKnob;
  readonly curve: Curve;
}

export const pool = (random: Random): Shape => {
  const sigma = between(random, 0.01, 0.15);
  const kappa = logBetween(random, 0.0005, 0.01);
  return {
    knob: { id: "pool", start: 15, min: 1, max: 200 },
    curve: (n) => n / (1 + sigma * (n - 1) + kappa * n * (n - 1)),
  };
};

/** Time an item: a call's overhead shared, its own work, and what grows with the batch (locks, log bursts). */
export const batch = (random: Random): Shape => {
  const call = logBetween(random, 30, 600);
  const growth = logBetween(random, 0.0003, 0.006);
  return {
    knob: { id: "batch", start: 100, min: 1, max: 5_000 },
    curve: (size) => 1 / (call / size + 1 + growth * size),
  };
};

/** Up to the effective cores each worker adds one; beyond, they cost each other. */
const workers = (random: Random): Shape => {
  const cores = between(random, 2, 16);
  const cost = between(random, 0.05, 0.4);
  return {
    knob: { id: "workers", start: 4, min: 1, max: 64 },
    curve: oversubscribed(cores, cost),
  };
};

function oversubscribed(cores: number, cost: number): Curve {
  return (n) => n / (1 + (n / cores) ** 3) ** (1 / 3) / (1 + cost * Math.max(0, n / cores - 1));
}

/** Goodput by the bound of a queue: too short and bursts are refused, too long and answers come too late to count. */
const queue = (random: Random): Shape => {
  const knee = logBetween(random, 20, 200);
  const late = logBetween(random, 800, 8_000);
  return {
    knob: { id: "queue", start: 500, min: 10, max: 10_000 },
    curve: (bound) => bound / (bound + knee) / (1 + (bound / late) ** 2),
  };
};

const shapes = { pool, batch, workers, queue };

export const smooth: readonly Family[] = Object.entries(shapes).map(([name, shape]) => ({
  name,
  instance: (seed) => ofOne(shape(randomFrom(seed))),
}));

/** Processes or workers on few cores, of whole numbers up to `max`; the present value is any of them. */
export function counts(max: number): Family {
  return {
    name: `1 to ${max}`,
    instance: (seed) => {
      const random = randomFrom(seed);
      const cores = logBetween(random, 1, max);
      const cost = between(random, 0.05, 0.4);
      const start = 1 + Math.floor(random.uniform() * max);
      const curve = oversubscribed(cores, cost);
      return ofOne({ knob: { id: "processes", start, min: 1, max }, curve });
    },
  };
}

/** Two tops a factor of 8 to 30 apart; the start is near one, and the other is higher half of the time. */
export const humps: Family = {
  name: "two humps",
  instance: (seed) => {
    const random = randomFrom(seed);
    const apart = Math.log(logBetween(random, 8, 30));
    const first = Math.log(logBetween(random, 5, 15));
    const widths = [between(random, 0.5, 0.9), between(random, 0.5, 0.9)] as const;
    const ratio = between(random, 1.15, 1.6);
    const heights = random.uniform() < 0.5 ? ([1, ratio] as const) : ([ratio, 1] as const);
    const curve = (value: number) => {
      const z = Math.log(value) - first;
      return (
        0.35 +
        heights[0] * Math.exp(-((z / widths[0]) ** 2) / 2) +
        heights[1] * Math.exp(-(((z - apart) / widths[1]) ** 2) / 2)
      );
    };
    return ofOne({ knob: { id: "size", start: 15, min: 1, max: 600 }, curve });
  },
};

/** Requests pass a pool and workers: the slower of the two decides, softly. */
export const pool2: Family = {
  name: "pool2",
  instance: (seed) => {
    const random = randomFrom(seed);
    const parts = [pool(random), workers(random)].map(normalised);
    const strengths = [1, logBetween(random, 0.7, 1.4)];
    const knobs = parts.map(({ knob }) => knob);
    const truth = (values: Values) => {
      const each = parts.map(
        ({ knob, curve }, index) => (strengths[index] ?? 1) * curve(values[knob.id] ?? knob.start),
      );
      return each.reduce((sum, value) => sum + value ** -4, 0) ** (-1 / 4);
    };
    return { knobs, truth, optimum: highest(knobs, truth) };
  },
};

export const three = product("three", [pool, workers, queue], [1, 0.6, 0.35]);
export const five = product(
  "five",
  [pool, workers, queue, batch, threads],
  [1, 0.7, 0.45, 0.3, 0.15],
);

function threads(random: Random): Shape {
  const { knob, curve } = workers(random);
  return { knob: { ...knob, id: "threads" }, curve };
}

/** A product of curves that matter unequally; the best value of the second knob moves with the first. */
function product(
  name: string,
  makers: readonly ((random: Random) => Shape)[],
  importance: readonly number[],
): Family {
  return {
    name,
    instance: (seed) => {
      const random = randomFrom(seed);
      const drawn = makers.map((maker) => normalised(maker(random)));
      const parts = shuffled(random, drawn).map((part, index) => ({
        ...part,
        power: (importance[index] ?? 0) * between(random, 0.7, 1.3),
      }));
      const tilt = between(random, -0.3, 0.3);
      const knobs = parts.map(({ knob }) => knob);
      const truth = (values: Values) => {
        const moved = tilt * movedBy(parts[0]?.knob, values);
        return parts.reduce((total, { knob, curve, power }, index) => {
          const value = (values[knob.id] ?? knob.start) * (index === 1 ? Math.exp(moved) : 1);
          return total * curve(value) ** power;
        }, 1);
      };
      return { knobs, truth, optimum: highest(knobs, truth) };
    },
  };
}

function movedBy(knob: SearchKnob | undefined, values: Values): number {
  return knob ? Math.log((values[knob.id] ?? knob.start) / knob.start) : 0;
}

/** The same service, but its present values are drawn from the whole range. */
export function withRandomStart({ name, instance }: Family): Family {
  return {
    name: `${name}, any start`,
    instance: (seed) => {
      const base = instance(seed);
      const random = randomFrom(seed + 500_009);
      const knobs = base.knobs.map((knob) => ({
        ...knob,
        start: Math.round(logBetween(random, knob.min, knob.max)),
      }));
      return { ...base, knobs };
    },
  };
}

export function ofOne({ knob, curve }: Shape): Instance {
  const truth = (values: Values) => curve(values[knob.id] ?? knob.start);
  return { knobs: [knob], truth, optimum: curve(bestOf({ knob, curve })) };
}

function normalised(shape: Shape): Shape {
  const top = shape.curve(bestOf(shape));
  return { knob: shape.knob, curve: (value) => shape.curve(value) / top };
}

export function bestOf({ knob, curve }: Shape): number {
  let best = knob.min;
  for (let value = knob.min; value <= knob.max; value += 1) {
    if (curve(value) > curve(best)) best = value;
  }
  return best;
}

/** Knob by knob over whole ranges, from several corners, until nothing is better. */
function highest(knobs: readonly SearchKnob[], truth: (values: Values) => number): number {
  const corners = [0.25, 0.5, 0.75].map((share) =>
    Object.fromEntries(
      knobs.map((knob) => [knob.id, Math.round(knob.min * (knob.max / knob.min) ** share)]),
    ),
  );
  return Math.max(...corners.map((corner) => climbFrom(knobs, truth, corner)));
}

function climbFrom(
  knobs: readonly SearchKnob[],
  truth: (values: Values) => number,
  from: Values,
): number {
  let values = from;
  let top = truth(values);
  for (let before = Number.NEGATIVE_INFINITY; top > before;) {
    before = top;
    for (const knob of knobs) {
      for (let step = 0; step <= 160; step += 1) {
        const value = Math.round(knob.min * (knob.max / knob.min) ** (step / 160));
        const moved = { ...values, [knob.id]: value };
        const found = truth(moved);
        if (found > top) {
          top = found;
          values = moved;
        }
      }
    }
  }
  return top;
}

function between(random: Random, low: number, high: number): number {
  return low + (high - low) * random.uniform();
}

export function logBetween(random: Random, low: number, high: number): number {
  return low * (high / low) ** random.uniform();
}

function shuffled<T>(random: Random, items: readonly T[]): readonly T[] {
  return items
    .map((item) => ({ item, rank: random.uniform() }))
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ item }) => item);
}
