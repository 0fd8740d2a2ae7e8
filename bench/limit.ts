/** How well a search finds a limit that is known: coverage of its interval, error, windows; and what searches do that believe every window. */
import { mean, median, quantile } from "simple-statistics";
import { spoilsLatencyOnly, type Sample } from "../src/core/sample.ts";
import { parseSlo, type Slo } from "../src/core/slo.ts";
import { findLimit, type LimitRequest } from "../src/limit/find.ts";
import { limitScenarios, type LimitScenario } from "../test/limit/scenarios.ts";
import type { Acceptance, BenchOptions, BenchResult } from "./run.ts";

const SEEDS = 500;
const SEEDS_TINY = 60;
const PRECISION = 0.05;
const WINDOWS_MAX = 60;

export async function run({ tiny }: BenchOptions): Promise<BenchResult> {
  const seeds = tiny ? SEEDS_TINY : SEEDS;
  const cells: Cell[] = [];
  for (const scenario of limitScenarios) cells.push(await measure(scenario, seeds));
  return {
    title:
      `limit: ${seeds} seeds a row, precision 5 %, at most ${WINDOWS_MAX} windows; "right": the interval holds the true limit.` +
      ` The controls believe every window: the ladder goes up by 5 % until one breaks, the other doubles and then halves`,
    head: [
      "service",
      "right",
      "too high",
      "too low",
      "error, median",
      "width, median",
      "windows",
      "most",
      "ladder: windows",
      "right",
      "halving: windows",
      "right",
    ],
    rows: cells.map(rowOf),
    acceptance: acceptanceOf(cells),
  };
}

/** One row: shares of the seeds, between 0 and 1. */
interface Cell {
  readonly scenario: LimitScenario;
  readonly right: number;
  /** Share of runs in which what was said to hold is above the limit, and by how much in the worst 5 % of all runs. */
  readonly tooHigh: number;
  readonly overshoot: number;
  readonly tooLow: number;
  readonly errorMedian: number;
  readonly widthMedian: number;
  readonly windowsMean: number;
  readonly windowsMost: number;
  /** Of a ladder that is never wrong. */
  readonly stepsMean: number;
  readonly ladder: Control;
  readonly halving: Control;
}

async function measure(scenario: LimitScenario, seeds: number): Promise<Cell> {
  const runs: Run[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) runs.push(await search(scenario, seed));
  const found = runs.filter(({ truth }) => truth !== undefined);
  const share = (is: (run: Run) => boolean) => runs.filter(is).length / seeds;
  return {
    scenario,
    right: share(({ right }) => right),
    tooHigh: share(({ truth, holds }) => truth !== undefined && holds > truth),
    tooLow: share(({ truth, breaks }) => truth !== undefined && breaks < truth),
    overshoot: of(
      found,
      (each) => quantile(each, 0.95),
      ({ truth = 1, holds }) => holds / truth - 1,
    ),
    errorMedian: of(found, median, ({ truth = 1, estimate }) =>
      Math.abs(Math.log(estimate / truth)),
    ),
    widthMedian: of(found, median, ({ holds, breaks }) => breaks / holds - 1),
    windowsMean: of(runs, mean, ({ windows }) => windows),
    windowsMost: Math.max(...runs.map(({ windows }) => windows)),
    stepsMean: of(
      found,
      mean,
      ({ truth = 1 }) => 1 + Math.max(0, Math.log(truth / scenario.from) / Math.log1p(PRECISION)),
    ),
    ladder: await measureControl(scenario, seeds, ladder),
    halving: await measureControl(scenario, seeds, halving),
  };
}

interface Run {
  /** The limit that is nearest to what was found; undefined where there is none. */
  readonly truth: number | undefined;
  readonly right: boolean;
  readonly holds: number;
  readonly breaks: number;
  readonly estimate: number;
  readonly windows: number;
}

async function search(scenario: LimitScenario, seed: number): Promise<Run> {
  const { unit, from, most, slos } = scenario;
  const service = scenario.start(seed);
  let windows = 0;
  const result = await findLimit({
    unit,
    slos: slos.map(sloOf),
    from,
    ...(most === undefined ? {} : { most }),
    precision: PRECISION,
    windowsMax: WINDOWS_MAX,
    measure: (request) => {
      windows += Number(request.window !== "settle");
      return service.measure(request);
    },
    clock: { now: () => 0 },
    signal: new AbortController().signal,
    say: () => undefined,
  });
  const { holds = 0, breaks = Infinity, estimate } = result;
  const truth = nearest(service.limits, estimate);
  const right = scenario.isRight?.(result) ?? isWithin(service.limits, holds, breaks);
  return { truth, right, holds, breaks, estimate, windows };
}

interface Control {
  readonly windowsMean: number;
  readonly right: number;
}

/** The bracket that a search ends with which takes one window of each load, and believes it. */
type ControlSearch = (
  holdsAt: (load: number) => Promise<boolean>,
  from: number,
) => Promise<readonly [number, number]>;

async function measureControl(
  scenario: LimitScenario,
  seeds: number,
  control: ControlSearch,
): Promise<Control> {
  const slos = scenario.slos.map(sloOf);
  let [windows, right] = [0, 0];
  for (let seed = 1; seed <= seeds; seed += 1) {
    const { measure: measureOne, limits } = scenario.start(seed);
    if (limits.length === 0) return { windowsMean: Number.NaN, right: Number.NaN };
    const [holds, breaks] = await control(async (load) => {
      windows += 1;
      const request: LimitRequest = { load, attempt: windows, window: "probe" };
      return isGood(await measureOne(request), slos);
    }, scenario.from);
    right += Number(isWithin(limits, holds, breaks));
  }
  return { windowsMean: windows / seeds, right: right / seeds };
}

function isGood({ load, metrics }: Sample, slos: readonly Slo[]): boolean {
  const keptUp = load.checks.every(({ id, ok }) => ok || spoilsLatencyOnly({ id }));
  return keptUp && slos.every(({ metric, limit }) => (metrics[metric] ?? Infinity) <= limit);
}

const ladder: ControlSearch = async (holdsAt, from) => {
  let load = from;
  while (await holdsAt(load)) load *= 1 + PRECISION;
  return [load === from ? 0 : load / (1 + PRECISION), load];
};

const halving: ControlSearch = async (holdsAt, from) => {
  let high = from;
  while (await holdsAt(high)) high *= 2;
  let low = high === from ? 1 : high / 2;
  while (high / low > 1 + PRECISION) {
    const middle = Math.sqrt(low * high);
    if (await holdsAt(middle)) low = middle;
    else high = middle;
  }
  return [low, high];
};

function rowOf(cell: Cell): readonly string[] {
  return [
    cell.scenario.name,
    percent(cell.right),
    percent(cell.tooHigh),
    percent(cell.tooLow),
    percent(cell.errorMedian),
    percent(cell.widthMedian),
    number(cell.windowsMean),
    String(cell.windowsMost),
    number(cell.ladder.windowsMean),
    percent(cell.ladder.right),
    number(cell.halving.windowsMean),
    percent(cell.halving.right),
  ];
}

function acceptanceOf(cells: readonly Cell[]): readonly Acceptance[] {
  const settled = cells.filter(({ scenario }) => !scenario.slow);
  const compared = settled.filter(({ stepsMean }) => stepsMean > 1);
  const steep = compared.filter(({ scenario }) => scenario.steep);
  const ratio = (cell: Cell) => cell.windowsMean / cell.stepsMean;
  return [
    atLeast(
      "the interval holds the limit, the worst row",
      least(settled, ({ right }) => right),
      0.9,
    ),
    atMost(
      "what is said to hold is above the limit, the worst row",
      greatest(settled, ({ tooHigh }) => tooHigh),
      0.05,
    ),
    atMost(
      "error of the estimate, median, the worst row",
      greatest(settled, ({ errorMedian }) => errorMedian),
      0.06,
    ),
    atMost(
      "the same, steep services",
      greatest(steep, ({ errorMedian }) => errorMedian),
      0.02,
    ),
    atMost(
      "windows against a ladder of the same precision, steep services",
      greatest(steep, ratio),
      0.35,
    ),
    atMost("the same, the worst row", greatest(compared, ratio), 0.8),
    atMost(
      "queues slower than the windows: what is said to hold is above the limit by, in 95 % of runs",
      greatest(
        cells.filter(({ scenario }) => scenario.slow),
        ({ overshoot }) => overshoot,
      ),
      0.08,
    ),
    {
      what: "windows of one search, the most",
      value: String(greatest(cells, ({ windowsMost }) => windowsMost)),
      goal: `at most ${WINDOWS_MAX}`,
      ok: cells.every(({ windowsMost }) => windowsMost <= WINDOWS_MAX),
    },
    atMost(
      "negative control: the ladder's bracket holds the limit, the worst row",
      least(compared, ({ ladder: each }) => each.right),
      0.5,
    ),
    atMost(
      "negative control: the same for halving",
      least(compared, ({ halving: each }) => each.right),
      0.5,
    ),
  ];
}

function least(cells: readonly Cell[], value: (cell: Cell) => number): number {
  return Math.min(...cells.map(value).filter(Number.isFinite));
}

function greatest(cells: readonly Cell[], value: (cell: Cell) => number): number {
  return Math.max(...cells.map(value).filter(Number.isFinite));
}

function of(
  runs: readonly Run[],
  summary: (values: number[]) => number,
  value: (run: Run) => number,
): number {
  return runs.length === 0 ? Number.NaN : summary(runs.map(value));
}

function nearest(limits: readonly number[], estimate: number): number | undefined {
  const away = (limit: number) => Math.abs(Math.log(estimate / limit));
  return limits.toSorted((a, b) => away(a) - away(b))[0];
}

function isWithin(limits: readonly number[], holds: number, breaks: number): boolean {
  return limits.some((limit) => holds <= limit && limit <= breaks);
}

function sloOf(text: string): Slo {
  const slo = parseSlo(text);
  if (typeof slo === "string") throw new Error(slo);
  return slo;
}

function atMost(what: string, value: number, limit: number): Acceptance {
  return { what, value: percent(value), goal: `at most ${percent(limit)}`, ok: value <= limit };
}

function atLeast(what: string, value: number, limit: number): Acceptance {
  return { what, value: percent(value), goal: `at least ${percent(limit)}`, ok: value >= limit };
}

function number(value: number): string {
  return Number.isFinite(value) ? value.toFixed(1) : "-";
}

function percent(share: number): string {
  return Number.isFinite(share) ? `${(share * 100).toFixed(1)} %` : "-";
}
