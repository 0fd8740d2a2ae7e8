/** A sweep of sizes within a budget: which ones, how often, in which order, and the measurements that came of it. */
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { messageOf, PerfoptError, throwIfAborted } from "../core/errors.ts";
import type { PoolMeasurement } from "../core/pool-advice.ts";
import { formatDuration } from "../core/units.ts";
import type { Progress } from "./progress.ts";

export interface SweepPlan {
  /** Ascending. */
  readonly sizes: readonly number[];
  readonly rounds: number;
  /** What one measurement takes with everything around it, as estimated. */
  readonly eachMs: number;
  readonly budgetMs: number;
  readonly seed: number;
}

export interface SweepWish {
  readonly least: number;
  readonly most: number;
  /** That are to be among the sizes: the present one, a formula's. */
  readonly wanted: readonly number[];
  /** Given by the user: these and no others. */
  readonly sizes: readonly number[] | undefined;
  readonly eachMs: number;
  readonly budgetMs: number;
  /** Of the budget, for finding how many requests may be under way; 0 where that is known. */
  readonly startUpMs: number;
  /** Whether that has been done: what was promised before is measured then, even where it took longer. */
  readonly begun: boolean;
  readonly seed: number;
}

/** As many as the law and a verdict need. */
const SIZES_LEAST = 4;
const SIZES_MOST = 9;
const ROUNDS_MOST = 5;
/** Two of each size say how much they scatter, which more sizes do not. */
const ROUNDS_WANTED = 2;
/** Of a measured size: nearer ones say nothing new. */
const SAME_SIZE = 0.15;
/** So many measurements without a single answer are enough, the largest size among them: too small a pool may wait for itself. */
const HOPELESS = 2;
/** So many measurements spoiled by other work on the machine, and no other, are enough. */
const DISTURBED = 3;

/** Of a window: where a response takes more of it, a closed loop is never in its steady state, and Little's law rejects the measurement. */
const RESPONSES_A_WINDOW = 20;

/** How many requests may be under way on a service of this throughput, so that windows of this length can be believed. */
export function underWayMost(perSecond: number, windowMs: number): number {
  return Math.floor((perSecond * windowMs) / 1_000 / RESPONSES_A_WINDOW);
}

/** With less budget fewer sizes, each measured twice as far as that goes. Throws bad-input when it does not pay for one round. */
export function planSweep(wish: SweepWish): SweepPlan {
  const { eachMs, budgetMs, startUpMs, begun, seed } = wish;
  const leastMs = (wish.sizes?.length ?? SIZES_LEAST) * eachMs;
  const leftMs = begun ? Math.max(budgetMs - startUpMs, leastMs) : budgetMs - startUpMs;
  const affordable = Math.floor(leftMs / eachMs);
  const sizes =
    wish.sizes ??
    spreadSizes(
      wish,
      Math.min(SIZES_MOST, Math.max(SIZES_LEAST, Math.floor(affordable / ROUNDS_WANTED))),
    );
  if (leftMs < leastMs) {
    throw new PerfoptError(
      "bad-input",
      `--budget ${formatDuration(budgetMs)} does not pay for ${wish.sizes?.length ?? SIZES_LEAST} sizes of about ${formatDuration(eachMs)} each${startUpMs > 0 ? `, and ${formatDuration(startUpMs)} before them` : ""}`,
      `give at least --budget ${Math.ceil((leastMs + startUpMs) / 1_000)}s, a shorter --window, ${wish.sizes ? "or fewer --sizes" : "or fewer sizes by --sizes"}`,
    );
  }
  const rounds = Math.min(ROUNDS_MOST, Math.max(1, Math.floor(affordable / sizes.length)));
  return { sizes, rounds, eachMs, budgetMs: leftMs, seed };
}

/** What a person is told before anything is measured. */
export function planInWords({ sizes, rounds, eachMs, budgetMs }: SweepPlan, of: string): string {
  const all = sizes.length * rounds * eachMs;
  const rounded = Math.round(all / 1_000) * 1_000;
  const plan = `Sweep of ${of}: ${sizes.join(", ")}; ${rounds} ${rounds === 1 ? "round" : "rounds"} in random order, about ${formatDuration(rounded)} of the ${formatDuration(budgetMs)} left of --budget.`;
  if (rounds > 1) return plan;
  const missing = Math.ceil(Math.max(0, ROUNDS_WANTED * all - budgetMs) / 1_000);
  return `${plan} One round says nothing of how much sizes scatter, so that the answer will be UNCLEAR: ${missing} s more of --budget pay for two.`;
}

/** Even steps on a logarithmic scale, moved to the wanted sizes where those are near. */
function spreadSizes({ least, most, wanted }: SweepWish, count: number): readonly number[] {
  const steps = Array.from({ length: count }, (_, index) =>
    Math.round(least * (most / least) ** (index / (count - 1))),
  );
  const sizes = new Set(steps);
  for (const size of wanted.filter((each) => each >= least && each <= most)) {
    if (sizes.has(size)) continue;
    const near = [...sizes]
      .filter((each) => each !== least && each !== most && !wanted.includes(each))
      .toSorted((a, b) => Math.abs(Math.log(a / size)) - Math.abs(Math.log(b / size)))[0];
    if (near !== undefined && (sizes.size >= count || Math.abs(near - size) <= SAME_SIZE * size)) {
      sizes.delete(near);
    }
    if (sizes.size < count) sizes.add(size);
  }
  return [...sizes].toSorted((a, b) => a - b);
}

/**
 * Every size once a round, each round in an order of its own, so that drift of the machine favours no size; the same requests for all
 * sizes of a round. Ends at the budget with what there is.
 */
export async function runSweep(
  plan: SweepPlan,
  measure: (size: number, seed: number) => Promise<PoolMeasurement>,
  {
    progress,
    signal,
    of,
    one,
  }: {
    readonly progress: Progress;
    readonly signal: AbortSignal;
    /** What sizes count, and one of it. */
    readonly of: string;
    readonly one: string;
  },
): Promise<readonly PoolMeasurement[]> {
  const started = performance.now();
  const random = xoroshiro128plus(plan.seed);
  const measured: PoolMeasurement[] = [];
  const all = plan.sizes.length * plan.rounds;
  for (let round = 0; round < plan.rounds; round += 1) {
    for (const size of shuffled(plan.sizes, (most) => uniformInt(random, 0, most))) {
      throwIfAborted(signal);
      const spentMs = performance.now() - started;
      const eachMs = Math.max(plan.eachMs, spentMs / Math.max(1, measured.length));
      if (spentMs + eachMs > plan.budgetMs) {
        progress.print(`the budget is used up after ${measured.length} of ${all} measurements`);
        return measured;
      }
      progress.say(
        `measurement ${measured.length + 1} of ${all}: ${size} ${size === 1 ? one : of}`,
      );
      const result = await orInvalid(size, signal, () => measure(size, plan.seed + round));
      measured.push({ ...result, from: `measurement ${measured.length + 1}` });
      if (measured.length >= HOPELESS) refuseHopeless(measured, Math.max(...plan.sizes), one);
      if (measured.length === DISTURBED) refuseDisturbed(measured);
    }
  }
  return measured;
}

/** A service that answers nothing at any size is not there, or is asked for the wrong thing. */
function refuseHopeless(measured: readonly PoolMeasurement[], largest: number, one: string): void {
  if (measured.some(({ throughput }) => throughput > 0)) return;
  const last = measured.find(({ size }) => size === largest);
  if (!last) return;
  const sizes = [...new Set(measured.map(({ size }) => size))].toSorted((a, b) => a - b);
  throw new PerfoptError(
    "cannot-measure",
    `no request succeeded with ${sizes.join(", ")}: ${last.invalidBecause?.join("; ") ?? "nothing was answered"}`,
    `check that the service runs, and send one of the requests by hand${one === "connection" ? "; where one holds several connections at once, give larger --sizes" : ""}`,
  );
}

/** What is used is a matter of --busy-machine; that a quiet moment comes soon is not to be hoped for. */
function refuseDisturbed(measured: readonly PoolMeasurement[]): void {
  if (!measured.every(({ machineBusy }) => machineBusy)) return;
  throw new PerfoptError(
    "cannot-measure",
    `other work on the machine spoiled the first ${measured.length} measurements: ${measured[0]?.invalidBecause?.join("; ") ?? ""}`,
    "wait until the machine is quiet, or give --busy-machine to use such measurements; they can say no more than UNCLEAR",
  );
}

/** A size that the service does not survive is a result too. */
async function orInvalid(
  size: number,
  signal: AbortSignal,
  measure: () => Promise<PoolMeasurement>,
): Promise<PoolMeasurement> {
  try {
    return await measure();
  } catch (error) {
    throwIfAborted(signal);
    if (!(error instanceof PerfoptError) || error.code !== "cannot-measure") throw error;
    return { size, throughput: 0, from: "", invalidBecause: [messageOf(error)] };
  }
}

/** Fisher and Yates. */
function shuffled(sizes: readonly number[], drawUpTo: (most: number) => number): readonly number[] {
  const left = [...sizes];
  return sizes.map(() => left.splice(drawUpTo(left.length - 1), 1)[0] ?? 0);
}
