/** One window on an arm with everything that tuners and advisors may look at. */
import { availableParallelism, totalmem } from "node:os";
import type { TargetView } from "../core/observation.ts";
import type { ProveStructures } from "../core/structure.ts";
import type { Arm } from "./arm.ts";
import type { RedisCounters } from "./counters.ts";
import { statementsInWindow, type Measured } from "./differences.ts";
import { measureArm, runningService } from "./loaded.ts";
import { readSettings } from "./redis-settings.ts";
import { sampleFrom } from "./sample.ts";
import { whileTraced, type Traced } from "./tracing.ts";
import { databaseView, redisStats } from "./view.ts";
import type { ArmRequest, LoadOptions } from "./window.ts";

const STATEMENTS_MAX = 200;

export interface ObserveOptions extends LoadOptions {
  /** perfopt's own folder, for the planner's servers. */
  readonly home: string;
  /** Tries plans for structures in a copy; absent: none is tried. */
  readonly proveStructures?: ProveStructures;
}

export interface Observed {
  readonly view: TargetView;
  /** Around the window and the warm-up before it; absent without Redis. */
  readonly redis?: { readonly before: RedisCounters; readonly after: RedisCounters };
}

/** The service's caches are traced meanwhile, where it has a tracer; its warm-ups, also a fresh process's own, are in the trace. */
export async function observeArm(
  arm: Arm,
  request: ArmRequest,
  options: ObserveOptions,
): Promise<Observed> {
  const { result: measured, cacheTrace } = await measureTraced(arm, request, options);
  const { before, after } = measured;
  // Asked for now, since a window counts the commands that it sees.
  const settings = arm.redis && (await readSettings(arm.redis.client));
  return {
    view: {
      knobs: arm.options.targetFile.knobs,
      values: arm.values,
      sample: sampleFrom(measured),
      statements: (statementsInWindow(before, after) ?? []).slice(0, STATEMENTS_MAX),
      redis: redisStats(before.redis, after.redis, settings),
      ...(cacheTrace ? { cacheTrace } : {}),
      warmupMs: request.warmupMs,
      database: databaseView({
        ...options,
        url: arm.adminUrl,
        ...(options.proveStructures
          ? { structures: { ...arm.options, prove: options.proveStructures } }
          : {}),
      }),
      machine: { cores: availableParallelism(), memoryBytes: totalmem() },
    },
    ...(before.redis && after.redis ? { redis: { before: before.redis, after: after.redis } } : {}),
  };
}

async function measureTraced(
  arm: Arm,
  request: ArmRequest,
  options: ObserveOptions,
): Promise<Pick<Traced<Measured>, "result" | "cacheTrace">> {
  const measure = () => measureArm(arm, { ...request, trace: true }, options);
  const { readTrace, targetFile, signal } = arm.options;
  const { socketFolder: folder } = arm;
  if (!readTrace || folder === undefined) return { result: await measure(), cacheTrace: undefined };
  // A process that has to be replaced is replaced before, so that the one that is listened to is the one that is measured.
  await runningService(arm);
  const name = `the caches of ${targetFile.title}`;
  return whileTraced({ folder, readTrace, name, signal }, measure);
}
