/** Pool advice against known truth: the scalability law found again in noisy sweeps, with honest intervals, and a size that is nearly the best. */
import { advisePool } from "../src/advise/concurrency/pool/advise.ts";
import { fitSweep } from "../src/advise/concurrency/pool/fit.ts";
import { uslPeak, uslThroughput, type Usl } from "../src/advise/concurrency/pool/usl.ts";
import {
  drawSweep,
  measurementsOf,
  readOnly,
  simpleUpdate,
} from "../test/advise/concurrency/pool/sweeps.ts";
import type { BenchOptions, BenchResult } from "./run.ts";

const SIZES = [1, 2, 4, 8, 12, 16, 24, 32, 48, 64];
const SEEDS = 200;
const SEEDS_TINY = 20;
/** Of one measurement, as research/tuning.md takes it. */
const NOISE = 0.05;
const FIT_SEED = 42;
/** Of the best of the measured sizes, by the true curve. */
const NEARLY = 0.95;

const FAMILIES: readonly (readonly [name: string, usl: Usl])[] = [
  ["contention and coherency", { lambda: 1_000, sigma: 0.05, kappa: 0.002 }],
  ["a top within the range, flat", { lambda: 1_000, sigma: 0.15, kappa: 0.0005 }],
  ["coherency alone", { lambda: 1_000, sigma: 0.01, kappa: 0.01 }],
  ["strong contention", { lambda: 1_000, sigma: 0.4, kappa: 0.005 }],
  ["a top at the end of the range", { lambda: 1_000, sigma: 0.02, kappa: 0.0002 }],
];

interface Tally {
  readonly name: string;
  readonly rounds: number;
  readonly peak: number;
  readonly covered: number;
  readonly nearly: number;
  readonly trusted: number;
}

export function run({ tiny }: BenchOptions): Promise<BenchResult> {
  const seeds = tiny ? SEEDS_TINY : SEEDS;
  const tallies = FAMILIES.flatMap(([name, usl]) =>
    [1, 2].map((rounds) => tallyOf(name, usl, rounds, seeds)),
  );
  const least = (of: (tally: Tally) => number) => Math.min(...tallies.map(of));
  // A few seeds scatter: the short version only shows that it works.
  const goal = tiny ? 0.7 : 0.9;
  const [read, update] = [peakOf(readOnly), peakOf(simpleUpdate)];
  return Promise.resolve({
    title: `pool: sweeps of ${SIZES.length} sizes with ${NOISE * 100} % noise, ${seeds} seeds a row`,
    head: ["law", "rounds", "N*", "N* in its 95 % interval", "choice nearly best", "trusted"],
    rows: tallies.map(({ name, rounds, peak, covered, nearly, trusted }) => [
      name,
      String(rounds),
      peak.toFixed(1),
      percent(covered),
      percent(nearly),
      percent(trusted),
    ]),
    acceptance: [
      {
        what: "N* in its 95 % interval, worst row",
        value: percent(least(({ covered }) => covered)),
        goal: `at least ${percent(goal)}`,
        ok: least(({ covered }) => covered) >= goal,
      },
      {
        what: `choice reaches ${percent(NEARLY)} of the best size's true throughput, worst row of two rounds`,
        value: percent(
          Math.min(...tallies.filter(({ rounds }) => rounds === 2).map(({ nearly }) => nearly)),
        ),
        goal: `at least ${percent(goal)}`,
        ok: tallies.every(({ rounds, nearly }) => rounds === 1 || nearly >= goal),
      },
      {
        what: "the law is trusted where it holds, worst row",
        value: percent(least(({ trusted }) => trusted)),
        goal: `at least ${percent(goal)}`,
        ok: least(({ trusted }) => trusted) >= goal,
      },
      {
        what: "N* of pgbench, read only",
        value: read.toFixed(1),
        goal: "9.8 +- 0.5",
        ok: Math.abs(read - 9.8) <= 0.5,
      },
      {
        what: "N* of pgbench, simple update",
        value: update.toFixed(1),
        goal: "37 +- 1",
        ok: Math.abs(update - 37) <= 1,
      },
    ],
  });
}

function tallyOf(name: string, usl: Usl, rounds: number, seeds: number): Tally {
  const peak = uslPeak(usl) ?? Infinity;
  const best = Math.max(...SIZES.map((size) => uslThroughput(usl, size)));
  const sizes = Array.from({ length: rounds }, () => SIZES).flat();
  const counts = { covered: 0, nearly: 0, trusted: 0 };
  for (let seed = 1; seed <= seeds; seed += 1) {
    const measurements = measurementsOf(drawSweep(usl, sizes, NOISE, seed));
    const { fit, recommended } = advisePool({
      source: name,
      subject: "pool",
      measurements,
      seed: FIT_SEED,
      caveats: [],
    });
    if (fit.kind !== "fitted") continue;
    const { low = Infinity, high = Infinity } = fit.peakInterval;
    if (low <= peak && peak <= high) counts.covered += 1;
    if (recommended !== undefined && uslThroughput(usl, recommended) >= NEARLY * best)
      counts.nearly += 1;
    if (fit.trusted) counts.trusted += 1;
  }
  return {
    name,
    rounds,
    peak,
    covered: counts.covered / seeds,
    nearly: counts.nearly / seeds,
    trusted: counts.trusted / seeds,
  };
}

function peakOf(sweep: Parameters<typeof fitSweep>[0]): number {
  const fit = fitSweep(sweep, FIT_SEED);
  return fit.kind === "fitted" ? (fit.peak ?? Infinity) : Infinity;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
