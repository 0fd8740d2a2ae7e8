/**
 * The probes: one knob after the other in diagnosed order, from rung to rung by a factor of 2.5, as long as it gets better. Where the first rung
 * is no better, the way down is left to the surface: it goes there in smaller steps, which hurt the service less (docs/search.md).
 */
import type { Fence } from "./fence.ts";
import type { SearchSettings } from "./search.ts";
import { heightOf, highest, keyOf, placeOf, valuesAt } from "./space.ts";
import type { Point, SearchKnob, Values } from "./space.ts";

/** tuning.md 1.5: up by 2.5; extend while better than 2 %. */
const FACTOR = Math.log(2.5);
const STEP_GAIN_LEAST = 0.02;
/** tuning.md 1.4: five places on a log scale; one this near to the start would say nothing new. */
const SCOUTS = 5;
const SCOUT_APART = Math.log(1.6);

export interface Probe {
  readonly values: Values;
  readonly why: string;
}

/** The next rung that is not measured yet; undefined when every knob's ladder has ended. */
export function nextProbe(settings: SearchSettings, start: Point, fence: Fence): Probe | undefined {
  const scout = settings.mode === "scout" ? nextScout(settings, start, fence) : undefined;
  if (scout?.probe) return scout.probe;
  // Where the present setting is past a cliff itself, the ladder goes on from the best.
  let base = scout?.best ?? (fence.usable.includes(start) ? start : highest(fence.usable));
  for (const [index, knob] of settings.knobs.entries()) {
    const side = knob.first === undefined || knob.first >= knob.start ? 1 : -1;
    const climbed = climb(settings, fence, base, index, side);
    if (climbed.kind === "probe") return climbed.probe;
    base = climbed.best;
  }
  return undefined;
}

/** Places all over the range of the first knob, those near the start first; each as good a base for the ladder as the start. */
function nextScout(
  settings: SearchSettings,
  start: Point,
  fence: Fence,
): { readonly probe?: Probe; readonly best: Point } {
  const [knob] = settings.knobs;
  if (!knob) return { best: start };
  const [low, high] = [heightOf(knob, knob.min), heightOf(knob, knob.max)];
  const away = (height: number) => Math.abs(height - (start.place[0] ?? 0));
  const heights = Array.from(
    { length: SCOUTS },
    (_, index) => low + ((high - low) * (index + 0.5)) / SCOUTS,
  )
    .filter((height) => away(height) > SCOUT_APART)
    .toSorted((a, b) => away(a) - away(b));
  let best = start;
  for (const height of heights) {
    const place = start.place.map((each, index) => (index === 0 ? height : each));
    const values = valuesAt(settings.knobs, place);
    const key = keyOf(settings.knobs, values);
    const isKnown = (point: Point) => keyOf(settings.knobs, point.values) === key;
    const point = fence.usable.find(isKnown);
    if (point && point.score > best.score) best = point;
    if (point || fence.suspects.some((suspect) => isKnown(suspect.point))) continue;
    // Behind what may be a valley it may be good again; only what was bad twice ends the look.
    const isInside = height <= (fence.high[0] ?? high) && height >= (fence.low[0] ?? low);
    if (!isInside) continue;
    return { probe: { values, why: `a look at ${knob.id} of ${values[knob.id]}` }, best };
  }
  return { best };
}

type Climb =
  | { readonly kind: "probe"; readonly probe: Probe }
  | { readonly kind: "ended"; readonly best: Point };

function climb(
  settings: SearchSettings,
  fence: Fence,
  base: Point,
  index: number,
  side: 1 | -1,
): Climb {
  const knob = settings.knobs[index];
  if (!knob) return { kind: "ended", best: base };
  const gainLeast = settings.compare === "ratio" ? STEP_GAIN_LEAST : settings.noiseFloor;
  let best = base;
  for (;;) {
    const values = rungAfter(settings, best, index, side);
    if (values === undefined) break;
    const key = keyOf(settings.knobs, values);
    const point = fence.usable.find((each) => keyOf(settings.knobs, each.values) === key);
    if (!point) {
      if (!isAllowed(settings, fence, index, values)) break;
      return { kind: "probe", probe: { values, why: whyOf(knob, base, best, values, side) } };
    }
    if (point.score - best.score <= gainLeast) break;
    best = point;
  }
  return { kind: "ended", best };
}

function rungAfter(
  settings: SearchSettings,
  rung: Point,
  index: number,
  side: 1 | -1,
): Values | undefined {
  const knob = settings.knobs[index];
  const present = knob && rung.values[knob.id];
  if (!knob || present === undefined) return undefined;
  const { first } = knob;
  const isHypothesis =
    present === knob.start && first !== undefined && Math.sign(first - knob.start) === side;
  const height = isHypothesis ? heightOf(knob, first) : heightOf(knob, present) + side * FACTOR;
  const place = rung.place.map((each, other) => (other === index ? height : each));
  const value = valuesAt(settings.knobs, place)[knob.id];
  // At a limit there is nothing further out.
  if (value === undefined || (value - present) * side <= 0) return undefined;
  return { ...rung.values, [knob.id]: value };
}

function isAllowed(settings: SearchSettings, fence: Fence, index: number, values: Values): boolean {
  const place = placeOf(settings.knobs, values);
  const height = place[index] ?? 0;
  return (
    height <= (fence.high[index] ?? height) &&
    height >= (fence.low[index] ?? height) &&
    !fence.forbids(place)
  );
}

function whyOf(knob: SearchKnob, base: Point, rung: Point, values: Values, side: 1 | -1): string {
  const direction = side === 1 ? "up" : "down";
  if (rung !== base) {
    return `${knob.id} of ${rung.values[knob.id]} was better: one rung further ${direction}`;
  }
  return values[knob.id] === knob.first
    ? `the hypothesis for ${knob.id}`
    : `the next rung of ${knob.id} ${direction} from ${rung.values[knob.id]}`;
}
