/** How often the gate decides rightly, by known truth, on three kinds of machine; and what other gates do on the same noise. */
import {
  ciSeries,
  freshThreshold,
  peeking,
  pooledRequests,
  storedThreshold,
  type CiSeries,
  type Control,
} from "../test/gate-controls.ts";
import { randomFrom } from "../test/noise.ts";
import { levels, simulatedGate, type GateSimulation, type Truth } from "../test/simulated-gate.ts";
import type { Acceptance, BenchOptions, BenchResult } from "./run.ts";

/** What a pair and its share of restarts take with windows of 3 s, warm-ups included, and a service that starts in 3 s. */
const PAIR_SECONDS = 9;
const RESTART_SECONDS = 6;
const MARGIN = 0.05;

const defaults = {
  pairsMax: 30,
  processSd: 0.015,
  restartEveryPairs: 1,
  margins: { cpu: MARGIN, p50: MARGIN, p95: MARGIN },
  minEffect: 0.03,
} as const;

const WIDE_P95 = { ...defaults.margins, p95: 0.1 };

interface Case {
  readonly method: string;
  readonly truth: Truth;
  readonly settings?: Partial<GateSimulation>;
  /** A share of the usual number of runs, for what promises nothing. */
  readonly share?: number;
}

const nothing = slower(0);

const gateCases: readonly Case[] = [
  { method: "gate", truth: nothing, share: 2 },
  { method: "gate", truth: slower(0.05) },
  { method: "gate", truth: slower(0.1) },
  { method: "gate", truth: slower(0.2) },
  { method: "gate", truth: { ...nothing, p50: 0.05 } },
  { method: "gate", truth: { ...nothing, p95: 0.1 } },
  { method: "gate", truth: { ...nothing, cpu: 0.1 } },
  { method: "gate, p95 margin 10 %", truth: nothing, settings: { margins: WIDE_P95 } },
  {
    method: "gate, p95 margin 10 %",
    truth: { ...nothing, p95: 0.1 },
    settings: { margins: WIDE_P95 },
  },
];

/** What differs between two starts of a build, and how often there is a new start. */
const processCases: readonly Case[] = [
  ...[0, 0.03].map((processSd) => ({
    method: `gate, processes ${processSd * 100} %`,
    truth: nothing,
    settings: { processSd },
    share: 0.5,
  })),
  ...[2, 3, 5, defaults.pairsMax].flatMap((restartEveryPairs) => {
    const often =
      restartEveryPairs < defaults.pairsMax ? `restart every ${restartEveryPairs}` : "no restart";
    const usual = { truth: nothing, share: 0.5 };
    return [
      { ...usual, method: `gate, ${often}`, settings: { restartEveryPairs } },
      {
        ...usual,
        method: `control: plain t, ${often}`,
        settings: { restartEveryPairs, naiveErrors: true },
      },
    ];
  }),
];

const controls: readonly { method: string; decide: Control; share: number }[] = [
  {
    method: "control: p95 +5 %, 1 run against stored",
    decide: storedThreshold(0.05),
    share: 1,
  },
  {
    method: "control: p95 +10 %, 1 run against stored",
    decide: storedThreshold(0.1),
    share: 1,
  },
  { method: "control: p95 +10 %, 1 pair, same job", decide: freshThreshold(0.1), share: 1 },
  { method: "control: t test p < .01 at every pair", decide: peeking, share: 0.4 },
  {
    method: "control: requests of 10 pairs, Mann-Whitney",
    decide: pooledRequests(10, 500),
    share: 0.06,
  },
];

const RUNS = 5_000;
const RUNS_TINY = 200;

export function run({ tiny, dataDir }: BenchOptions): Promise<BenchResult> {
  const runs = tiny ? RUNS_TINY : RUNS;
  const cells = [...gateCases, ...processCases].flatMap((each, index) =>
    levels.map((level) => measure(each, level, runs, index)),
  );
  const naive = controls.flatMap(({ method, decide, share }) =>
    levels.map((level) => control(method, decide, level, Math.ceil(runs * share))),
  );
  const series = dataDir === undefined ? [] : ciSeries(dataDir);
  return Promise.resolve({
    title: `gate-simulation: ${runs} runs a row (${2 * runs} where nothing changed), CPU, p50 and p95 gated together, at most ${defaults.pairsMax} pairs and as many to confirm`,
    head: [
      "method",
      "noise",
      "truth",
      "FAIL",
      "PASS",
      "inconclusive",
      "FAIL in the trial",
      "pairs",
      "to confirm",
      "minutes",
    ],
    rows: [...cells.map(rowOf), ...naive.map(controlRow), ...series.map(seriesRow)],
    acceptance: [...acceptanceOf(cells), ...controlAcceptance(naive)],
  });
}

function slower(by: number): Truth {
  return { cpu: by, p50: by, p95: by };
}

/** Shares of `runs`, between 0 and 1, but for the pairs, which are means. */
interface Cell {
  readonly method: string;
  readonly noise: string;
  readonly truth: Truth;
  readonly runs: number;
  readonly fail: number;
  readonly pass: number;
  readonly trialFail: number;
  /** Failures whose trial and confirmation took no more pairs than a trial may. */
  readonly failSoon: number;
  readonly pairs: number;
  readonly confirmationPairs: number;
  readonly minutes: number;
}

function measure(
  { method, truth, settings, share = 1 }: Case,
  level: GateSimulation["level"],
  runsUsual: number,
  index: number,
): Cell {
  const runs = Math.ceil(runsUsual * share);
  const simulation: GateSimulation = { ...defaults, level, truth, ...settings };
  const random = randomFrom(1_000 * (index + 1) + levels.indexOf(level));
  const counts = { fail: 0, pass: 0, trialFail: 0, failSoon: 0, pairs: 0, confirmationPairs: 0 };
  for (let each = 0; each < runs; each += 1) {
    const { trial, verdict, trialPairs, confirmationPairs } = simulatedGate(simulation, random);
    counts.fail += Number(verdict === "fail");
    counts.pass += Number(verdict === "pass");
    counts.trialFail += Number(trial === "fail");
    counts.failSoon += Number(
      verdict === "fail" && trialPairs + confirmationPairs <= simulation.pairsMax,
    );
    counts.pairs += trialPairs;
    counts.confirmationPairs += confirmationPairs;
  }
  const pairs = counts.pairs / runs;
  const confirmationPairs = counts.confirmationPairs / runs;
  const secondsPerPair = PAIR_SECONDS + RESTART_SECONDS / simulation.restartEveryPairs;
  return {
    method,
    noise: level.name,
    truth,
    runs,
    fail: counts.fail / runs,
    pass: counts.pass / runs,
    trialFail: counts.trialFail / runs,
    failSoon: counts.failSoon / runs,
    pairs,
    confirmationPairs,
    minutes: ((pairs + confirmationPairs) * secondsPerPair) / 60,
  };
}

interface ControlCell {
  readonly method: string;
  readonly noise: string;
  /** By the changes of `CHANGES`. */
  readonly fails: readonly number[];
}

/** Of everything that is measured. */
const CHANGES = [0, 0.05, 0.1, 0.2];

function control(
  method: string,
  decide: Control,
  level: GateSimulation["level"],
  runs: number,
): ControlCell {
  const random = randomFrom(500 + levels.indexOf(level));
  const fails = CHANGES.map((change) => {
    const simulation: GateSimulation = { ...defaults, level, truth: slower(change) };
    let failed = 0;
    for (let each = 0; each < runs; each += 1) failed += Number(decide(simulation, random));
    return failed / runs;
  });
  return { method, noise: level.name, fails };
}

function rowOf(cell: Cell): readonly string[] {
  return [
    cell.method,
    cell.noise,
    truthInWords(cell.truth),
    percent(cell.fail),
    percent(cell.pass),
    percent(1 - cell.fail - cell.pass),
    percent(cell.trialFail),
    cell.pairs.toFixed(1),
    cell.confirmationPairs.toFixed(1),
    cell.minutes.toFixed(1),
  ];
}

function controlRow({ method, noise, fails }: ControlCell): readonly string[] {
  const truth = `all +${CHANGES.map((change) => change * 100).join(", ")} %`;
  return [method, noise, truth, fails.map(percent).join(", "), ...NOT_SAID];
}

/** Nobody knows how many of these commits changed anything; where as many points got faster, most of it is noise. */
function seriesRow({ name, adjacent, slower: share, faster, runs }: CiSeries): readonly string[] {
  const method = `control: +10 % on the commit before, ${name}`;
  const fails = `${percent(share)} (${percent(faster)} are -10 %); of runs ${percent(runs)}`;
  return [method, `real CI, ${adjacent} points`, "unknown", fails, ...NOT_SAID];
}

const NOT_SAID = ["-", "-", "-", "-", "-", "-"];

function acceptanceOf(cells: readonly Cell[]): readonly Acceptance[] {
  const gate = cells.filter(({ method }) => method === "gate");
  const find = (noise: string, wanted: Truth) => {
    const words = truthInWords(wanted);
    const cell = gate.find((each) => each.noise === noise && truthInWords(each.truth) === words);
    if (!cell) throw new Error(`no row for ${noise} and ${words}`);
    return cell;
  };
  const typical = find("typical CI", slower(0.1));
  const p95 = find("typical CI", { ...nothing, p95: 0.1 });
  const atMargin = gate.filter(({ truth }) => Math.max(...Object.values(truth)) === MARGIN);
  const restarted = cells.filter(({ method }) => /^gate, (?:no )?restart/.test(method));
  return [
    ...levels.flatMap(({ name }) => {
      const { fail, trialFail, runs } = find(name, nothing);
      return [
        falseAlarms(`unchanged code fails, ${name}`, fail, runs),
        falseAlarms(`the same by the trial alone, ${name}`, trialFail, runs),
      ];
    }),
    atLeast("+10 % is caught within 30 pairs, typical CI", typical.trialFail, 0.95),
    atLeast("the same, and confirmed", typical.fail, 0.95),
    atLeast("the same, 30 pairs with the confirmation's", typical.failSoon, 0.95),
    atLeast("+10 % of p95 alone is caught, typical CI", p95.trialFail, 0.9),
    atMost(
      "a regression of the margin passes, the worst row",
      Math.max(...atMargin.map(({ pass }) => pass)),
      0.05,
    ),
    atMost(
      "unchanged code fails in the trial alone, the worst of rarer restarts and none",
      Math.max(...restarted.map(({ trialFail }) => trialFail)),
      0.01,
    ),
  ];
}

function controlAcceptance(cells: readonly ControlCell[]): readonly Acceptance[] {
  const typical = (part: string) =>
    cells.find(({ method, noise }) => method.includes(part) && noise === "typical CI")?.fails[0] ??
    Number.NaN;
  return [
    atLeast(
      "negative control: a stored baseline and +10 % fail unchanged code, typical CI",
      typical("+10 %, 1 run"),
      0.1,
    ),
    atLeast("negative control: looking at every pair, the same", typical("every pair"), 0.03),
    atLeast("negative control: pooled requests, the same", typical("Mann-Whitney"), 0.05),
  ];
}

/** Wilson's interval (JASA 22, 1927), its upper end at 95 %. */
function falseAlarms(what: string, share: number, runs: number): Acceptance {
  const z = 1.96;
  const centre = share + z ** 2 / (2 * runs);
  const half = z * Math.sqrt((share * (1 - share)) / runs + z ** 2 / (4 * runs ** 2));
  const upper = (centre + half) / (1 + z ** 2 / runs);
  return {
    what,
    value: `${hundredths(share)}, 95 % bound ${hundredths(upper)}`,
    goal: "at most 1 %, its bound 1.5 %",
    ok: share <= 0.01 && upper <= 0.015,
  };
}

function atMost(what: string, value: number, limit: number): Acceptance {
  return { what, value: percent(value), goal: `at most ${percent(limit)}`, ok: value <= limit };
}

function atLeast(what: string, value: number, limit: number): Acceptance {
  return { what, value: percent(value), goal: `at least ${percent(limit)}`, ok: value >= limit };
}

function truthInWords({ cpu, p50, p95 }: Truth): string {
  if (cpu === p50 && p50 === p95) return cpu === 0 ? "nothing" : `all ${signed(cpu)}`;
  const parts = Object.entries({ CPU: cpu, p50, p95 }).filter(([, by]) => by !== 0);
  return parts.map(([name, by]) => `${name} ${signed(by)}`).join(", ");
}

function signed(by: number): string {
  return `+${(by * 100).toFixed(0)} %`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function hundredths(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
