/** Of the settings that a search measured, the one to decide: the best, or one that takes less and is as good within the noise. */
import type { Probed } from "../concurrency/probed.ts";
import type { SearchMeasurement, Values } from "../concurrency/search.ts";
import { metricOf } from "../../core/metric.ts";
import type { MetricId } from "../../core/metric.ts";

export interface Choice {
  readonly values: Values;
  /** Over the present setting, as the search counts: a logarithm for ratios; above zero is better. */
  readonly gain: number;
}

/** Noise is no reason to give away more than this: pairs can show what a single window cannot. */
const GIVEN_AWAY_MOST = 0.05;

/**
 * `below`: only settings that take less than this one may be chosen, since pairs found that it costs others too much. Undefined
 * while the search goes on, and when nothing is better than the present setting by more than the noise.
 */
export function chooseOf(
  { step, measured, noiseFloor }: Probed,
  objective: MetricId,
  below?: Values,
): Choice | undefined {
  if (step.kind !== "best") return undefined;
  // A lucky window is no reason where the whole surface shows none.
  if (step.gain <= noiseFloor) return undefined;
  const [present] = measured;
  if (!present) return undefined;
  const scored = scoresOf(measured, objective);
  const start = scored.get(keyOf(present.values));
  if (!start) return undefined;
  const usable = [...scored.values()].filter(
    ({ values }) => below === undefined || sizeOf(values) < sizeOf(below),
  );
  const recommended = scored.get(keyOf(step.values));
  const best =
    below === undefined && recommended
      ? recommended
      : usable.reduce((a, b) => (b.score > a.score ? b : a), start);
  const worthLess = best.score - toleranceOf(noiseFloor, objective, start.score);
  const fewest = usable
    .filter((each) => sizeOf(each.values) < sizeOf(best.values) && each.score >= worthLess)
    .filter((each) => each.score - start.score > noiseFloor)
    .reduce((a, b) => (sizeOf(b.values) < sizeOf(a.values) ? b : a), best);
  // What the search's surface thinks of its own recommendation is steadier than a single window.
  const gain = fewest === recommended ? step.gain : fewest.score - start.score;
  return gain > noiseFloor && fewest !== start ? { values: fewest.values, gain } : undefined;
}

/** How far a value stays from a cliff that a search has met beyond it: as in the shared search. */
const KEEP_AWAY_SHARE = 0.85;

/**
 * Where the best that was measured is too near to a cliff to be chosen, the same with `knob` at a distance from it, not measured yet.
 * Undefined when the choice gives nothing away, or when there is nothing between.
 */
export function besideCliff(
  { measured }: Pick<Probed, "measured">,
  objective: MetricId,
  choice: Choice | undefined,
  knob: string,
): Values | undefined {
  const scored = scoresOf(measured, objective);
  const chosen = choice && scored.get(keyOf(choice.values));
  const [best] = [...scored.values()].toSorted((a, b) => b.score - a.score);
  const value = best?.values[knob];
  if (!chosen || !best || value === undefined) return undefined;
  const isCliff = measured.some(
    (each) => each.metric === undefined && (each.values[knob] ?? 0) > value,
  );
  if (!isCliff || best.score - chosen.score <= GIVEN_AWAY_MOST) return undefined;
  const values = { ...best.values, [knob]: Math.floor(value * KEEP_AWAY_SHARE) };
  // One step back is enough: the distance is from what was measured before it.
  const isMet = measured.some((each) => keyOf(each.values) === keyOf(values));
  const isStep = measured.some(
    (each) => Math.floor((each.values[knob] ?? 0) * KEEP_AWAY_SHARE) === value,
  );
  return isMet || isStep ? undefined : values;
}

interface Scored {
  readonly values: Values;
  readonly score: number;
}

/** The mean of each setting's usable windows; higher is better. */
function scoresOf(
  measured: readonly SearchMeasurement[],
  objective: MetricId,
): ReadonlyMap<string, Scored> {
  const { better, compare } = metricOf(objective);
  const sign = better === "higher" ? 1 : -1;
  const all = new Map<string, { readonly values: Values; readonly scores: number[] }>();
  for (const { values, metric } of measured) {
    if (metric === undefined || (compare === "ratio" && metric <= 0)) continue;
    const group = all.get(keyOf(values)) ?? { values, scores: [] };
    group.scores.push(sign * (compare === "ratio" ? Math.log(metric) : metric));
    all.set(keyOf(values), group);
  }
  return new Map(
    [...all].map(([key, { values, scores }]) => [
      key,
      { values, score: scores.reduce((sum, each) => sum + each, 0) / scores.length },
    ]),
  );
}

function toleranceOf(noiseFloor: number, objective: MetricId, start: number): number {
  const unit = metricOf(objective).compare === "ratio" ? 1 : Math.abs(start);
  return Math.min(noiseFloor, GIVEN_AWAY_MOST * unit);
}

/** Rows, threads and parts that are under way at a time multiply. */
function sizeOf(values: Values): number {
  return Object.values(values).reduce((product, each) => product * Math.max(1, each), 1);
}

function keyOf(values: Values): string {
  return Object.keys(values)
    .toSorted((a, b) => (a < b ? -1 : 1))
    .map((knob) => `${knob}=${values[knob]}`)
    .join(" ");
}
