/** Gate runs on simulated windows, values only: the noise of three kinds of machine, and a trial with its confirmation. */
import {
  testConfirmation,
  testGate,
  type Series,
  type Standings,
} from "../src/decide/gate-test.ts";
import { PROCESS_SD, type Observation } from "../src/decide/generations.ts";
import { randomFrom } from "./noise.ts";

export type Random = ReturnType<typeof randomFrom>;

/** Standard deviations of logarithms, from research on public CI series and on Java benchmarks. */
export interface Level {
  readonly name: string;
  /** From window to window, of everything that a client sees. */
  readonly runSd: number;
  /** AR(1) from window to window with correlation 0.8. */
  readonly driftSd: number;
  /** A share of windows is slower by between `low` and `high`. */
  readonly outliers: { readonly share: number; readonly low: number; readonly high: number };
  /** From window to window, of the CPU time alone. */
  readonly cpuSd: number;
  /** Between two CI jobs: what a stored baseline is compared across. */
  readonly jobSd: number;
}

export const levels: readonly Level[] = [
  {
    name: "quiet",
    runSd: 0.01,
    driftSd: 0.01,
    outliers: { share: 0.01, low: 0.05, high: 0.15 },
    cpuSd: 0.01,
    jobSd: 0.02,
  },
  {
    name: "typical CI",
    runSd: 0.03,
    driftSd: 0.05,
    outliers: { share: 0.05, low: 0.05, high: 0.25 },
    cpuSd: 0.02,
    jobSd: 0.08,
  },
  {
    name: "noisy",
    runSd: 0.06,
    driftSd: 0.1,
    outliers: { share: 0.1, low: 0.1, high: 0.5 },
    cpuSd: 0.03,
    jobSd: 0.15,
  },
];

const DRIFT_CORRELATION = 0.8;
/** CPU time a request feels a busy machine too, through caches and clock rates, but less than response times do. */
const CPU_SHARE_OF_SLOWNESS = 0.3;
/** Of the logarithm of a quantile of 3,000 requests: p50 and p95. */
const SAMPLING_SD = { p50: 0.012, p95: 0.054 };

/** True slow-downs of the head, as shares: 0.1 takes 1.1 times as long. */
export interface Truth {
  readonly cpu: number;
  readonly p50: number;
  readonly p95: number;
}

/** One window, as natural logarithms beside its truth. */
type Window = Readonly<Record<keyof Truth, number>>;

const METRICS = ["cpu", "p50", "p95"] as const satisfies readonly (keyof Truth)[];
const NO_CHANGE: Truth = { cpu: 0, p50: 0, p95: 0 };

/** Windows without end; `process` is what the process that answers has of its own. */
export function createWindows(level: Level, random: Random): (process: Window) => Window {
  let drift = level.driftSd * random.normal();
  const innovation = level.driftSd * Math.sqrt(1 - DRIFT_CORRELATION ** 2);
  return (process) => {
    drift = DRIFT_CORRELATION * drift + innovation * random.normal();
    const { share, low, high } = level.outliers;
    const isOutlier = random.uniform() < share;
    const jump = low + (high - low) * random.uniform();
    const slowness = drift + (isOutlier ? Math.log1p(jump) : 0);
    const seen = slowness + level.runSd * random.normal();
    return {
      cpu: process.cpu + CPU_SHARE_OF_SLOWNESS * slowness + level.cpuSd * random.normal(),
      p50: process.p50 + seen + SAMPLING_SD.p50 * random.normal(),
      p95: process.p95 + seen + SAMPLING_SD.p95 * random.normal(),
    };
  };
}

/** A freshly started process: half of what it has of its own is in all metrics, half in each by itself. */
export function startProcess(sd: number, random: Random, truth: Truth = NO_CHANGE): Window {
  const half = sd * Math.SQRT1_2;
  const common = half * random.normal();
  const own = (metric: keyof Truth) => Math.log1p(truth[metric]) + common + half * random.normal();
  return { cpu: own("cpu"), p50: own("p50"), p95: own("p95") };
}

export interface GateSimulation {
  readonly level: Level;
  readonly truth: Truth;
  readonly pairsMax: number;
  readonly processSd: number;
  readonly restartEveryPairs: number;
  readonly margins: Truth;
  readonly minEffect: number;
  /** Control: pairs of the same processes taken as independent. */
  readonly naiveErrors?: boolean;
}

export interface SimulatedGate {
  /** Of the trial alone. */
  readonly trial: "pass" | "fail" | "inconclusive";
  /** With the confirmation. */
  readonly verdict: "pass" | "fail" | "inconclusive";
  readonly trialPairs: number;
  readonly confirmationPairs: number;
}

/** The losses of a block of pairs, one list a metric. */
export function simulatedPairs(
  { level, truth, pairsMax, processSd, restartEveryPairs }: GateSimulation,
  random: Random,
): readonly (readonly Observation[])[] {
  const window = createWindows(level, random);
  const losses: Observation[][] = METRICS.map(() => []);
  let base = startProcess(processSd, random);
  let head = startProcess(processSd, random, truth);
  for (let pair = 0; pair < pairsMax; pair += 1) {
    if (pair > 0 && pair % restartEveryPairs === 0) {
      base = startProcess(processSd, random);
      head = startProcess(processSd, random, truth);
    }
    const headFirst = random.uniform() < 0.5;
    const first = window(headFirst ? head : base);
    const second = window(headFirst ? base : head);
    const generation = Math.floor(pair / restartEveryPairs);
    for (const [at, metric] of METRICS.entries()) {
      const change = second[metric] - first[metric];
      losses[at]?.push({ pair, generation, loss: headFirst ? -change : change });
    }
  }
  return losses;
}

export function simulatedGate(simulation: GateSimulation, random: Random): SimulatedGate {
  const { pairsMax } = simulation;
  const progress = { pairsMax, measured: pairsMax, ended: false };
  const trial = testGate(seriesFrom(simulation, simulatedPairs(simulation, random)), progress);
  const failed = METRICS.filter((_, at) => trial.of[at]?.kind === "fail");
  const verdict =
    failed.length > 0
      ? "fail"
      : trial.of.every(({ kind }) => kind === "pass")
        ? "pass"
        : "inconclusive";
  const found = { trial: verdict, trialPairs: pairsOf(trial) } as const;
  if (verdict !== "fail") return { ...found, verdict, confirmationPairs: 0 };
  const series = seriesFrom(simulation, simulatedPairs(simulation, random));
  const again = series.filter((_, at) => trial.of[at]?.kind === "fail");
  const confirmation = testConfirmation(again, progress);
  return {
    ...found,
    verdict: confirmation.of.some(({ kind }) => kind === "fail") ? "fail" : "inconclusive",
    confirmationPairs: pairsOf(confirmation),
  };
}

function seriesFrom(
  { margins, minEffect, naiveErrors }: GateSimulation,
  losses: readonly (readonly Observation[])[],
): readonly Series[] {
  return METRICS.map((metric, at) => {
    const observed = losses[at] ?? [];
    return {
      observed: naiveErrors
        ? observed.map((each) => ({ ...each, generation: each.pair }))
        : observed,
      leastLoss: Math.log1p(minEffect),
      marginLoss: Math.log1p(margins[metric]),
      processSd: PROCESS_SD,
    };
  });
}

/** All metrics report every pair, so the trial ended at the last look of the one that was open longest. */
function pairsOf({ of }: Standings): number {
  return Math.max(...of.map(({ moments }) => moments?.count ?? 0));
}
