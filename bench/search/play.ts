/** Plays one search against one service of known truth, under noise, and says after each trial how good its recommendation is. */
import { nextSearchStep } from "../../src/advise/concurrency/search.ts";
import type {
  SearchMeasurement,
  SearchSettings,
  Values,
} from "../../src/advise/concurrency/search.ts";
import { randomFrom } from "../../test/noise.ts";
import type { Instance } from "./families.ts";
import type { Peer } from "./peers.ts";

/** tuning.md 1.2. The start is measured once, as everything else; a trial is a window beside that one. */
const OUTLIER_SHARE = 0.05;
const DRIFT = { correlation: 0.8, sd: 0.03 };
/** More than 20 % below the start. */
const HARMFUL = 0.8;

export interface Game {
  /** After each trial, what share of the best throughput the recommended setting has; as many as the budget. */
  readonly regrets: readonly number[];
  readonly trials: number;
  readonly harmful: number;
  /** Proposals at or past a value that was bad twice. */
  readonly violations: number;
  /** Those, and the ones at or past a bad value after another bad one nearer to the limit. */
  readonly trespasses: number;
  /** Proposals past the true limit of a cliff, but nearer to it than any such value. */
  readonly bracketing: number;
  /** Whether what it recommends after 12 trials lies past the limit of a cliff, and how far before it, as a logarithm. */
  readonly isPast: boolean;
  readonly room: number;
}

export type Strategy = (
  instance: Instance,
  measure: (values: Values) => number,
  options: { readonly cv: number; readonly budget: number; readonly seed: number },
) => {
  readonly tried: readonly Values[];
  /** What it recommends after so many trials. */
  readonly recommended: (trials: number) => Values;
};

export function play(
  strategy: Strategy,
  instance: Instance,
  options: { readonly cv: number; readonly budget: number; readonly seed: number },
): Game {
  const noise = noiseOf(options.cv, options.seed);
  const measure = (values: Values) => instance.truth(values) * noise();
  const { tried, recommended } = strategy(instance, measure, options);
  const startTruth = instance.truth({});
  const regrets = Array.from(
    { length: options.budget },
    (_, index) => 1 - instance.truth(recommended(index + 1)) / instance.optimum,
  );
  const harmful = tried.filter((values) => instance.truth(values) < HARMFUL * startTruth).length;
  const room = roomBefore(instance, recommended(12));
  return {
    regrets,
    trials: tried.length,
    harmful,
    ...pastLimit(instance, tried),
    isPast: room < 0,
    room,
  };
}

/** A logarithm's noise from window to window, a drift that all windows share, and now and then a slow one. */
function noiseOf(cv: number, seed: number): () => number {
  const random = randomFrom(seed + 900_001);
  let drift = DRIFT.sd * random.normal();
  return () => {
    drift =
      DRIFT.correlation * drift +
      DRIFT.sd * Math.sqrt(1 - DRIFT.correlation ** 2) * random.normal();
    const normal = random.normal();
    const isOutlier = random.uniform() < OUTLIER_SHARE;
    const slow = 0.6 + 0.3 * random.uniform();
    return Math.exp(cv * normal + drift) * (isOutlier ? slow : 1);
  };
}

function roomBefore({ knobs, limit, isBelow }: Instance, values: Values): number {
  const [knob] = knobs;
  if (limit === undefined || !knob) return Number.POSITIVE_INFINITY;
  const room = Math.log(limit / (values[knob.id] ?? knob.start));
  return isBelow ? -room : room;
}

function pastLimit(
  { knobs, limit, isBelow }: Instance,
  tried: readonly Values[],
): Pick<Game, "violations" | "trespasses" | "bracketing"> {
  const [knob] = knobs;
  if (limit === undefined || !knob) return { violations: 0, trespasses: 0, bracketing: 0 };
  let violations = 0;
  let trespasses = 0;
  let bracketing = 0;
  let twice = Number.POSITIVE_INFINITY;
  const sign = isBelow ? -1 : 1;
  let boundary = Number.POSITIVE_INFINITY;
  const seen = new Set<number>();
  for (const values of tried) {
    const value = sign * (values[knob.id] ?? knob.start);
    if (value <= sign * limit) continue;
    if (value >= twice) violations += 1;
    if (value >= boundary) trespasses += 1;
    else if (Number.isFinite(boundary)) bracketing += 1;
    // Two bad values, or one twice: from the further one on there is nothing to look for.
    if (seen.has(value)) twice = Math.min(twice, value);
    if (seen.has(value)) boundary = Math.min(boundary, value);
    else if (seen.size > 0) boundary = Math.min(boundary, Math.max(value, ...seen));
    seen.add(value);
  }
  return { violations, trespasses, bracketing };
}

export function ours(mode: "local" | "scout" = "local"): Strategy {
  return (instance, measure, { cv, budget }) => {
    const settings: SearchSettings = {
      knobs: instance.knobs,
      better: "higher",
      compare: "ratio",
      noiseFloor: cv,
      probesMax: budget,
      mode,
    };
    const start = Object.fromEntries(instance.knobs.map((knob) => [knob.id, knob.start]));
    const measured: SearchMeasurement[] = [{ values: start, metric: measure(start) }];
    for (let step = nextSearchStep(settings, measured); step.kind === "probe";) {
      measured.push({ values: step.values, metric: measure(step.values) });
      step = nextSearchStep(settings, measured);
    }
    const tried = measured.slice(1).map(({ values }) => values);
    const recommended = (trials: number): Values => {
      const probesMax = Math.min(trials, tried.length);
      const step = nextSearchStep({ ...settings, probesMax }, measured.slice(0, probesMax + 1));
      if (step.kind !== "best") throw new Error(`the search ended with a ${step.kind}`);
      return step.values;
    };
    return { tried, recommended };
  };
}

/** A peer recommends the setting whose measurements have the highest mean. */
export function peer(search: Peer): Strategy {
  return (instance, measure, { budget, seed }) => {
    const start = Object.fromEntries(instance.knobs.map((knob) => [knob.id, knob.start]));
    const measured = [{ values: start, metric: measure(start) }];
    const asking = search(instance.knobs, measured[0]?.metric ?? 0, seed);
    for (let step = asking.next(); step.done !== true && measured.length <= budget;) {
      const metric = measure(step.value);
      measured.push({ values: step.value, metric });
      step = asking.next(metric);
    }
    const recommended = (trials: number) => bestMean(measured.slice(0, trials + 1));
    return { tried: measured.slice(1).map(({ values }) => values), recommended };
  };
}

function bestMean(
  measured: readonly { readonly values: Values; readonly metric: number }[],
): Values {
  const groups = new Map<string, { values: Values; sum: number; count: number }>();
  for (const { values, metric } of measured) {
    const key = JSON.stringify(values);
    const group = groups.get(key) ?? { values, sum: 0, count: 0 };
    group.sum += metric;
    group.count += 1;
    groups.set(key, group);
  }
  return [...groups.values()].reduce((a, b) => (b.sum / b.count > a.sum / a.count ? b : a)).values;
}
