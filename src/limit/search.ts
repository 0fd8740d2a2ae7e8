/**
 * Where to measure next: grows until something breaks, narrows the bracket, then confirms both of its ends. Pure ask and tell: the
 * same windows give the same next step.
 */
import type { Reading, WindowKind } from "./reading.ts";
import { lineThrough, type Line } from "./line.ts";
import { UNUSABLE_MAX, WINDOWS_MAX, verdictsOf, type LoadVerdict } from "./verdict.ts";

export interface SearchSettings {
  readonly unit: "requests/s" | "users";
  /** The first load. */
  readonly from: number;
  readonly least: number;
  readonly most: number;
  /** The bracket is narrow enough when its ends are this far apart: 0.05 is 5 %. */
  readonly precision: number;
}

export interface SearchState {
  readonly verdicts: readonly LoadVerdict[];
  /** The highest load that holds below the lowest that breaks. */
  readonly holds: LoadVerdict | undefined;
  readonly breaks: LoadVerdict | undefined;
}

export interface SearchStep {
  readonly load: number;
  readonly window: WindowKind;
  readonly why: string;
}

/** Doubling finds any limit in few steps, and overloads at most twofold. */
const GROWTH = 2;
/** Near the limit a twofold load would only be broken: beyond half of the limit (e^-0.7), in smaller steps. */
const GROWTH_NEAR = 1.4;
const NEAR = 0.7;
/** Twice as slow within less than half as much load again: a cliff, or stalls that look like one. */
const CLIFF_RISE = 0.7;
const CLIFF_WIDTH = 1.5;
/** A start that breaks already is far off. */
const SHRINK = 4;
/** A load whose distance is just the bound is shown every other time; at this many times the bound, mostly. */
const REACH = 1.3;
/** The generator's own limit is not worth finding any better: it is no fact about the service. */
const CEILING_PRECISION = 0.2;

export function stateOf(readings: readonly Reading[]): SearchState {
  const verdicts = verdictsOf(readings);
  const breaks = verdicts.find(({ outcome }) => outcome === "breaks");
  const holds = verdicts.findLast(
    ({ outcome, load }) => outcome === "holds" && (!breaks || load < breaks.load),
  );
  return { verdicts, holds, breaks };
}

/** `left`: windows that may still be measured. */
export function nextStep(
  settings: SearchSettings,
  readings: readonly Reading[],
  left: number,
): SearchStep | undefined {
  if (left <= 0) return undefined;
  const state = stateOf(readings);
  const { holds, breaks } = state;
  // The last windows are kept for the ends: a bracket that is wide and sure is worth more than one that is narrow and not.
  const reserved =
    (breaks && !isSettled(state, breaks) ? Math.max(1, sureWindows(state) - breaks.agreeing) : 0) +
    (holds && !isSettled(state, holds) ? 1 : 0);
  const explored = left > reserved ? exploration(settings, state) : undefined;
  return explored ?? confirmation(state);
}

/** Windows that have to agree before a load counts as broken. */
function sureWindows({ holds, breaks }: SearchState): number {
  if (!holds || !breaks || breaks.load > holds.load * CLIFF_WIDTH) return 2;
  const rise = (breaks.worst?.distance ?? 0) - (holds.worst?.distance ?? 0);
  return rise > CLIFF_RISE ? 3 : 2;
}

/** An end is settled when it is confirmed, or when its windows are disturbed again and again. */
function isSettled(state: SearchState, end: LoadVerdict): boolean {
  const confirmed = end === state.breaks ? end.agreeing >= sureWindows(state) : end.long;
  return confirmed || end.spoilt >= 2 * UNUSABLE_MAX;
}

/** A step that may move an end of the bracket; undefined when none can. */
function exploration(settings: SearchSettings, state: SearchState): SearchStep | undefined {
  if (state.verdicts.length === 0) return probe(settings.from, "the first load");
  const { breaks, holds } = state;
  if (breaks) {
    return (
      contradiction(state, breaks) ??
      (holds
        ? narrowing(settings, state.verdicts, holds, breaks)
        : shrinking(settings, state.verdicts, breaks.load))
    );
  }
  const ceiling = ceilingOf(settings, state);
  if (ceiling) {
    return holds
      ? belowCeiling(settings, state.verdicts, holds)
      : shrinking(settings, state.verdicts, ceiling.load);
  }
  return growing(settings, state.verdicts);
}

/** A load that breaks, and a higher one that does not: a stall, more often than not. */
function contradiction({ verdicts }: SearchState, breaks: LoadVerdict): SearchStep | undefined {
  const above = verdicts.find(({ outcome, load }) => outcome === "holds" && load > breaks.load);
  return above && breaks.agreeing < 2 && breaks.spoilt < 2 * UNUSABLE_MAX
    ? again(breaks, `it broke, and ${above.load} did not`)
    : undefined;
}

/** The lowest load that could not be measured, when the next one could not either: one alone may be a passing disturbance. */
function ceilingOf(
  settings: SearchSettings,
  { verdicts, holds }: SearchState,
): LoadVerdict | undefined {
  const above = verdicts.filter(({ load }) => load > (holds?.load ?? 0));
  const [top, next] = above.filter(({ outcome }) => outcome === "invalid").toReversed();
  const beyond = next !== undefined || (top !== undefined && top.load >= settings.most);
  return beyond ? above.find(({ outcome }) => outcome === "invalid") : undefined;
}

function growing(
  settings: SearchSettings,
  verdicts: readonly LoadVerdict[],
): SearchStep | undefined {
  const top = verdicts.at(-1);
  if (!top) return undefined;
  const { load, outcome, worst } = top;
  if (outcome === "open" && (!worst || worst.distance > 0 || load >= settings.most)) {
    return again(top, worst ? "not clear yet" : "the window could not be used");
  }
  if (load >= settings.most) return undefined;
  const factor = worst && worst.distance > -NEAR ? GROWTH_NEAR : GROWTH;
  return probe(Math.min(settings.most, grown(settings, load, factor)), `${load} did not break`);
}

/** Nothing up to `load` holds: further down, and what is not clear there first. */
function shrinking(
  settings: SearchSettings,
  verdicts: readonly LoadVerdict[],
  load: number,
): SearchStep | undefined {
  const open = verdicts.findLast((each) => each.outcome === "open" && each.load < load);
  if (open) return again(open, "not clear yet");
  const lowest = verdicts[0]?.load ?? load;
  if (lowest <= settings.least) return undefined;
  return probe(
    Math.max(settings.least, rounded(settings, lowest / SHRINK)),
    `nothing up to ${load} holds`,
  );
}

/** The bracket from the highest load that holds to the lowest that breaks, with what is unclear in between. */
function narrowing(
  settings: SearchSettings,
  verdicts: readonly LoadVerdict[],
  holds: LoadVerdict,
  breaks: LoadVerdict,
): SearchStep | undefined {
  if (isNarrow(settings, holds.load, breaks.load)) return undefined;
  const between = verdicts.filter(({ load }) => load > holds.load && load < breaks.load);
  const open = between.find(({ outcome }) => outcome === "open");
  if (open) return again(open, "not clear yet");
  const [lowest] = between;
  const highest = between.at(-1);
  if (!lowest || !highest) {
    const load = middleOf(settings, holds.load, breaks.load);
    return load === undefined ? undefined : probe(load, `between ${holds.load} and ${breaks.load}`);
  }
  const line = lineThrough([holds, ...between, breaks]);
  const load = [
    towardsHolds(settings, holds.load, lowest, line),
    towardsBreaks(settings, breaks.load, highest, line),
  ].find((each) => each !== undefined);
  return load === undefined
    ? undefined
    : probe(load, "nearer to what could not be told from the limit");
}

/** A load between the highest that holds and an unclear one that is likely to be clear, and better by half of the precision at least. */
function towardsHolds(
  settings: SearchSettings,
  holds: number,
  unclear: LoadVerdict,
  line: Line | undefined,
): number | undefined {
  if (isNarrow(settings, holds, unclear.load)) return undefined;
  const clear = line ? Math.exp(line.crossing - reachOf(unclear, line)) : Infinity;
  const load = rounded(settings, Math.min(Math.sqrt(holds * unclear.load), clear));
  return load >= holds * (1 + settings.precision / 2) && load < unclear.load ? load : undefined;
}

function towardsBreaks(
  settings: SearchSettings,
  breaks: number,
  unclear: LoadVerdict,
  line: Line | undefined,
): number | undefined {
  if (isNarrow(settings, unclear.load, breaks)) return undefined;
  const clear = line ? Math.exp(line.crossing + reachOf(unclear, line)) : 0;
  const load = rounded(settings, Math.max(Math.sqrt(breaks * unclear.load), clear));
  return load <= breaks / (1 + settings.precision / 2) && load > unclear.load ? load : undefined;
}

/** How far from the limit, in logarithms of the load, all windows that one load may have are likely to make it clear. */
function reachOf({ worst, windows }: LoadVerdict, { slope }: Line): number {
  const bound = (worst?.bound ?? 0) * Math.sqrt(windows / WINDOWS_MAX);
  return (REACH * bound) / slope;
}

/** What holds may still be raised towards what could not be measured. */
function belowCeiling(
  settings: SearchSettings,
  verdicts: readonly LoadVerdict[],
  holds: LoadVerdict,
): SearchStep | undefined {
  const above = verdicts.find(({ load }) => load > holds.load);
  if (above?.outcome === "open") return again(above, "not clear yet");
  if (!above || above.load <= holds.load * (1 + CEILING_PRECISION)) return undefined;
  const load = middleOf(settings, holds.load, above.load);
  return load === undefined ? undefined : probe(load, `${above.load} could not be used`);
}

/** The end that breaks first: when it turns out to hold, it is the end that holds. */
function confirmation(state: SearchState): SearchStep | undefined {
  const { holds, breaks } = state;
  if (breaks && !isSettled(state, breaks)) {
    return again(breaks, "once more, to confirm that it breaks");
  }
  if (!holds || isSettled(state, holds)) return undefined;
  return { load: holds.load, window: "confirm", why: "a longer window, to confirm that it holds" };
}

/** Once a load has had a long window, shorter ones add nothing. */
function again({ load, long }: LoadVerdict, why: string): SearchStep {
  return { load, window: long ? "confirm" : "probe", why };
}

function probe(load: number, why: string): SearchStep {
  return { load, window: "probe", why };
}

function isNarrow(settings: SearchSettings, low: number, high: number): boolean {
  return high <= low * (1 + settings.precision) || middleOf(settings, low, high) === undefined;
}

/** On a scale of ratios; undefined when there is no load in between. */
function middleOf(settings: SearchSettings, low: number, high: number): number | undefined {
  const middle = rounded(settings, Math.sqrt(low * high));
  return middle > low && middle < high ? middle : undefined;
}

function grown(settings: SearchSettings, load: number, factor: number): number {
  const next = rounded(settings, load * factor);
  return next > load ? next : load + 1;
}

/** Users are whole, and three digits of a rate are more than any measurement is good for. */
function rounded(settings: SearchSettings, load: number): number {
  return settings.unit === "users" ? Math.max(1, Math.round(load)) : Number(load.toPrecision(3));
}
