/** The cache advisor's look at a service that perfopt starts itself: a minute of its own load, its caches traced meanwhile. */
import { readTrace } from "../advise/cache/trace/read.ts";
import { PerfoptError } from "../core/errors.ts";
import type { ValidatorProbe } from "../core/sample.ts";
import { formatDuration } from "../core/units.ts";
import { closeLoad } from "../load/engine.ts";
import type { Observed } from "../target/observe.ts";
import { benchJob, benchLoad } from "./bench-session.ts";
import type { Context } from "./context.ts";
import type { LoadOptions } from "./load.ts";
import type { Progress } from "./progress.ts";
import { withSolo } from "./solo.ts";

/** Long enough for keys to be asked for again and for short times to live to end. */
const WINDOW = "60s";
/** Without it, most of a trace would be a cold cache filling. */
const WARMUP = "10s";

export interface CacheTargetOptions extends LoadOptions {
  readonly target?: string;
  readonly scale?: string;
}

/**
 * `view` is that of one window: `sample.load.trace` has the responses, `cacheTrace` what the service asked its caches for, in
 * the window and all warm-up before it; absent where it has no tracer.
 */
export interface CacheTarget extends Observed {
  /** For people. */
  readonly name: string;
  /** Of perfopt's own, with all rights. */
  readonly databaseUrl: string | undefined;
  readonly redisUrl: string | undefined;
  /** What the service makes of validators. */
  readonly probes: readonly ValidatorProbe[];
}

/** The target runs until `use` returns or throws. A window that is not valid is still a trace: `view.sample` says what is wrong with it. */
export async function withCacheTarget<T>(
  context: Context,
  options: CacheTargetOptions,
  progress: Progress,
  use: (target: CacheTarget) => Promise<T>,
): Promise<T> {
  // What the advisor reads from a URL is a store, which is no service.
  const { url: _, ...own }: CacheTargetOptions & { readonly url?: string } = options;
  const job = await benchJob(context, {
    ...own,
    // A persona's windows are for pairs.
    window: options.window ?? WINDOW,
    warmup: options.warmup ?? WARMUP,
  });
  const observed = async (solo: Parameters<Parameters<typeof withSolo<T>>[3]>[0]) => {
    const load = await benchLoad(job, solo, progress);
    if (!solo.observe) {
      throw new PerfoptError(
        "cannot-measure",
        `${job.target.title} was not started by perfopt, so its caches cannot be traced`,
        "give a target file that says how to start it, or a trace",
      );
    }
    const { warmupMs, windowMs } = load.window;
    progress.say(`${formatDuration(warmupMs + windowMs)} of load: ${load.words}`);
    const seen = await solo.observe({ ...load.window, seed: job.seed });
    progress.say("conditional requests");
    return use({
      ...seen,
      probes: (await solo.probe?.(job.seed)) ?? [],
      name: `the load of ${job.target.title} (${job.plan.workload.name}, ${load.words})`,
      databaseUrl: solo.databaseUrl,
      redisUrl: solo.redisUrl,
    });
  };
  try {
    return await withSolo(context, job, progress, observed, { readTrace });
  } finally {
    await closeLoad();
  }
}
