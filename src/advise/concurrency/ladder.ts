/**
 * The ladder: searches one numeric knob by single measurements on a log scale, best for few and noisy ones
 * (research/tuning.md sections 1.3 to 1.5). Pure ask and tell: the same measurements give the same next step.
 */
import { fitVertex } from "./quadratic.ts";

export interface Measurement {
  readonly value: number;
  /** Undefined: the setting could not be measured, or its sample was invalid. */
  readonly metric: number | undefined;
}

export interface LadderSettings {
  readonly start: number;
  /** The first value to try, when a hypothesis says so; else the next rung. */
  readonly first?: number;
  readonly min: number;
  readonly max: number;
  readonly better: "lower" | "higher";
  /** `ratio`: metrics above zero are compared on a log scale; `difference`: as they are. */
  readonly compare: "ratio" | "difference";
  /** Relative for `ratio`, absolute for `difference`. */
  readonly noiseFloor: number;
  /** Measurements beside the start's own. */
  readonly probesMax: number;
}

export type LadderStep =
  | { readonly kind: "probe"; readonly value: number; readonly why: string }
  | { readonly kind: "best"; readonly best: Rung; readonly start: Rung; readonly because: string }
  | { readonly kind: "unmeasurable"; readonly because: string };

export interface Rung {
  readonly value: number;
  /** Higher is better: the metric's logarithm or the metric, signed. */
  readonly score: number;
  readonly measurements: number;
}

/** tuning.md 1.5: up by 2.5, else down; extend while better than 2 % or the noise. */
const FACTOR = 2.5;
const STEP_GAIN_LEAST = 0.02;
/** tuning.md 1.4: a point below 65 % of its neighbour is a suspected cliff (out of memory, out of connections). */
const CLIFF_SHARE = 0.65;
/** tuning.md 2: the smallest value within 2 % of the best frees memory and connections. */
const AS_GOOD_AS_BEST = 0.02;
const FIT_POINTS_LEAST = 4;
/** A vertex this near (in per cent of a measured value) says nothing new. */
const SAME_VALUE = 0.07;

/** What to measure next, or which value is best; `measured` in the order of measurement, with the start among them. */
export function nextLadderStep(
  settings: LadderSettings,
  measured: readonly Measurement[],
): LadderStep {
  const rungs = rungsOf(settings, measured);
  const start = rungs.find((rung) => rung.value === settings.start);
  if (!start || start.score === Number.NEGATIVE_INFINITY) {
    return {
      kind: "unmeasurable",
      because: "the present value has no valid measurement to compare with",
    };
  }
  const probes = measured.filter((each) => each.value !== settings.start).length;
  const left = settings.probesMax - probes;
  const suspect = rungs.find((rung) => rung.measurements === 1 && isCliff(settings, rungs, rung));
  if (suspect && left > 0) {
    return {
      kind: "probe",
      value: suspect.value,
      why: "far worse than its neighbour: measured once more before it is excluded",
    };
  }
  const usable = rungs.filter((rung) => !isCliff(settings, rungs, rung));
  const limits = limitsWithout(settings, rungs, usable);
  const climb = left > 0 ? nextRung(settings, limits, usable, start) : undefined;
  if (climb) return climb;
  const vertex = left > 0 ? vertexStep(limits, usable) : undefined;
  if (vertex) return vertex;
  const because =
    left > 0 ? "the next rungs are no better" : `${settings.probesMax} settings were measured`;
  return { kind: "best", best: smallestAsGoodAsBest(usable), start, because };
}

/** How much better a is than b by their scores; a ratio's gain is a logarithm, so 0.1 is about 10 %. */
export function gainOf(a: Rung, b: Rung): number {
  return a.score - b.score;
}

/** Smallest value first; several measurements of one value count as their mean. */
function rungsOf(settings: LadderSettings, measured: readonly Measurement[]): readonly Rung[] {
  const values = [...new Set(measured.map((each) => each.value))].toSorted((a, b) => a - b);
  return values.map((value) => {
    const scores = measured
      .filter((each) => each.value === value)
      .map((each) => scoreOf(settings, each.metric));
    const score = scores.reduce((sum, each) => sum + each, 0) / scores.length;
    return { value, score, measurements: scores.length };
  });
}

function scoreOf(settings: LadderSettings, metric: number | undefined): number {
  const sign = settings.better === "higher" ? 1 : -1;
  if (metric === undefined || !Number.isFinite(metric)) return Number.NEGATIVE_INFINITY;
  if (settings.compare === "difference") return sign * metric;
  return metric > 0 ? sign * Math.log(metric) : Number.NEGATIVE_INFINITY;
}

/** Whether a rung falls off a cliff seen from the neighbour on the start's side. The start itself never does. */
function isCliff(settings: LadderSettings, rungs: readonly Rung[], rung: Rung): boolean {
  if (rung.value === settings.start) return false;
  const index = rungs.indexOf(rung);
  const inner = rungs[rung.value > settings.start ? index - 1 : index + 1];
  if (rung.score === Number.NEGATIVE_INFINITY) return true;
  if (!inner) return false;
  if (settings.compare === "ratio") return rung.score < inner.score + Math.log(CLIFF_SHARE);
  return rung.score < inner.score - (1 - CLIFF_SHARE) * Math.abs(inner.score) - settings.noiseFloor;
}

/** The range without what lies at and beyond an excluded rung. */
function limitsWithout(
  settings: LadderSettings,
  rungs: readonly Rung[],
  usable: readonly Rung[],
): { readonly min: number; readonly max: number } {
  const excluded = rungs.filter((rung) => !usable.includes(rung)).map((rung) => rung.value);
  const below = usable.filter((rung) =>
    excluded.some((value) => value > rung.value && value > settings.start),
  );
  const above = usable.filter((rung) =>
    excluded.some((value) => value < rung.value && value < settings.start),
  );
  return {
    max: below.length > 0 ? Math.max(...below.map((rung) => rung.value)) : settings.max,
    min: above.length > 0 ? Math.min(...above.map((rung) => rung.value)) : settings.min,
  };
}

/** The next rung outwards: first towards the hypothesis, then, if that side is no better, one the other way. */
function nextRung(
  settings: LadderSettings,
  limits: { readonly min: number; readonly max: number },
  usable: readonly Rung[],
  start: Rung,
): LadderStep | undefined {
  const upFirst = settings.first === undefined || settings.first >= settings.start;
  const first = climb(settings, limits, usable, start, upFirst ? "up" : "down");
  if (typeof first === "object") return first;
  if (first === "climbed") return undefined;
  const second = climb(settings, limits, usable, start, upFirst ? "down" : "up");
  return typeof second === "object" ? second : undefined;
}

/** A rung to measure; or `climbed` when this side was better than the start and has ended; or `no-better`. */
function climb(
  settings: LadderSettings,
  limits: { readonly min: number; readonly max: number },
  usable: readonly Rung[],
  start: Rung,
  side: "up" | "down",
): LadderStep | "climbed" | "no-better" {
  const onSide = usable.filter((rung) =>
    side === "up" ? rung.value > start.value : rung.value < start.value,
  );
  const outwards = side === "up" ? onSide : onSide.toReversed();
  const threshold = Math.max(STEP_GAIN_LEAST, settings.noiseFloor);
  let best = start;
  let last = start;
  for (const rung of outwards) {
    last = rung;
    if (gainOf(rung, best) <= threshold) return best === start ? "no-better" : "climbed";
    best = rung;
  }
  const value = rungAfter(settings, limits, last, side);
  if (value === undefined) return best === start ? "no-better" : "climbed";
  const why =
    last === start
      ? settings.first === value
        ? "the strategy's hypothesis"
        : `the next rung ${side} from the present value`
      : `${last.value} was better: one rung further ${side}`;
  return { kind: "probe", value, why };
}

function rungAfter(
  settings: LadderSettings,
  limits: { readonly min: number; readonly max: number },
  last: Rung,
  side: "up" | "down",
): number | undefined {
  const first = settings.first;
  const hypothesis =
    last.value === settings.start &&
    first !== undefined &&
    (side === "up" ? first > settings.start : first < settings.start);
  const rung = hypothesis ? first : side === "up" ? last.value * FACTOR : last.value / FACTOR;
  const value = Math.min(limits.max, Math.max(limits.min, Math.round(rung)));
  // At a limit, and one that a cliff has set, there is nothing further out.
  return (side === "up" ? value > last.value : value < last.value) ? value : undefined;
}

/** The top of a parabola through the best rung's surroundings, where there are points enough for one. */
function vertexStep(
  limits: { readonly min: number; readonly max: number },
  usable: readonly Rung[],
): LadderStep | undefined {
  const points = usable.filter((rung) => Number.isFinite(rung.score));
  if (points.length < FIT_POINTS_LEAST) return undefined;
  const top = fitVertex(points);
  if (top === undefined) return undefined;
  const value = Math.min(limits.max, Math.max(limits.min, Math.round(top)));
  const known = points.some((rung) => Math.abs(rung.value - value) <= SAME_VALUE * rung.value);
  return known
    ? undefined
    : { kind: "probe", value, why: `the top of a parabola through ${points.length} measurements` };
}

function smallestAsGoodAsBest(usable: readonly Rung[]): Rung {
  const best = usable.reduce((a, b) => (b.score > a.score ? b : a));
  return usable.find((rung) => rung.score >= best.score - AS_GOOD_AS_BEST) ?? best;
}
