/** Plays the trace against a private Redis as it was advised and as it is: what was predicted beside what was measured. */
import { entryBytesOf, withSizes, type Footprint } from "../advise/cache/redis/footprint.ts";
import { simulateRedis } from "../advise/cache/redis/simulate.ts";
import type { CacheAdvice, CacheChoice, CacheVerification } from "../core/cache-advice.ts";
import type { CacheTrace } from "../core/cache-trace.ts";
import { formatBytes, formatDuration, formatRatio, significant } from "../core/units.ts";
import { replayTrace, type ReplayOutcome } from "../target/redis-replay.ts";
import { withScratchRedis } from "../target/scratch-redis.ts";
import type { CacheSource } from "./cache-source.ts";
import type { Context } from "./context.ts";
import type { Progress } from "./progress.ts";

/** What the model is held to against a real server (research/cache.md section 7). */
const ERROR_MAX = 0.01;
const TIMEOUT_MS = 5 * 60_000;
/** Longer traces are played faster than they came, and the simulation is told so. */
const RECORDED_MS_MAX = 90_000;

export async function verifyCache(
  context: Context,
  { trace: captured, sampling }: CacheSource,
  footprint: Footprint,
  advice: CacheAdvice,
  progress: Progress,
): Promise<CacheAdvice> {
  // What is not known of sizes is filled in alike for both.
  const trace = withSizes(captured);
  const recorded = advice.trace.lengthMs <= RECORDED_MS_MAX;
  const { home, env: environment, signal } = context;
  const replay = (choice: CacheChoice): Promise<ReplayOutcome> =>
    withScratchRedis({ home, environment, signal }, (server) =>
      replayTrace(server, trace, {
        ...sampling,
        maxmemoryBytes: choice.maxmemoryBytes,
        policy: choice.policy,
        ttlFactor: choice.ttlFactor,
        pace: recorded ? "recorded" : "as fast as possible",
        timeoutMs: TIMEOUT_MS,
        signal,
      }),
    );
  const results: CacheVerification["results"][number][] = [];
  let serverVersion = "";
  for (const choice of choicesOf(advice)) {
    progress.say(
      `playing the trace against a private Redis of ${formatBytes(choice.maxmemoryBytes)}, ${choice.policy}`,
    );
    const played = await replay(choice);
    serverVersion = played.serverVersion;
    results.push(compare(trace, footprint, choice, played, sampling));
  }
  const pace = recorded
    ? `at the trace's own pace (${formatDuration(advice.trace.lengthMs)})`
    : "as fast as it answers, and simulated again at the moments at which it was played";
  return {
    ...advice,
    verification: { design: `the trace, cache-aside, ${pace}`, serverVersion, results },
  };
}

function choicesOf({ recommended, present }: CacheAdvice): readonly CacheChoice[] {
  const choices = [recommended, present].filter((each) => each !== undefined);
  return choices.filter(
    (each, index) =>
      choices.findIndex(
        ({ maxmemoryBytes, policy, ttlFactor }) =>
          maxmemoryBytes === each.maxmemoryBytes &&
          policy === each.policy &&
          ttlFactor === each.ttlFactor,
      ) === index,
  );
}

/** Simulated once more with the replay's own moments: Redis' clock has seconds, and the pace decides what it can tell apart. */
function compare(
  trace: CacheTrace,
  footprint: Footprint,
  choice: CacheChoice,
  played: ReplayOutcome,
  sampling: CacheSource["sampling"],
): CacheVerification["results"][number] {
  const { maxmemoryBytes, policy, ttlFactor } = choice;
  // The server's own, as it was while it worked: what the footprint was measured on had other connections.
  const server = { ...footprint, startupBytes: played.startupBytes };
  const { overheadBytes } = played;
  const { counts } = simulateRedis(
    { ...trace, timeMs: played.timeMs },
    server,
    { ...sampling, maxmemoryBytes, policy, ttlFactor, overheadBytes },
    1,
  );
  // Of the rows that were played: a sample of keys has its own rate.
  const hitRate = counts.gets === 0 ? 0 : counts.hits / counts.gets;
  const off = Math.abs(hitRate - played.hitRate);
  const entries = entryBytesOf(trace, footprint);
  const note = noteOf(choice, played, { hitRate, off, entryBytes: meanOf(entries) });
  return {
    maxmemoryBytes,
    policy,
    predicted: hitRate,
    measured: played.hitRate,
    ok: off <= ERROR_MAX,
    ...(note === undefined ? {} : { note }),
  };
}

/** From so many points on, the pace has made the prediction another one. */
const PACE_POINTS = 0.005;

function noteOf(
  choice: CacheChoice,
  played: ReplayOutcome,
  found: { readonly hitRate: number; readonly off: number; readonly entryBytes: number },
): string | undefined {
  const { hitRate, off, entryBytes } = found;
  const pace =
    Math.abs(choice.hitRate - hitRate) > PACE_POINTS
      ? `${formatRatio(choice.hitRate)} is predicted for the trace's own pace; at ${significant(played.opsPerSecond)} accesses/s, as it was played, times to live and Redis' clock of one second make another rate of it`
      : undefined;
  const wrong =
    off > ERROR_MAX
      ? `the server kept ${played.keys} keys in ${formatBytes(played.usedBytes)}; entries were taken for ${significant(entryBytes)} bytes`
      : undefined;
  const notes = [pace, wrong].filter((each) => each !== undefined);
  return notes.length === 0 ? undefined : notes.join("; ");
}

function meanOf(values: Float64Array): number {
  return values.length === 0 ? 0 : values.reduce((sum, each) => sum + each, 0) / values.length;
}
