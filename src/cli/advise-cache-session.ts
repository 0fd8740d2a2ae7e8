/** One round of cache advice: the accesses read or captured, entries' sizes known, the advice computed and, where that was asked for, proven on a private Redis. */
import { adviseCache } from "../advise/cache/advise.ts";
import { auditHttp } from "./advise-cache-http.ts";
import { footprintFor } from "./advise-cache-footprint.ts";
import { withCacheSource } from "./advise-cache-source.ts";
import type { CacheSource, CacheSourceOptions } from "./cache-source.ts";
import { verifyCache } from "./advise-cache-verify.ts";
import type { CacheAdvice } from "../core/cache-advice.ts";
import type { RedisPolicy } from "../core/cache-curve.ts";
import { messageOf, PerfoptError, throwIfAborted } from "../core/errors.ts";
import { parseBytes } from "../core/units.ts";
import type { CacheQuestion } from "../advise/cache/question.ts";
import type { Footprint } from "../advise/cache/redis/footprint.ts";
import type { Context } from "./context.ts";
import { seedOf } from "./job.ts";
import { countOf } from "./load.ts";
import { given, percentOf, required } from "./parsed-options.ts";
import { personaOf } from "./personas.ts";
import { progressOf, type Progress } from "./progress.ts";
import { saveTrace } from "./trace-file.ts";

export interface CacheOptions extends CacheSourceOptions {
  readonly goal?: string;
  readonly policies?: readonly RedisPolicy[];
  readonly memoryMax?: string;
  readonly memoryStep: string;
  readonly processes?: string;
  readonly maxStale: string;
  readonly changeRate?: string;
  readonly speed: string;
  readonly calibrate?: boolean;
  readonly verify?: boolean;
  readonly saveTrace?: string;
}

const POLICIES = ["allkeys-lru", "allkeys-lfu", "allkeys-random"] as const;

export async function runCacheAdvice(
  context: Context,
  options: CacheOptions,
): Promise<CacheAdvice> {
  const goal = await goalOf(context, options.persona);
  const wanted = { ...(goal ? { goal } : {}), ...wantedOf(options) };
  const progress = progressOf(context);
  try {
    return await withCacheSource(context, options, progress, async (source) => {
      refuseEmpty(source);
      if (options.saveTrace !== undefined)
        await saveTrace(context, options.saveTrace, source.trace, progress);
      const footprint = await footprintFor(context, options, source, progress);
      const http = auditHttp(source);
      const advice = await adviseCache(
        {
          ...questionOf(source, wanted),
          footprint,
          caveats: [...source.caveats, ...footprintCaveats(options, source)],
          ...(http ? { http } : {}),
        },
        {
          onProgress: progress.say,
          pause: () => new Promise((resolve) => setImmediate(resolve)),
          signal: context.signal,
        },
      );
      return options.verify ? await verified(context, source, footprint, advice, progress) : advice;
    });
  } finally {
    progress.stop();
  }
}

/** What was advised stands, whatever comes of the proof. */
async function verified(
  context: Context,
  source: CacheSource,
  footprint: Footprint,
  advice: CacheAdvice,
  progress: Progress,
): Promise<CacheAdvice> {
  try {
    return await verifyCache(context, source, footprint, advice, progress);
  } catch (error) {
    throwIfAborted(context.signal);
    const why = `not verified: ${messageOf(error)}`;
    return { ...advice, caveats: [...advice.caveats, why] };
  }
}

/** Of the persona's objectives, the one on the hit rate. */
async function goalOf(
  context: Context,
  name: string | undefined,
): Promise<CacheQuestion["goal"] | undefined> {
  if (name === undefined) return undefined;
  const persona = await personaOf(context, name);
  const objective = persona.objectives.find(({ metric }) => metric === "cache.hitRate");
  return objective && { hitRate: objective.goal, from: `the goal of ${persona.title}` };
}

type Wanted = Omit<
  CacheQuestion,
  "trace" | "footprint" | "present" | "sampling" | "caveats" | "http" | "processes"
> & { readonly speed: number; readonly processes: number | undefined };

/** Throws bad-input for what is no size, share or number. */
function wantedOf(options: CacheOptions): Wanted {
  const goal = given(options.goal, "--goal", shareOf, "a hit rate such as 95%");
  const memoryMaxBytes = given(options.memoryMax, "--memory-max", sizeOf, "a size such as 512mb");
  const changes = given(options.changeRate, "--change-rate", positive, "a number such as 0.5");
  return {
    ...(goal === undefined ? {} : { goal: { hitRate: goal, from: "--goal" } }),
    ...(memoryMaxBytes === undefined ? {} : { memoryMaxBytes }),
    memoryStepBytes: required(options.memoryStep, "--memory-step", sizeOf, "a size such as 1mb"),
    policies: options.policies ?? POLICIES,
    staleShareMax: required(options.maxStale, "--max-stale", percentOf, "a share such as 1%") / 100,
    ...(changes === undefined ? {} : { changesPerKeyHour: changes }),
    speed: required(options.speed, "--speed", positive, "a factor such as 2"),
    processes:
      options.processes === undefined
        ? undefined
        : countOf("--processes", options.processes, 1, 255),
    seed: seedOf(options),
  };
}

function questionOf(
  source: CacheSource,
  { speed, processes, ...wanted }: Wanted,
): Omit<CacheQuestion, "footprint"> {
  const { trace, present, sampling, caveats } = source;
  const usual = present?.policy;
  return {
    ...wanted,
    policies:
      usual && !wanted.policies.includes(usual) ? [usual, ...wanted.policies] : wanted.policies,
    trace,
    ...(present ? { present } : {}),
    processes: processes ?? source.trace.processes,
    sampling,
    speed,
    caveats,
  };
}

/** A private Redis is this machine's, whatever server the advice is for. */
function footprintCaveats(
  { calibrate, verify }: CacheOptions,
  { server }: CacheSource,
): readonly string[] {
  if (server === undefined || (!calibrate && !verify)) return [];
  return [
    `what entries take was measured on this machine's Redis; the server is ${server.version} with ${server.allocator}`,
  ];
}

function refuseEmpty({ trace }: CacheSource): void {
  if (trace.operation.includes(0)) return;
  throw new PerfoptError(
    "cannot-measure",
    `${trace.source} has no read of a key, so there is no hit rate to advise on`,
    "capture longer, or while the service is used",
  );
}

function shareOf(text: string): number | undefined {
  const percent = percentOf(text);
  if (percent === undefined || percent > 100) return undefined;
  // 0.95 means 95 %, and 1 means 1 %: nobody wants a hundredth of a percent.
  const share = !text.includes("%") && percent < 1 ? percent : percent / 100;
  return share;
}

function sizeOf(text: string): number | undefined {
  const bytes = parseBytes(text);
  return bytes !== undefined && bytes > 0 ? bytes : undefined;
}

function positive(text: string): number | undefined {
  const value = Number(text);
  return text.trim() !== "" && Number.isFinite(value) && value > 0 ? value : undefined;
}
