// Tells Redis and the other processes of writes, and remembers those it could not tell.

import type { ChainableCommander, Redis } from "ioredis";
import { randomBytes } from "node:crypto";
import { INVALIDATION_CHANNEL, generationKey } from "./keys.ts";
import type { Scope } from "./keys.ts";
import { inTime, isRefusal } from "./line.ts";
import type { Line } from "./line.ts";

export type Announcements = {
  /** Gives the scopes new generations and tells the other processes; never throws. */
  readonly announce: (scopes: readonly Scope[]) => Promise<void>;
  /** Whether writes of this process are unknown to Redis, so that its answers may be old. */
  readonly behind: () => boolean;
  /** Scopes that could not be sent yet. */
  readonly untold: () => number;
  /** Sends what could not be sent before. */
  readonly catchUp: () => Promise<void>;
};

// Longer than any answer is kept; a generation that expires is replaced by a new one and only costs misses.
export const GENERATION_TTL_MS = 2 * 86_400_000;
const UNSENT_SCOPES_MAX = 100_000;

/**
 * `answersKeptMs` is the longest that Redis and L3 together keep an answer after it was read from the database. `onDetour` is told of scopes
 * whose announcement took a second try: what this process read of them meanwhile may be old.
 */
export function createAnnouncements(
  client: Redis,
  origin: string,
  line: Pick<Line, "answers" | "failed">,
  answersKeptMs: number,
  onDetour: (scopes: readonly Scope[]) => void,
): Announcements {
  let unsent = new Set<Scope>();
  let resending = 0;
  let givenUpUntilMs = 0;

  async function send(scopes: readonly Scope[]): Promise<boolean> {
    const keys = scopes.map(generationKey);
    const news = JSON.stringify({ origin, scopes });
    const pipeline = client.pipeline();
    for (const key of keys) pipeline.set(key, newGeneration(), "PX", GENERATION_TTL_MS);
    pipeline.publish(INVALIDATION_CHANNEL, news);
    try {
      await runPipeline(pipeline).catch(async (error: unknown) => {
        if (!isRefusal(error)) throw error;
        // A Redis that is full and evicts nothing still deletes, and a generation that is missing is as good as a new one.
        await runPipeline(
          client
            .pipeline()
            .unlink(...keys)
            .publish(INVALIDATION_CHANNEL, news),
        );
        onDetour(scopes);
      });
      return true;
    } catch (error) {
      line.failed(error);
      return false;
    }
  }

  function keepUnsent(scopes: Iterable<Scope>): void {
    for (const scope of scopes) unsent.add(scope);
    for (const scope of unsent) {
      if (unsent.size <= UNSENT_SCOPES_MAX) break;
      // Beyond this many the oldest are given up; until its answers have expired this process does not believe Redis.
      unsent.delete(scope);
      givenUpUntilMs = performance.now() + answersKeptMs;
    }
  }

  return {
    async announce(scopes) {
      if (!line.answers() || !(await send(scopes))) keepUnsent(scopes);
    },
    behind: () => unsent.size + resending > 0 || performance.now() < givenUpUntilMs,
    untold: () => unsent.size + resending,
    async catchUp() {
      if (unsent.size === 0 || resending > 0 || !line.answers()) return;
      const batch = unsent;
      unsent = new Set();
      resending = batch.size;
      const sent = await send([...batch]);
      resending = 0;
      if (!sent) keepUnsent(batch);
    },
  };
}

/** Random, not counted: a counter that Redis evicts would start again and make old answers look current. */
export function newGeneration(): string {
  return randomBytes(9).toString("base64url");
}

export async function runPipeline(pipeline: ChainableCommander): Promise<void> {
  for (const [error] of (await inTime(pipeline.exec())) ?? []) {
    if (error !== null) throw error;
  }
}
