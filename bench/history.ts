/** Change points of histories: against MongoDB's expectations, against known truth, on noise that has none, and on public CI series. */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse as parseCsv } from "csv-parse/sync";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { changePoints } from "../src/decide/change-points.ts";
import type { Acceptance, BenchOptions, BenchResult } from "./run.ts";

const DATA = resolve(import.meta.dirname, "../../shared/data");
const SERIES = 1_000;
const SERIES_TINY = 30;

type Row = readonly [what: string, perfopt: string, plain: string, note: string];

interface Part {
  readonly rows: readonly Row[];
  readonly acceptance: readonly Acceptance[];
}

export function run({ tiny, dataDir }: BenchOptions): Promise<BenchResult> {
  const folder = join(dataDir ?? DATA, "gate");
  const series = tiny ? SERIES_TINY : SERIES;
  const parts = [
    falseAlarms(series, tiny ? [30, 100] : [30, 100, 300]),
    power(series),
    ...(tiny ? [] : [speed()]),
    ...(existsSync(folder)
      ? [published(folder), ...(tiny ? [] : [publicSeries(folder)])]
      : [noData()]),
  ];
  return Promise.resolve({
    title: `history: change points, ${series} series a row; "plain" is E-divisive as published, without windows and correlation`,
    head: ["series", "perfopt", "plain", "note"],
    rows: parts.flatMap(({ rows }) => rows),
    acceptance: parts.flatMap(({ acceptance }) => acceptance),
  });
}

function noData(): Part {
  const row: Row = ["MongoDB's and public CI series", "left out", "", "no data; give --data DIR"];
  return { rows: [row], acceptance: [] };
}

/** Series without a change: how many show one. */
function falseAlarms(count: number, lengths: readonly number[]): Part {
  const cases = [...GOALS].flatMap(([correlation, goal]) =>
    lengths.map((length) => ({ correlation, goal, length })),
  );
  const rows: Row[] = [];
  const acceptance: Acceptance[] = [];
  for (const { correlation, goal, length } of cases) {
    const what = `${length} values, neighbours correlated by ${correlation}: false alarms`;
    const alarms = shareOf(count, (seed) => found(noise(seed, length, correlation)).length > 0);
    const plain = shareOf(
      plainCount(count, length),
      (seed) => plainPoints(noise(seed, length, correlation), seed).length > 0,
    );
    rows.push([what, percent(alarms), percent(plain), ""]);
    const most = goal + chance(goal, count);
    const ok = alarms <= most;
    acceptance.push({ what, value: percent(alarms), goal: `<= ${percent(most)}`, ok });
  }
  return { rows, acceptance };
}

/** The plain procedure takes n² steps a permutation: fewer series are enough to see what it does. */
function plainCount(count: number, length: number): number {
  return Math.max(1, Math.round(count * Math.min(0.2, 2_000 / length ** 2)));
}

/** What a share of few series may be off its true value by: three standard errors. With the whole number the goal is held as it is. */
function chance(share: number, count: number): number {
  return count >= SERIES ? 0 : 3 * Math.sqrt((share * (1 - share)) / count);
}

/** By correlation. Where neighbours depend on each other a level is a matter of opinion; the plain test sees changes everywhere. */
const GOALS: ReadonlyMap<number, number> = new Map([
  [0, 0.025],
  [0.3, 0.06],
  [0.5, 0.08],
  [0.8, 0.12],
]);

/** Known changes, in standard deviations of the noise: how often each is found where it is. */
function power(count: number): Part {
  const cases = [
    { what: "step of 2 sd, 30 + 20 values", length: 50, from: 30, to: 50, size: 2, goal: 0.85 },
    { what: "step of 3 sd, 30 + 20 values", length: 50, from: 30, to: 50, size: 3, goal: 0.97 },
    { what: "step of 3 sd, 50 + 5 values", length: 55, from: 50, to: 55, size: 3, goal: 0.85 },
    {
      what: "10 of 200 values, 3 sd, and back",
      length: 200,
      from: 95,
      to: 105,
      size: 3,
      goal: 0.9,
    },
    {
      what: "15 of 200 values, 2 sd, and back",
      length: 200,
      from: 95,
      to: 110,
      size: 2,
      goal: 0.7,
    },
  ];
  const rows: Row[] = [];
  const acceptance: Acceptance[] = [];
  for (const { what, length, from, to, size, goal } of cases) {
    const shifted = (seed: number) =>
      noise(seed, length, 0).map(
        (value, index) => value + (index >= from && index < to ? size : 0),
      );
    const truth = to === length ? [from] : [from, to];
    const hit = (points: readonly number[]) => truth.every((index) => isNear(points, index, 2));
    const ours = shareOf(count, (seed) => hit(found(shifted(seed))));
    const plain = shareOf(plainCount(count, length), (seed) =>
      hit(plainPoints(shifted(seed), seed)),
    );
    rows.push([`${what}: found within 2`, percent(ours), percent(plain), ""]);
    const least = goal - chance(goal, count);
    acceptance.push({
      what,
      value: percent(ours),
      goal: `>= ${percent(least)}`,
      ok: ours >= least,
    });
  }
  return { rows, acceptance };
}

function speed(): Part {
  const cases = [
    { length: 600, seconds: 2 },
    { length: 5_000, seconds: 15 },
  ];
  const rows: Row[] = [];
  const acceptance: Acceptance[] = [];
  for (const { length, seconds } of cases) {
    const steps = noise(7, length, 0).map(
      (value, index) => value + 3 * (Math.floor(index / 60) % 3),
    );
    const started = performance.now();
    const points = found(steps).length;
    const took = (performance.now() - started) / 1_000;
    rows.push([
      `${length} values, a change every 60`,
      `${took.toFixed(1)} s`,
      "",
      `${points} found`,
    ]);
    const goal = `<= ${seconds} s`;
    acceptance.push({
      what: `${length} values`,
      value: `${took.toFixed(1)} s`,
      goal,
      ok: took <= seconds,
    });
  }
  return { rows, acceptance };
}

/** MongoDB gives the number of change points; the places are those of the plain procedure, which has to find that number too. */
function published(folder: string): Part {
  const rows: Row[] = [];
  const acceptance: Acceptance[] = [];
  for (const name of ["prof_small", "prof_medium"]) {
    const { series, expected } = profile(join(folder, `${name}.json`));
    const ours = found(series);
    const plain = plainPoints(series, 1);
    const exact = plain.filter((index) => ours.includes(index)).length;
    const within = plain.filter((index) => isNear(ours, index, 1)).length;
    const extra = ours.filter((index) => !isNear(plain, index, 1)).length;
    rows.push([
      `${name}: ${series.length} values, ${expected} change points expected`,
      `${ours.length} found`,
      `${plain.length} found`,
      `${exact} at the same place, ${within - exact} beside it, ${plain.length - within} missing, ${extra} more`,
    ]);
    acceptance.push({
      what: `${name}: change points`,
      value: `${ours.length}, ${within} within 1 of the plain procedure's ${plain.length}`,
      goal: `${expected}, all within 1`,
      ok: ours.length === expected && plain.length === expected && within === expected,
    });
  }
  return { rows, acceptance };
}

function profile(path: string): { readonly series: readonly number[]; readonly expected: number } {
  const value: unknown = JSON.parse(readFileSync(path, "utf8"));
  if (typeof value !== "object" || value === null || !("series" in value) || !("expected" in value))
    throw new Error(`${path} has no series and expected`);
  if (!Array.isArray(value.series)) throw new Error(`${path}: the series is no list`);
  return { series: value.series.map(Number), expected: Number(value.expected) };
}

/** Years of shared runners: how many runs a fixed threshold against the run before would stop, and what a history makes of them. */
function publicSeries(folder: string): Part {
  const rows = ["hyper", "safetensors", "github-action-benchmark"].map((name): Row => {
    const benches = benchesOf(join(folder, `${name}.csv`));
    const runs = new Set<string>();
    const stopped = new Set<string>();
    for (const bench of benches) {
      bench.forEach(({ value, date, higherIsBetter }, index) => {
        const before = bench[index - 1]?.value;
        if (before === undefined) return;
        runs.add(date);
        if ((higherIsBetter ? before / value : value / before) > 1.1) stopped.add(date);
      });
    }
    const values = benches.map((bench) => bench.map(({ value }) => value));
    const points = values.reduce((sum, each) => sum + found(each).length, 0);
    const count = values.reduce((sum, each) => sum + each.length, 0);
    return [
      `${name}: ${benches.length} benchmarks, ${count} values`,
      `${points} change points, one in ${Math.round(count / Math.max(1, points))} values`,
      "",
      `a threshold of 10 % against the run before stops ${percent(stopped.size / runs.size)} of ${runs.size} runs`,
    ];
  });
  return { rows, acceptance: [] };
}

interface Point {
  readonly value: number;
  /** Of the run: all of its benchmarks have the same. */
  readonly date: string;
  readonly higherIsBetter: boolean;
}

function benchesOf(path: string): readonly (readonly Point[])[] {
  const lines: readonly Record<string, string>[] = parseCsv(readFileSync(path, "utf8"), {
    columns: true,
  });
  const benches = new Map<string, Point[]>();
  const inTime = lines.toSorted((a, b) => Number(a["date_ms"]) - Number(b["date_ms"]));
  for (const { suite = "", bench = "", unit = "", date_ms: date = "", value } of inTime) {
    const name = `${suite}/${bench}`;
    const point = { value: Number(value), date, higherIsBetter: /\/s|sec$/.test(unit) };
    if (point.value > 0) benches.set(name, [...(benches.get(name) ?? []), point]);
  }
  return [...benches.values()];
}

function found(values: readonly number[]): readonly number[] {
  const compare = values.every((value) => value > 0) ? "ratio" : "difference";
  return changePoints(values, { compare }).map(({ index }) => index);
}

/**
 * E-divisive means as published and as MongoDB runs it: the whole series is split at the greatest Q of all stretches while at most
 * 1 of 100 permutations within the stretches reaches it. Written plainly, in n² steps, to check the fast one against it.
 */
function plainPoints(values: readonly number[], seed: number): readonly number[] {
  const random = xoroshiro128plus(Math.imul(seed + 1, 0x9e3779b1));
  const points: number[] = [];
  for (;;) {
    const bounds = [0, ...points.toSorted((a, b) => a - b), values.length];
    const stretches = bounds.slice(1).map((to, index) => ({ from: bounds[index] ?? 0, to }));
    const best = stretches
      .map(({ from, to }) => ({ from, ...plainBest(values.slice(from, to)) }))
      .reduce((most, each) => (each.q > most.q ? each : most));
    let asGood = 0;
    for (let done = 0; done < PLAIN_PERMUTATIONS && asGood <= 1; done += 1) {
      const most = Math.max(
        ...stretches.map(({ from, to }) => plainBest(shuffled(values.slice(from, to), random)).q),
      );
      if (most >= best.q) asGood += 1;
    }
    if (asGood > 1 || best.q <= 0) return points.toSorted((a, b) => a - b);
    points.push(best.from + best.index);
  }
}

const PLAIN_PERMUTATIONS = 100;

function plainBest(values: readonly number[]): { readonly q: number; readonly index: number } {
  const count = values.length;
  const distances = (index: number, from: number, to: number) => {
    let sum = 0;
    const value = values[index] ?? 0;
    for (let other = from; other < to; other += 1) sum += Math.abs(value - (values[other] ?? 0));
    return sum;
  };
  let left = 0;
  let across = 0;
  let right = 0;
  for (let index = 0; index < count; index += 1) right += distances(index, index + 1, count);
  let best = { q: 0, index: 0 };
  for (let split = 1; split < count; split += 1) {
    const toLeft = distances(split - 1, 0, split - 1);
    const toRight = distances(split - 1, split, count);
    left += toLeft;
    right -= toRight;
    across += toRight - toLeft;
    const rest = count - split;
    if (split < 2 || rest < 2) continue;
    const energy =
      (2 * across) / (split * rest) -
      (2 * left) / (split * (split - 1)) -
      (2 * right) / (rest * (rest - 1));
    const q = ((split * rest) / count) * energy;
    if (q > best.q) best = { q, index: split };
  }
  return best;
}

function shuffled(
  values: readonly number[],
  random: ReturnType<typeof xoroshiro128plus>,
): readonly number[] {
  const order = [...values];
  for (let index = order.length - 1; index > 0; index -= 1) {
    const other = uniformInt(random, 0, index);
    [order[index], order[other]] = [order[other] ?? 0, order[index] ?? 0];
  }
  return order;
}

/** Standard normal values, each correlated with the one before. */
function noise(seed: number, length: number, correlation: number): readonly number[] {
  const random = xoroshiro128plus(Math.imul(seed ^ 0x5bd1e995, 0x85ebca6b));
  const normal = () => {
    const radius = Math.sqrt(-2 * Math.log(1 - uniformFloat64(random)));
    return radius * Math.cos(2 * Math.PI * uniformFloat64(random));
  };
  // Seeds that are alike give first draws that are alike.
  for (let skipped = 0; skipped < 20; skipped += 1) random.next();
  const own = Math.sqrt(1 - correlation * correlation);
  let last = normal();
  return Array.from({ length }, (_, index) => {
    if (index > 0) last = correlation * last + own * normal();
    return last;
  });
}

function isNear(points: readonly number[], index: number, by: number): boolean {
  return points.some((point) => Math.abs(point - index) <= by);
}

function shareOf(count: number, holds: (seed: number) => boolean): number {
  let hits = 0;
  for (let seed = 1; seed <= count; seed += 1) hits += Number(holds(seed));
  return hits / count;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
