/** What other gates do, as negative controls: fixed thresholds, requests taken as replicates, and looking until it pleases. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { normalTail, studentQuantile } from "../src/decide/distribution.ts";
import {
  createWindows,
  simulatedPairs,
  startProcess,
  type GateSimulation,
  type Random,
} from "./simulated-gate.ts";

export type Control = (simulation: GateSimulation, random: Random) => boolean;

/** p95 of one run against that of another job's, as a stored baseline is used. */
export function storedThreshold(threshold: number): Control {
  return ({ level, truth, processSd }, random) => {
    const run = (job: number, slower: typeof truth) =>
      job + createWindows(level, random)(startProcess(processSd, random, slower)).p95;
    const base = run(level.jobSd * random.normal(), { cpu: 0, p50: 0, p95: 0 });
    const head = run(level.jobSd * random.normal(), truth);
    return head - base > Math.log1p(threshold);
  };
}

/** p95 of one run against another right after it on the same machine. */
export function freshThreshold(threshold: number): Control {
  return (simulation, random) => {
    const [, , p95] = simulatedPairs({ ...simulation, pairsMax: 1 }, random);
    return (p95?.[0]?.loss ?? 0) > Math.log1p(threshold);
  };
}

/** A t test at 1 % after every pair, on every metric, until one of them shows a regression. */
export const peeking: Control = (simulation, random) =>
  simulatedPairs(simulation, random).some((observed) => {
    let sum = 0;
    let squares = 0;
    return observed.some(({ loss }, index) => {
      const count = index + 1;
      sum += loss;
      squares += loss ** 2;
      if (count < PEEK_FROM) return false;
      const variance = (squares - sum ** 2 / count) / (count - 1);
      return sum / Math.sqrt(count * variance) > tAt(count);
    });
  });

const PEEK_FROM = 3;
const PEEK_LEVEL = 0.01;
const quantiles = new Map<number, number>();

function tAt(count: number): number {
  const known = quantiles.get(count) ?? studentQuantile(PEEK_LEVEL, count - 1);
  quantiles.set(count, known);
  return known;
}

/** Interleaved windows as the gate has them, but all requests of a side in one heap, and a one-sided Mann-Whitney test at 1 %. */
export function pooledRequests(pairs: number, requests: number): Control {
  return ({ level, truth, processSd }, random) => {
    const window = createWindows(level, random);
    const base = startProcess(processSd, random);
    const head = startProcess(processSd, random, truth);
    const times = { base: [] as number[], head: [] as number[] };
    for (let pair = 0; pair < pairs; pair += 1) {
      for (const side of random.uniform() < 0.5 ? SIDES : SIDES.toReversed()) {
        const slowness = window(side === "base" ? base : head).p50;
        for (let each = 0; each < requests; each += 1) {
          times[side].push(slowness + requestTime(random));
        }
      }
    }
    return mannWhitneyP(times.base, times.head) < PEEK_LEVEL;
  };
}

const SIDES = ["base", "head"] as const;

/** Logarithm of a response time: log-normal, 8 % in a slow mode, 2 % in a Pareto tail. */
function requestTime(random: Random): number {
  const body = 0.45 * random.normal();
  const mode = random.uniform();
  if (mode < 0.08) return body + Math.log(3.2);
  return mode < 0.1 ? body - Math.log(1 - random.uniform()) / 2 : body;
}

/** One-sided: how likely the head's values are this much above the base's by chance, if requests were independent. */
export function mannWhitneyP(base: readonly number[], head: readonly number[]): number {
  const sorted = Float64Array.from(base).toSorted();
  let below = 0;
  let wins = 0;
  for (const value of Float64Array.from(head).toSorted()) {
    while (below < sorted.length && (sorted[below] ?? Infinity) < value) below += 1;
    wins += below;
  }
  const pairs = base.length * head.length;
  const sd = Math.sqrt((pairs * (base.length + head.length + 1)) / 12);
  return normalTail((wins - pairs / 2) / sd);
}

export interface CiSeries {
  readonly name: string;
  readonly adjacent: number;
  /** Share of adjacent points of one benchmark where the later is more than 10 % slower. */
  readonly slower: number;
  /** The same, more than 10 % faster. */
  readonly faster: number;
  /** Share of a suite's runs with at least one of them. */
  readonly runs: number;
}

/** What a threshold of 10 % says of the adjacent commits of public projects: `suite,bench,unit,date_ms,commit,value,range`. */
export function ciSeries(directory: string): readonly CiSeries[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith(".csv"))
    .toSorted()
    .map((file) => seriesOf(file, readFileSync(join(directory, file), "utf8")));
}

const THRESHOLD = 1.1;

function seriesOf(file: string, text: string): CiSeries {
  const last = new Map<string, number>();
  const runs = new Map<string, boolean>();
  let adjacent = 0;
  let slower = 0;
  let faster = 0;
  for (const line of text.trim().split("\n").slice(1)) {
    const [suite, bench, unit = "", , commit = "", text] = fieldsOf(line);
    const value = Number(text);
    if (!(value > 0)) continue;
    // Rates are better high, and become times.
    const time = /\/\s*s(?:ec)?$|ops/.test(unit) ? 1 / value : value;
    const key = `${suite}/${bench}`;
    const before = last.get(key);
    last.set(key, time);
    if (before === undefined) continue;
    const isSlower = time / before > THRESHOLD;
    adjacent += 1;
    slower += Number(isSlower);
    faster += Number(before / time > THRESHOLD);
    const run = `${suite}/${commit}`;
    runs.set(run, isSlower || runs.get(run) === true);
  }
  const red = [...runs.values()].filter(Boolean).length;
  return {
    name: file.slice(0, -".csv".length),
    adjacent,
    slower: slower / adjacent,
    faster: faster / adjacent,
    runs: red / runs.size,
  };
}

function fieldsOf(line: string): readonly string[] {
  return [...line.matchAll(/(?:^|,)(?:"([^"]*)"|([^,]*))/g)].map(
    ([, quoted, plain]) => quoted ?? plain ?? "",
  );
}
