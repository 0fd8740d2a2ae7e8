/** A sweep of users on a service that perfopt did not start: what its throughput says of it, and what only another pool could show. */
import { advisePool } from "../advise/concurrency/pool/advise.ts";
import { measurementOf } from "../advise/concurrency/pool/measured.ts";
import { PerfoptError, redactSecrets } from "../core/errors.ts";
import type { PoolAdvice, PoolMeasurement } from "../core/pool-advice.ts";
import type { PoolOptions, Told } from "./advise-pool-options.ts";
import { benchJob } from "./bench-session.ts";
import type { Context } from "./context.ts";
import { planInWords, planSweep, runSweep, underWayMost } from "./pool-sweep.ts";
import type { Progress } from "./progress.ts";
import { withSolo } from "./solo.ts";
import { hurried } from "./pool-job.ts";

const BUDGET_MS = 120_000;
const WARMUP_MS = 1_000;
/** Counters and metrics are read around each window. */
const AROUND_MS = 500;
/** To find how many requests may be under way, as estimated. */
const START_UP_MS = 5_000;
const USERS_MOST = 128;
const USERS_FEWEST = 16;

/** What the sizes count, and one of it. */
const REQUESTS = { of: "requests at a time", one: "request at a time" };

export async function sweepUrl(
  context: Context,
  options: PoolOptions,
  url: string,
  told: Told,
  progress: Progress,
): Promise<PoolAdvice> {
  const { windowMs, seed, present, processes = 1 } = told;
  if (told.senders !== undefined) {
    throw new PerfoptError(
      "bad-input",
      "--senders and --url do not go together: the users are what is swept",
      "give --sizes",
    );
  }
  const job = hurried(
    await benchJob(context, { ...options, window: `${windowMs}ms`, warmup: `${WARMUP_MS}ms` }),
  );
  const planFor = (most: number, startUpMs: number, begun: boolean) =>
    planSweep({
      startUpMs,
      begun,
      least: 1,
      most,
      wanted: [],
      sizes: told.sizes,
      eachMs: windowMs + WARMUP_MS + AROUND_MS,
      budgetMs: told.budgetMs ?? BUDGET_MS,
      seed,
    });
  // Refused before anything is asked of the service.
  planFor(USERS_MOST, told.sizes === undefined ? START_UP_MS : 0, false);
  return withSolo(context, job, progress, async (solo) => {
    const started = performance.now();
    if (told.sizes === undefined)
      progress.say("closed loop: finding how many requests may be under way");
    const steady =
      told.sizes === undefined ? underWayMost(await solo.saturate(seed), windowMs) : USERS_MOST;
    const most = Math.min(USERS_MOST, Math.max(USERS_FEWEST, steady));
    const plan = planFor(most, performance.now() - started, true);
    progress.print(planInWords(plan, "requests at a time"));
    const measure = async (size: number, windowSeed: number) => {
      const users = { count: size, think: { kind: "fixed", ms: 0 } } as const;
      const { arrivals } = job.plan;
      const sample = await solo.sample({
        seed: windowSeed,
        requestsPerSecond: size,
        arrivals,
        warmupMs: WARMUP_MS,
        windowMs,
        users,
      });
      const connections = present === undefined ? undefined : present * processes;
      return measurementOf(sample, { size, underWay: size, connections });
    };
    const { signal } = context;
    const measurements = await runSweep(plan, measure, { progress, signal, ...REQUESTS });
    return advisePool({
      source: redactSecrets(url),
      subject: "users",
      live: true,
      busyMachine: options.busyMachine ?? false,
      measurements,
      seed,
      ...(present === undefined ? {} : { present }),
      ...(told.cores === undefined ? {} : { cores: told.cores }),
      caveats: caveatsOf(measurements, present),
    });
  });
}

function caveatsOf(
  measurements: readonly PoolMeasurement[],
  present: number | undefined,
): readonly string[] {
  return [
    "the pool stayed as it is: how throughput moves with its size cannot be known without changing it; sweep it by --target, or repeat this with another pool",
    ...(measurements.some(({ inside }) => inside?.waitMs !== undefined)
      ? []
      : [
          "the service does not say how long connections are waited for: map its pool in service.metrics of a target file, and give that with --target",
        ]),
    ...(present === undefined
      ? ["how many connections the pool has is not known: give --present"]
      : []),
  ];
}
