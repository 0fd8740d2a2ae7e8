/** Jobs of the bundled service while its workers are killed, and while twice of what it can do is asked of it. */
import { median } from "simple-statistics";
import { playCrash, type CrashResult } from "../test/registry/jobs/crash.ts";
import {
  playOverload,
  type OverloadResult,
  type OverloadWindow,
} from "../test/registry/jobs/overload.ts";
import { playPoison, type PoisonResult } from "../test/registry/jobs/poison.ts";
import { startStores } from "../test/registry/stores.ts";
import type { Acceptance, BenchOptions, BenchResult } from "./run.ts";

const SEED = 20_260_724;
const GOODPUT_SHARE = 0.9;

interface Scale {
  readonly jobs: number;
  readonly workers: number;
  readonly killsApartMs: readonly [number, number];
  readonly killsMax: number;
  readonly windowMs: number;
  /** Overloaded windows; before, between and after them is one at capacity each. */
  readonly overloads: number;
}

const FULL: Scale = {
  jobs: 10_000,
  workers: 3,
  killsApartMs: [500, 3_000],
  killsMax: 100,
  windowMs: 4_000,
  overloads: 7,
};
const TINY: Scale = {
  jobs: 150,
  workers: 2,
  killsApartMs: [50, 500],
  killsMax: 2,
  windowMs: 800,
  overloads: 1,
};
const TIMEOUT_MS = 900_000;

export async function run({ tiny }: BenchOptions): Promise<BenchResult> {
  const scale = tiny ? TINY : FULL;
  const stores = await startStores();
  try {
    // One after the other: each is to have the machine to itself.
    const overload = await playOverload(stores, scale.windowMs, scale.overloads);
    const poison = await playPoison(stores);
    const crash = await playCrash(stores, {
      ...scale,
      name: "crash",
      seed: SEED,
      timeoutMs: TIMEOUT_MS,
    });
    return {
      title:
        `jobs: ${scale.jobs} of four kinds by ${scale.workers} worker processes, Redis emptied once, a worker killed by SIGKILL every` +
        ` ${scale.killsApartMs.join(" to ")} ms; overload in windows of ${scale.windowMs} ms, ${overload.workers} workers`,
      head: ["what", "offered/s", "done/s", "refused/s", "with Retry-After", "waiting"],
      rows: overload.windows.map((window) => [
        window.name,
        window.offeredPerSecond.toFixed(1),
        window.donePerSecond.toFixed(1),
        window.refusedPerSecond.toFixed(1),
        String(window.withRetryAfter),
        `${window.waitingLow} to ${window.waitingHigh}`,
      ]),
      acceptance: [
        ...crashAcceptance(crash),
        ...poisonAcceptance(poison),
        ...goodput(overload, tiny),
      ],
    };
  } finally {
    await stores.stop();
  }
}

function crashAcceptance(result: CrashResult): readonly Acceptance[] {
  const { lost, twice, withoutEffect, kills, cutOff, accepted, done, dead, seconds } = result;
  return [
    exactly("jobs lost", lost, 0),
    exactly("completed twice", twice, 0),
    exactly("done without their effect", withoutEffect, 0),
    exactly("jobs accepted that are done or dead letters", done + dead, accepted),
    {
      what: `workers killed in ${seconds.toFixed(0)} s`,
      value: `${kills}, ${cutOff} attempts cut off or failed, ${dead} dead letters`,
      goal: "at least 1",
      ok: kills > 0,
    },
    {
      what: "webhooks delivered, each with a key of its own",
      value: `${result.delivered} in ${result.deliveries} requests`,
      goal: "each at least once",
      ok: result.deliveries >= result.delivered,
    },
  ];
}

function poisonAcceptance({
  attempts,
  attemptsMax,
  letters,
  replayed,
}: PoisonResult): readonly Acceptance[] {
  return [
    exactly("attempts of a poison job", attempts, attemptsMax),
    exactly("dead letters of it", letters, 1),
    { what: "its replay", value: replayed, goal: "done", ok: replayed === "done" },
  ];
}

function goodput({ shares, windows }: OverloadResult, tiny: boolean): readonly Acceptance[] {
  const share = median([...shares]);
  const sum = (part: (window: OverloadWindow) => number): number =>
    windows.reduce((total, window) => total + part(window), 0);
  const refused = sum((window) => window.refused);
  return [
    {
      what: "goodput at twice the capacity, of the capacity",
      value: `${percent(share)} % (median of ${shares.map(percent).join(", ")})`,
      // Windows of a second say nothing of rates.
      goal: tiny ? "not judged with --tiny" : "at least 90 %",
      ok: tiny || share >= GOODPUT_SHARE,
    },
    exactly("refusals without Retry-After", refused - sum((window) => window.withRetryAfter), 0),
    {
      what: "refusals at twice the capacity",
      value: String(refused),
      goal: tiny ? "not judged with --tiny" : "at least 1",
      ok: tiny || refused > 0,
    },
  ];
}

function percent(part: number): string {
  return (part * 100).toFixed(1);
}

function exactly(what: string, value: number, goal: number): Acceptance {
  return { what, value: String(value), goal: String(goal), ok: value === goal };
}
