/** What a search found, in numbers and in one or two sentences. */
import { median } from "simple-statistics";
import { PerfoptError } from "../core/errors.ts";
import { metricIds, type MetricId } from "../core/metric.ts";
import type { LimitProbe, LimitResult } from "../core/result.ts";
import type { MetricValues } from "../core/sample.ts";
import { significant } from "../core/units.ts";
import { estimateOf } from "./estimate.ts";
import type { Reading } from "./reading.ts";
import { nextStep, stateOf, type SearchSettings, type SearchState } from "./search.ts";
import type { LoadVerdict } from "./verdict.ts";

/** One window of the search. */
export interface Measured {
  readonly reading: Reading;
  readonly metrics: MetricValues;
}

/** Throws cannot-measure when not one window could be used. */
export function limitResult(settings: SearchSettings, measured: readonly Measured[]): LimitResult {
  const readings = measured.map(({ reading }) => reading);
  const state = stateOf(readings);
  const { holds, breaks } = state;
  const estimate = estimateOf(state);
  if (estimate === undefined) throw nothingUsable(settings, state);
  const unfinished = nextStep(settings, readings, Infinity) !== undefined;
  return {
    unit: settings.unit,
    ...(holds ? { holds: holds.load } : {}),
    ...(breaks ? { breaks: breaks.load } : {}),
    estimate,
    probes: probesOf(state, measured),
    detail: [found(settings, state, estimate), ...caveats(state, unfinished, measured.length)].join(
      "; ",
    ),
  };
}

/** `1 user`, `250 requests/s`. */
export function loadInWords(unit: LimitResult["unit"], load: number): string {
  if (unit === "users") {
    const users = Math.round(load);
    return `${users} ${users === 1 ? "user" : "users"}`;
  }
  return `${load >= 1_000 ? Math.round(load) : significant(load).replace(/\.0+$/, "")} requests/s`;
}

function found(settings: SearchSettings, state: SearchState, estimate: number): string {
  const { holds, breaks, verdicts } = state;
  const words = (load: number) => loadInWords(settings.unit, load);
  if (holds && breaks) {
    return `${words(holds.load)} held and ${words(breaks.load)} did not (${reasonOf(breaks)}); the limit is about ${words(estimate)}`;
  }
  if (breaks) return `not even ${words(breaks.load)} held (${reasonOf(breaks)})`;
  if (!holds) return `no load was clear; the limit is somewhere near ${words(estimate)}`;
  const ceiling = verdicts.find(({ outcome, load }) => outcome === "invalid" && load > holds.load);
  if (ceiling) {
    return (
      `${words(holds.load)} held, and the limit is higher: ${words(ceiling.load)} could not be measured, because of the load generator` +
      ` or its machine and not of the service (${ceiling.unusable})`
    );
  }
  return `${words(holds.load)} held, the most that was tried (${reasonOf(holds)}); the limit is higher`;
}

function caveats(
  { verdicts, holds, breaks }: SearchState,
  unfinished: boolean,
  windows: number,
): readonly string[] {
  const low = holds?.load ?? 0;
  const unclear = verdicts
    .filter(({ load }) => breaks && load > low && load < breaks.load)
    .map(({ load }) => load);
  const above = verdicts.findLast(
    ({ outcome, load }) => outcome === "holds" && breaks && load > breaks.load,
  );
  return [
    ...(unclear.length > 0 && !unfinished
      ? [`${unclear.join(", ")} in between could not be told from the limit`]
      : []),
    ...(above
      ? [
          `${above.load} held although less did not: the service may do worse at some loads than at higher ones`,
        ]
      : []),
    ...(unfinished ? [`the search was cut short after ${windows} windows`] : []),
    ...(holds?.long === false ? [`${holds.load} was not confirmed by a longer window`] : []),
    ...(breaks?.agreeing === 1 ? [`${breaks.load} was measured only once`] : []),
  ];
}

function reasonOf({ worst, windows }: LoadVerdict): string {
  return `${worst?.words ?? ""}, ${windows} ${windows === 1 ? "window" : "windows"}`;
}

/** One for each load, in the order in which they were first tried. */
function probesOf({ verdicts }: SearchState, measured: readonly Measured[]): readonly LimitProbe[] {
  const loads = [...new Set(measured.map(({ reading }) => reading.load))];
  return loads.flatMap((load) => {
    const verdict = verdicts.find((each) => each.load === load);
    if (!verdict) return [];
    const windows = measured.filter(({ reading }) => reading.load === load);
    const full = windows.filter(({ reading }) => reading.use === "full");
    const why = verdict.windows > 0 ? reasonOf(verdict) : verdict.unusable;
    const outcome = verdict.outcome === "open" ? "unclear" : verdict.outcome;
    return [{ load, outcome, why, metrics: medians(full.length > 0 ? full : windows.slice(-1)) }];
  });
}

function medians(windows: readonly Measured[]): MetricValues {
  const result: Partial<Record<MetricId, number>> = {};
  for (const id of metricIds) {
    const values = windows.map(({ metrics }) => metrics[id]).filter((value) => value !== undefined);
    if (values.length > 0) result[id] = median(values);
  }
  return result;
}

function nothingUsable({ unit }: SearchSettings, { verdicts }: SearchState): PerfoptError {
  const lowest = verdicts[0];
  return new PerfoptError(
    "cannot-measure",
    lowest
      ? `no window could be used, not even of ${loadInWords(unit, lowest.load)}: ${lowest.unusable}`
      : "no window was measured before the time was up",
    "close other programs on this machine, take longer windows, or allow more time",
  );
}
