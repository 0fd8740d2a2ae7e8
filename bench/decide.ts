/** How often trials decide rightly, by known truth: false keeps, power, coverage of the interval, pairs used; and what naive rules do. */
import type { Effect } from "../src/core/trial.ts";
import type { Rule } from "../src/decide/judge.ts";
import { median } from "simple-statistics";
import { createNoise, type NoiseSettings } from "../test/noise.ts";
import { simulatedTrial } from "../test/simulated-trial.ts";
import type { Acceptance, BenchOptions, BenchResult } from "./run.ts";

const METRIC = "api.latencyP95Ms";
const INCUMBENT_MS = 100;
const SEEDS = 2_000;
const SEEDS_TINY = 200;

/** The noise of the acceptance numbers: 5 % from window to window, on a machine that drifts by 5 % and gets 0.4 % slower a window. */
const drifting: NoiseSettings = {
  cv: 0.05,
  drift: { correlation: 0.8, sd: 0.05 },
  trendPerWindow: 0.004,
};

interface Scenario {
  readonly name: string;
  readonly noise: NoiseSettings;
  readonly pairsMax: number;
  /** True speed-ups: 0.1 answers 1.1 times as fast. */
  readonly gains: readonly number[];
}

const scenarios: readonly Scenario[] = [
  {
    name: "drift",
    noise: drifting,
    pairsMax: 30,
    gains: [-0.05, 0, 0.03, 0.05, 0.1, 0.2],
  },
  { name: "drift, 15 pairs", noise: drifting, pairsMax: 15, gains: [-0.05, 0, 0.05, 0.1, 0.2] },
  { name: "drift, 10 pairs", noise: drifting, pairsMax: 10, gains: [-0.05, 0, 0.05, 0.1, 0.2] },
  {
    name: "drift, outliers",
    noise: { ...drifting, outliers: { share: 0.05, low: 0.05, high: 0.25 } },
    pairsMax: 30,
    gains: [-0.05, 0, 0.1],
  },
  {
    name: "drift, processes 1.5 %",
    noise: { ...drifting, processSd: 0.015 },
    pairsMax: 30,
    gains: [-0.05, 0, 0.1],
  },
  {
    name: "drift, noise 10 %",
    noise: { ...drifting, cv: 0.1 },
    pairsMax: 30,
    gains: [-0.05, 0, 0.1],
  },
];

export function run({ tiny }: BenchOptions): Promise<BenchResult> {
  const seeds = tiny ? SEEDS_TINY : SEEDS;
  const cells = scenarios.flatMap((scenario) =>
    scenario.gains.map((gain) => measure(scenario, gain, seeds)),
  );
  return Promise.resolve({
    title: `decide: ${seeds} seeds a row, minimum effect 3 %; "covers" is how often the printed interval holds the truth`,
    head: [
      "noise",
      "truth",
      "kept",
      "discarded",
      "inconclusive",
      "pairs",
      "covers",
      "covers if kept",
      "1 before, 1 after",
      "3 + 3, > 5 %",
    ],
    rows: cells.map(rowOf),
    acceptance: acceptanceOf(cells),
  });
}

/** One row: shares of `seeds`, between 0 and 1. */
interface Cell {
  readonly scenario: string;
  readonly gain: number;
  readonly kept: number;
  readonly discarded: number;
  readonly inconclusive: number;
  readonly pairsMean: number;
  readonly covered: number;
  readonly keptCovered: number;
  readonly controlSingle: number;
  readonly controlMedians: number;
}

function measure(scenario: Scenario, gain: number, seeds: number): Cell {
  const ratio = 1 / (1 + gain);
  const rule: Rule = {
    objective: METRIC,
    minEffect: 0.03,
    constraints: [],
    pairsMax: scenario.pairsMax,
    watch: [],
  };
  const truth = {
    incumbent: { [METRIC]: INCUMBENT_MS },
    candidate: { [METRIC]: INCUMBENT_MS * ratio },
  };
  const counts = { keep: 0, discard: 0, inconclusive: 0 };
  let pairsSum = 0;
  let covered = 0;
  let keptCovered = 0;
  let single = 0;
  let medians = 0;
  for (let seed = 1; seed <= seeds; seed += 1) {
    const { judgement, pairs } = simulatedTrial({ truth, noise: scenario.noise, seed, rule });
    const { verdict, effect } = judgement.decision;
    const covers = effect !== undefined && holds(effect, ratio);
    counts[verdict] += 1;
    pairsSum += pairs.length;
    covered += Number(covers);
    keptCovered += Number(covers && verdict === "keep");
    single += Number(beforeThenAfter(scenario.noise, seed, ratio, 1) < 1);
    medians += Number(beforeThenAfter(scenario.noise, seed, ratio, 3) < 0.95);
  }
  return {
    scenario: scenario.name,
    gain,
    kept: counts.keep / seeds,
    discarded: counts.discard / seeds,
    inconclusive: counts.inconclusive / seeds,
    pairsMean: pairsSum / seeds,
    covered: covered / seeds,
    keptCovered: keptCovered / counts.keep,
    controlSingle: single / seeds,
    controlMedians: medians / seeds,
  };
}

function holds(effect: Effect, truth: number): boolean {
  return effect.low <= truth && truth <= effect.high;
}

/** The negative control: all windows of the incumbent, then all of the candidate; the ratio of the medians. */
function beforeThenAfter(
  noise: NoiseSettings,
  seed: number,
  ratio: number,
  windows: number,
): number {
  const source = createNoise(noise, seed);
  const medianAt = (truth: number) => {
    const offset = source.startProcess();
    return median(
      Array.from(
        { length: windows },
        () => source.window({ [METRIC]: truth }, offset)[METRIC] ?? Number.NaN,
      ),
    );
  };
  const before = medianAt(INCUMBENT_MS);
  return medianAt(INCUMBENT_MS * ratio) / before;
}

function rowOf(cell: Cell): readonly string[] {
  return [
    cell.scenario,
    truthInWords(cell.gain),
    percent(cell.kept),
    percent(cell.discarded),
    percent(cell.inconclusive),
    cell.pairsMean.toFixed(1),
    percent(cell.covered),
    // Whatever is kept with no true gain was kept by mistake, and its interval cannot hold the truth.
    cell.gain > 0 && cell.kept > 0 ? percent(cell.keptCovered) : "-",
    percent(cell.controlSingle),
    percent(cell.controlMedians),
  ];
}

function acceptanceOf(cells: readonly Cell[]): readonly Acceptance[] {
  const promised = cells.filter(({ scenario }) => scenario === "drift");
  const at = (gain: number) => {
    const cell = promised.find((each) => each.gain === gain);
    if (!cell) throw new Error(`no row for ${gain}`);
    return cell;
  };
  const worst = (gain: number) =>
    Math.max(...cells.filter((each) => each.gain === gain).map(({ kept }) => kept));
  return [
    atMost("a change that does nothing is kept", at(0).kept, 0.05),
    atMost("the same, the worst of all noises", worst(0), 0.05),
    atLeast("a change that is 10 % faster is kept within 30 pairs", at(0.1).kept, 0.85),
    atMost("a change that is 5 % slower is kept", at(-0.05).kept, 0.01),
    atMost("the same, the worst of all noises", worst(-0.05), 0.01),
    atLeast(
      "the interval covers the truth, the worst row",
      Math.min(...cells.map(({ covered }) => covered)),
      0.93,
    ),
    atLeast(
      "the interval of a kept change covers the truth, 10 % faster",
      at(0.1).keptCovered,
      0.93,
    ),
    atLeast(
      "negative control: one run before, one after keeps what does nothing",
      at(0).controlSingle,
      0.2,
    ),
  ];
}

function atMost(what: string, value: number, limit: number): Acceptance {
  return { what, value: percent(value), goal: `at most ${percent(limit)}`, ok: value <= limit };
}

function atLeast(what: string, value: number, limit: number): Acceptance {
  return { what, value: percent(value), goal: `at least ${percent(limit)}`, ok: value >= limit };
}

function truthInWords(gain: number): string {
  if (gain === 0) return "nothing";
  return `${Math.abs(gain * 100).toFixed(0)} % ${gain > 0 ? "faster" : "slower"}`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
