/**
 * Predicts the hit rate that a trial will measure from a trace that is shorter than the trial, or than a time to live: keys are
 * drawn again as the trial's windows would ask for them, keys that the trace did not show among them, and played through the
 * tiers.
 */
import { GET, type CacheTrace } from "../../../core/cache-trace.ts";
import { studentQuantile } from "../../../decide/distribution.ts";
import { lengthMsOf } from "./gets.ts";
import { fitPopularity } from "./popularity.ts";
import { createWorld, type Protocol, type Resampled, type Source } from "./resample.ts";
import { simulateTiers } from "./simulate.ts";
import type { TierSetup } from "./tier-setup.ts";

export interface PredictionOptions {
  readonly protocol: Protocol;
  /** The tiers to play, on the same draws each. They get the drawn trace, which has more keys than the captured one. */
  readonly setups: readonly ((drawn: CacheTrace) => TierSetup)[];
  /** Also for trials of only so many of the protocol's windows. */
  readonly lengths?: readonly number[];
  /** Rows a second in the trial's windows; as in the trace without. */
  readonly rowsPerSecond?: number;
  readonly seed?: number;
  readonly worlds?: number;
}

export interface Predicted extends PredictedRates {
  /** In the order of `lengths`. */
  readonly byLength: readonly PredictedRates[];
  /** Of the trial's gets in the mean. */
  readonly gets: number;
  /** Share of a moment's gets that are of keys the trace has not shown: what the prediction knows nothing of. */
  readonly unseenShare: number;
  /** How far the trace's second half is from what its first predicts, beyond chance; the bounds hold it too. */
  readonly drift: number;
}

export interface PredictedRates {
  /** Answered by any tier. */
  readonly hitRate: PredictedRate;
  /** Of all gets, by the caches of the processes. */
  readonly l1HitRate: PredictedRate;
  /** Of what these leave: what a shared Redis counts. */
  readonly l2HitRate: PredictedRate;
}

/** With the bounds of 95 %: of the trial's own chance, of what can be told from a trace this short, and of its drift. */
export interface PredictedRate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

const WORLDS = 8;

/**
 * Undefined for a trace without gets or without length. Gets are taken as independent draws from a popularity that stays as it
 * is; where the trace's own halves show that it does not, the bounds are wider by as much as that was wrong.
 */
export function predictHitRates(
  trace: CacheTrace,
  bytes: Float64Array,
  options: PredictionOptions,
): readonly Predicted[] | undefined {
  const estimates = estimateRates(trace, bytes, options);
  if (!estimates) return undefined;
  const drifts = driftsOf(trace, bytes, options);
  return estimates.map(({ byLength, gets, unseenShare, ...rates }, index) => {
    const drift = drifts[index] ?? NO_DRIFT;
    return {
      ...widened(rates, drift),
      byLength: byLength.map((each) => widened(each, drift)),
      gets,
      unseenShare,
      drift: drift.hitRate,
    };
  });
}

type Estimate = Omit<Predicted, "drift">;
type RateName = "hitRate" | "l1HitRate" | "l2HitRate";
type Drift = Readonly<Record<RateName, number>>;

const NO_DRIFT: Drift = { hitRate: 0, l1HitRate: 0, l2HitRate: 0 };

function widened(rates: PredictedRates, by: Drift): PredictedRates {
  const wider = (name: RateName): PredictedRate => {
    const { value, low, high } = rates[name];
    return { value, low: Math.max(0, low - by[name]), high: Math.min(1, high + by[name]) };
  };
  return {
    hitRate: wider("hitRate"),
    l1HitRate: wider("l1HitRate"),
    l2HitRate: wider("l2HitRate"),
  };
}

function estimateRates(
  trace: CacheTrace,
  bytes: Float64Array,
  options: PredictionOptions,
): readonly Estimate[] | undefined {
  const counts = getsByKey(trace);
  const gets = counts.reduce((sum, count) => sum + count, 0);
  const rowsPerMs = rowsPerMsOf(trace, options);
  if (gets === 0 || !(rowsPerMs > 0)) return undefined;
  const source: Source = { trace, bytes, rowsPerMs };
  const popularity = fitPopularity(counts);
  const seed = options.seed ?? 1;
  const played: (readonly Rates[])[] = [];
  const guessed: (readonly Rates[])[] = [];
  for (let world = 0; world < (options.worlds ?? WORLDS); world += 1) {
    const one = createWorld(source, popularity, seed + world * 2);
    played.push(play(one.trial(options.protocol), options));
    // In a world whose popularity is known: what would have been predicted from a trace like this one.
    const again = fitPopularity(one.capture(gets));
    const other = createWorld(source, again, seed + world * 2 + 1);
    guessed.push(play(other.trial(options.protocol), options));
  }
  const lengths = lengthsOf(options);
  const at = (rates: readonly (readonly Rates[])[], place: number): readonly Rates[] =>
    rates.flatMap((each) => each[place] ?? []);
  return options.setups.map((_, setup) => {
    const byLength = lengths.map((_length, length) => {
      const place = setup * lengths.length + length;
      return ratesFrom(at(played, place), at(guessed, place));
    });
    const whole = byLength.at(-1) ?? ratesFrom([], []);
    const truths = at(played, setup * lengths.length + lengths.length - 1);
    return {
      ...whole,
      byLength: byLength.slice(0, -1),
      gets: Math.round(mean(truths.map((each) => each.gets))),
      unseenShare: popularity.unseenShare,
    };
  });
}

/** The whole trial last. */
function lengthsOf({ lengths = [], protocol }: PredictionOptions): readonly number[] {
  return [...lengths, protocol.windows];
}

function ratesFrom(truths: readonly Rates[], guesses: readonly Rates[]): PredictedRates {
  const rateOf = (name: RateName): PredictedRate =>
    predicted(
      truths.map((each) => each[name]),
      guesses.map((each) => each[name]),
    );
  return {
    hitRate: rateOf("hitRate"),
    l1HitRate: rateOf("l1HitRate"),
    l2HitRate: rateOf("l2HitRate"),
  };
}

/** What the first half of the trace predicts of the second, after it, against what the second shows: by how much beyond the bounds. */
function driftsOf(
  trace: CacheTrace,
  bytes: Float64Array,
  options: PredictionOptions,
): readonly Drift[] {
  const half = trace.rows >> 1;
  const warmupMs = (trace.timeMs[half] ?? 0) - (trace.timeMs[0] ?? 0);
  const lengthMs = lengthMsOf(trace);
  const estimates = estimateRates({ ...trace, rows: half }, bytes, {
    ...options,
    lengths: [],
    rowsPerSecond: rowsPerMsOf(trace, {}) * 1_000,
    protocol: { warmupMs, windowMs: lengthMs - warmupMs, gapMs: 0, windows: 1 },
  });
  if (!estimates) return [];
  const counted = new Uint8Array(trace.rows).fill(1, half);
  const shown = play(
    { trace, bytes, counted, windowEnds: [trace.rows] },
    { setups: options.setups, protocol: { ...options.protocol, windows: 1 } },
  );
  return estimates.map((estimate, setup) => {
    const beyond = (name: RateName): number => {
      const { low, high } = estimate[name];
      const rate = shown[setup]?.[name] ?? 0;
      return Math.max(0, low - rate, rate - high);
    };
    return {
      hitRate: beyond("hitRate"),
      l1HitRate: beyond("l1HitRate"),
      l2HitRate: beyond("l2HitRate"),
    };
  });
}

export function getsByKey(trace: CacheTrace): Uint32Array {
  const counts = new Uint32Array(trace.keyCount);
  for (let row = 0; row < trace.rows; row += 1) {
    if (trace.operation[row] !== GET) continue;
    const key = trace.key[row] ?? 0;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

function rowsPerMsOf(
  trace: CacheTrace,
  { rowsPerSecond }: Pick<PredictionOptions, "rowsPerSecond">,
): number {
  if (rowsPerSecond !== undefined) return rowsPerSecond / 1_000;
  const lengthMs = lengthMsOf(trace);
  return lengthMs > 0 ? (trace.rows - 1) / lengthMs : 0;
}

interface Rates {
  readonly gets: number;
  readonly hitRate: number;
  readonly l1HitRate: number;
  readonly l2HitRate: number;
}

/** Each setup at each length. */
function play(
  { trace, bytes, counted, windowEnds }: Resampled,
  options: Pick<PredictionOptions, "setups" | "lengths" | "protocol">,
): readonly Rates[] {
  return options.setups.flatMap((setupOf) =>
    lengthsOf(options).map((windows) => {
      const rows = windowEnds[windows - 1] ?? trace.rows;
      const setup = { ...setupOf(trace), counted };
      const { gets, hitRate, l1Hits, l2Hits } = simulateTiers({ ...trace, rows }, bytes, setup);
      return {
        gets,
        hitRate,
        l1HitRate: gets === 0 ? 0 : l1Hits / gets,
        l2HitRate: gets === l1Hits ? 0 : l2Hits / (gets - l1Hits),
      };
    }),
  );
}

function predicted(truths: readonly number[], guesses: readonly number[]): PredictedRate {
  const value = mean(truths);
  const squares = truths.map((truth, world) => ((guesses[world] ?? truth) - truth) ** 2);
  const margin = Math.sqrt(mean(squares)) * studentQuantile(0.025, truths.length);
  return { value, low: Math.max(0, value - margin), high: Math.min(1, value + margin) };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
