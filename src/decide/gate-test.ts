/** The gate's test on numbers alone: several metrics, each looked at by its own pairs, with one error level for all of them. */
import { HOPE_LEAST, hopeOf } from "./curtail.ts";
import {
  boundsFor,
  CONFIRM_TOTAL,
  FAIL_TOTAL,
  lastBound,
  PAIRS_LEAST,
  PASS_TOTAL,
} from "./gate-bounds.ts";
import { clusteredMoments, type Observation } from "./generations.ts";
import { exceeds, type Moments } from "./moments.ts";

/** One metric: its usable pairs in order, and its distances on the scale of the losses. */
export interface Series {
  readonly observed: readonly Observation[];
  readonly leastLoss: number;
  readonly marginLoss: number;
  readonly processSd: number;
}

export interface Progress {
  readonly pairsMax: number;
  /** Pairs measured so far, usable or not. */
  readonly measured: number;
  /** No more pairs can be measured: metrics without a verdict get a last look at what there is. */
  readonly ended: boolean;
}

/** Where one metric stands, as of its last look. */
export interface Standing {
  readonly kind: "open" | "pass" | "fail" | "inconclusive" | "unusable";
  /** At its verdict, or at its last look so far; absent before the first. */
  readonly moments?: Moments;
  /** Half of the printed interval, in standard errors. */
  readonly intervalErrors: number;
  /** The pairs that are left can hardly lead to a verdict. */
  readonly hopeless: boolean;
  /** How many metrics shared the level when this one was proven worse; absent when it was not. */
  readonly provenAmong?: number;
}

export interface Standings {
  readonly of: readonly Standing[];
  /** The trial is over, by a verdict on every metric, a failure, or for want of hope. */
  readonly over: boolean;
  /** Least number of further pairs until a metric without a verdict is looked at. */
  readonly pairsNext: number;
}

/**
 * Replays the trial look by look, so that equal pairs always give equal verdicts, and nothing is decided between looks.
 * FAIL: Holm's procedure in a group-sequential design (Ye, Li, Liu and Yao, Statistics in Medicine 32, 2013; Maurer and
 * Bretz, Statistics in Biopharmaceutical Research 5, 2013): each metric is tested at its share of the level, with bounds spent
 * over its own looks; the share of a metric that is proven worse passes on to the others. PASS needs no correction: the gate
 * passes only when every metric does. A pass is final; one failure ends the trial.
 */
export function testGate(series: readonly Series[], progress: Progress): Standings {
  return replay(series, progress, (looks, standings) => {
    const unproven = () => looks.filter(({ at }) => standings[at]?.provenAmong === undefined);
    let sharing = standings.filter(({ provenAmong }) => provenAmong === undefined).length;
    for (;;) {
      const proven = unproven().find((look) => isWorse(look, FAIL_TOTAL / sharing));
      if (!proven) break;
      standings[proven.at] = { ...standingAt(proven), provenAmong: sharing };
      sharing -= 1;
    }
    for (const look of looks) {
      const among = standings[look.at]?.provenAmong;
      standings[look.at] = {
        ...gateStanding(look, FAIL_TOTAL / (among ?? sharing)),
        ...(among === undefined ? {} : { provenAmong: among }),
      };
    }
  });
}

/** The fresh block: metrics that would fail have to be worse again, by no less than the least effect. One that is ends the block. */
export function testConfirmation(series: readonly Series[], progress: Progress): Standings {
  return replay(series, progress, (looks, standings) => {
    for (const look of looks) {
      const standing = standingAt(look);
      standings[look.at] = isRegression(look, CONFIRM_TOTAL)
        ? { ...standing, kind: "fail" }
        : { ...standing, hopeless: hopeOfWorse(look, CONFIRM_TOTAL) < HOPE_LEAST };
    }
  });
}

function gateStanding(look: LookNow, level: number): Standing {
  const { series, moments } = look;
  const standing = standingAt(look);
  if (isRegression(look, level)) return { ...standing, kind: "fail" };
  if (exceeds(series.marginLoss - moments.mean, moments, standing.intervalErrors)) {
    return { ...standing, kind: "pass" };
  }
  const hope = Math.max(hopeOfWorse(look, level), hopeOfPass(look));
  return { ...standing, hopeless: hope < HOPE_LEAST };
}

/** One metric at one of its looks. */
interface LookNow {
  /** Its place among the series. */
  readonly at: number;
  readonly series: Series;
  readonly moments: Moments;
  readonly pairsMax: number;
  /** Its last look is after so many of its pairs. */
  readonly closesAt: number;
}

type JudgeLooks = (looks: readonly LookNow[], standings: Standing[]) => void;

function replay(series: readonly Series[], progress: Progress, judgeLooks: JudgeLooks): Standings {
  const standings: Standing[] = series.map((each) => ({
    kind: isUnusable(each, progress) ? "unusable" : "open",
    intervalErrors: Infinity,
    hopeless: false,
  }));
  const isOpen = (at: number) => standings[at]?.kind === "open";
  const isOver = () =>
    standings.some(({ kind }) => kind === "fail") ||
    standings.every(({ kind, hopeless }) => kind !== "open" || hopeless);
  for (const looks of looksInOrder(series, progress)) {
    if (isOver()) break;
    const now = looks.filter(({ at }) => isOpen(at)).map(({ measure }) => measure());
    judgeLooks(now, standings);
    for (const { at, moments, closesAt } of now) {
      const standing = standings[at];
      if (standing?.kind === "open" && moments.count === closesAt) {
        standings[at] = { ...standing, kind: "inconclusive" };
      }
    }
  }
  const over = progress.ended || isOver();
  const waits = series
    .filter((_, at) => isOpen(at))
    .map(({ observed }) => nextLook(observed.length, progress.pairsMax) - observed.length);
  return { of: standings, over, pairsNext: over ? 0 : Math.min(...waits) };
}

/** A metric that not one of so many pairs could report is not waited for any longer. */
const UNUSABLE_PAIRS = 10;

function isUnusable({ observed }: Series, { pairsMax, measured, ended }: Progress): boolean {
  if (ended) return observed.length < Math.min(PAIRS_LEAST, pairsMax);
  return measured >= UNUSABLE_PAIRS && observed.length === 0;
}

interface PlannedLook {
  readonly at: number;
  readonly measure: () => LookNow;
}

/** The looks of all metrics in the order in which they were due, those due at the same pair together. */
function looksInOrder(series: readonly Series[], { pairsMax, measured, ended }: Progress) {
  const byPair = new Map<number, PlannedLook[]>();
  for (const [at, each] of series.entries()) {
    const { observed, processSd } = each;
    const closesAt = ended ? Math.min(observed.length, pairsMax) : pairsMax;
    if (closesAt < 2) continue;
    for (const { pairs } of boundsFor(PASS_TOTAL, pairsMax, closesAt)) {
      const closesEarly = pairs === closesAt && closesAt < pairsMax;
      const pair = closesEarly ? measured - 1 : observed[pairs - 1]?.pair;
      if (pair === undefined) break;
      const measure = () => {
        const moments = clusteredMoments(observed.slice(0, pairs), processSd);
        return { at, series: each, moments, pairsMax, closesAt };
      };
      byPair.set(pair, [...(byPair.get(pair) ?? []), { at, measure }]);
    }
  }
  return [...byPair].toSorted(([left], [right]) => left - right).map(([, looks]) => looks);
}

function nextLook(pairs: number, pairsMax: number): number {
  return boundsFor(PASS_TOTAL, pairsMax).find((each) => each.pairs > pairs)?.pairs ?? pairs;
}

function standingAt(look: LookNow): Standing {
  const { moments } = look;
  return { kind: "open", moments, intervalErrors: errorsAt(look, PASS_TOTAL), hopeless: false };
}

function isRegression(look: LookNow, level: number): boolean {
  return isWorse(look, level) && look.moments.mean >= look.series.leastLoss;
}

function isWorse(look: LookNow, level: number): boolean {
  return exceeds(look.moments.mean, look.moments, errorsAt(look, level));
}

function errorsAt({ moments, pairsMax, closesAt }: LookNow, total: number): number {
  const bounds = boundsFor(total, pairsMax, closesAt);
  return bounds.find(({ pairs }) => pairs === moments.count)?.errors ?? Infinity;
}

function hopeOfWorse({ moments, pairsMax }: LookNow, level: number): number {
  return hopeOf(moments, { pairs: pairsMax, efficacyT: lastBound(level, pairsMax).errors });
}

function hopeOfPass({ moments, series, pairsMax }: LookNow): number {
  const below = { ...moments, mean: series.marginLoss - moments.mean };
  return hopeOf(below, { pairs: pairsMax, efficacyT: lastBound(PASS_TOTAL, pairsMax).errors });
}
