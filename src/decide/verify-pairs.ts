/** Statements timed with two sets of indexes in turns: the factor between them with its interval, or what ran out of time. */
import { median } from "simple-statistics";
import type { MeasuredFactor } from "../core/advice.ts";
import type { VerifyRun, VerifyStand, VerifyStatement } from "../core/verification.ts";
import { fixedMargin } from "./effect.ts";
import { momentsOf } from "./moments.ts";
import { orderOf } from "./order.ts";

export interface PairRules {
  /** Repetitions of each statement with either set; less for a slow one, but never less than four. */
  readonly pairs: number;
  /** Of the intervals. */
  readonly confidence: number;
  /** Of one run of a statement. */
  readonly timeoutMs: number;
  /** For the repetitions of one statement with both sets. */
  readonly statementTimeMs: number;
  readonly seed: number;
}

/** One statement with the indexes of `base`, and with those of `candidate`. */
export interface Comparison {
  readonly statement: VerifyStatement;
  readonly base: readonly string[];
  readonly candidate: readonly string[];
}

export type Outcome =
  | {
      readonly kind: "measured";
      /** Of each pair: the logarithm of candidate over base. */
      readonly logs: readonly number[];
      readonly factor: MeasuredFactor;
    }
  /** `who` ran into its limit; the other took `otherMs`. */
  | {
      readonly kind: "timeout";
      readonly who: "base" | "candidate";
      readonly limitMs: number;
      readonly otherMs: number;
    }
  | { readonly kind: "both timed out"; readonly limitMs: number }
  | { readonly kind: "failed"; readonly because: string };

const PAIRS_LEAST = 4;
/** Runs of a short statement that count as one, by their median, until they take this long together. */
const TURN_MS = 50;
const TURN_RUNS_MAX = 5;
/** A candidate this many times slower than the base has lost; it is not waited for any longer. */
const SLOWER_MAX = 20;
const CANDIDATE_LIMIT_LEAST_MS = 1_000;
/** What the server's clock can tell apart. */
const RESOLUTION_MS = 0.001;

/** The statements take turns too, so that a change of the machine's speed meets all of them alike. `block` seeds the order. */
export async function comparePairs(
  stand: VerifyStand,
  comparisons: readonly Comparison[],
  rules: PairRules,
  block: string,
): Promise<ReadonlyMap<string, Outcome>> {
  const series: Series[] = [];
  const outcomes = new Map<string, Outcome>();
  for (const comparison of comparisons) {
    const first = await warmUp(stand, comparison, rules);
    if ("kind" in first) outcomes.set(comparison.statement.id, first);
    else series.push(first);
  }
  for (let pair = 0; pair < rules.pairs; pair += 1) {
    for (const each of series) {
      if (each.ended || pair >= each.pairs) continue;
      await takePair(stand, each, `${block} ${each.comparison.statement.id}`, pair, rules.seed);
    }
  }
  for (const each of series) {
    outcomes.set(each.comparison.statement.id, each.ended ?? measured(each, rules.confidence));
  }
  return outcomes;
}

interface Series {
  readonly comparison: Comparison;
  readonly pairs: number;
  readonly baseRuns: number;
  readonly candidateRuns: number;
  /** Of the first run of each, which warmed the cache. */
  readonly warmMs: { readonly base: number; readonly candidate: number };
  readonly baseLimitMs: number;
  readonly candidateLimitMs: number;
  readonly base: number[];
  readonly candidate: number[];
  ended: Outcome | undefined;
}

/** Each once, not counted: caches are filled, and what takes too long shows. */
async function warmUp(
  stand: VerifyStand,
  comparison: Comparison,
  rules: PairRules,
): Promise<Series | Outcome> {
  const { statement, base, candidate } = comparison;
  const { timeoutMs } = rules;
  const first = await stand.run(statement, base, timeoutMs);
  if (first.kind === "failed") return first;
  const candidateLimitMs =
    first.kind === "timeout"
      ? timeoutMs
      : Math.min(timeoutMs, Math.max(CANDIDATE_LIMIT_LEAST_MS, SLOWER_MAX * first.ms));
  const second = await stand.run(statement, candidate, candidateLimitMs);
  if (second.kind === "failed") return second;
  if (first.kind === "timeout") {
    return second.kind === "timeout"
      ? { kind: "both timed out", limitMs: timeoutMs }
      : { kind: "timeout", who: "base", limitMs: timeoutMs, otherMs: second.ms };
  }
  if (second.kind === "timeout") {
    return { kind: "timeout", who: "candidate", limitMs: candidateLimitMs, otherMs: first.ms };
  }
  const affordable = Math.floor(rules.statementTimeMs / (first.ms + second.ms + RESOLUTION_MS));
  return {
    comparison,
    pairs: Math.max(PAIRS_LEAST, Math.min(rules.pairs, affordable)),
    baseRuns: runsOf(first.ms),
    candidateRuns: runsOf(second.ms),
    warmMs: { base: first.ms, candidate: second.ms },
    baseLimitMs: timeoutMs,
    candidateLimitMs,
    base: [],
    candidate: [],
    ended: undefined,
  };
}

function runsOf(ms: number): number {
  return Math.max(1, Math.min(TURN_RUNS_MAX, Math.ceil(TURN_MS / Math.max(ms, RESOLUTION_MS))));
}

async function takePair(
  stand: VerifyStand,
  series: Series,
  block: string,
  pair: number,
  seed: number,
): Promise<void> {
  const baseFirst = orderOf(seed, block, pair) === "incumbent-first";
  const times: { base?: number; candidate?: number } = {};
  for (const side of baseFirst ? SIDES : SIDES.toReversed()) {
    const run = await takeTurn(stand, series, side);
    if (run.kind === "failed") series.ended = run;
    else if (run.kind === "timeout") series.ended = timedOut(series, side);
    else times[side] = run.ms;
    if (series.ended) return;
  }
  series.base.push(times.base ?? Number.NaN);
  series.candidate.push(times.candidate ?? Number.NaN);
}

const SIDES = ["base", "candidate"] as const;
type Side = (typeof SIDES)[number];

/** The median of a few runs, so that one hiccup does not decide about a short statement. */
async function takeTurn(stand: VerifyStand, series: Series, side: Side): Promise<VerifyRun> {
  const { comparison, baseRuns, candidateRuns, baseLimitMs, candidateLimitMs } = series;
  const times: number[] = [];
  for (let count = side === "base" ? baseRuns : candidateRuns; count > 0; count -= 1) {
    const run = await stand.run(
      comparison.statement,
      comparison[side],
      side === "base" ? baseLimitMs : candidateLimitMs,
    );
    if (run.kind !== "ran") return run;
    times.push(Math.max(run.ms, RESOLUTION_MS));
  }
  return { kind: "ran", ms: median(times) };
}

/** In the middle of the repetitions: the warm-up was within the limit. */
function timedOut(series: Series, side: Side): Outcome {
  const otherSide = side === "base" ? "candidate" : "base";
  const other = series[otherSide];
  return {
    kind: "timeout",
    who: side,
    limitMs: side === "base" ? series.baseLimitMs : series.candidateLimitMs,
    otherMs: other.length === 0 ? series.warmMs[otherSide] : median(other),
  };
}

function measured(series: Series, confidence: number): Outcome {
  const logs = series.base.map((base, pair) =>
    Math.log((series.candidate[pair] ?? Number.NaN) / base),
  );
  const times = { withoutMs: median(series.base), withMs: median(series.candidate) };
  return outcomeOf(logs, times, confidence);
}

/** The pairs of two measurements of the same comparison together; anything else is as the later one says. */
export function pooled(earlier: Outcome, later: Outcome, confidence: number): Outcome {
  if (earlier.kind !== "measured" || later.kind !== "measured") return later;
  return outcomeOf([...earlier.logs, ...later.logs], later.factor, confidence);
}

function outcomeOf(
  logs: readonly number[],
  { withoutMs, withMs }: Pick<MeasuredFactor, "withoutMs" | "withMs">,
  confidence: number,
): Outcome {
  const { mean, standardError } = momentsOf(logs);
  const half = fixedMargin(logs.length, confidence).standardErrors * standardError;
  const factor = {
    factor: Math.exp(mean),
    low: Math.exp(mean - half),
    high: Math.exp(mean + half),
    withoutMs,
    withMs,
  };
  return { kind: "measured", logs, factor };
}
