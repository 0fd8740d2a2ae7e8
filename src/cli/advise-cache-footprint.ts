/** What entries take in memory: measured on a private Redis of this machine where that was asked for, else by formula for the server's allocator. */
import {
  calibratedFootprint,
  formulaFootprint,
  type Footprint,
} from "../advise/cache/redis/footprint.ts";
import { measureFootprint } from "../target/redis-footprint.ts";
import { withScratchRedis } from "../target/scratch-redis.ts";
import type { CacheSource } from "./cache-source.ts";
import type { Context } from "./context.ts";
import type { Progress } from "./progress.ts";

export function footprintFor(
  context: Context,
  { calibrate, verify }: { readonly calibrate?: boolean; readonly verify?: boolean },
  { server }: CacheSource,
  progress: Progress,
): Promise<Footprint> {
  // What is verified on this machine's Redis has to be told what entries take there.
  if (!calibrate && !verify)
    return Promise.resolve(formulaFootprint(server?.allocator, server?.version));
  progress.say("measuring what entries take in a private Redis");
  const { home, env: environment, signal } = context;
  return withScratchRedis({ home, environment, signal }, async (redis) => {
    const measured = await measureFootprint(redis, signal);
    return calibratedFootprint(measured.shapes, measured);
  });
}
