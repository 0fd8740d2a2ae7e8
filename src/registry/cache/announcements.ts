// Tells Redis and the other processes of writes, and remembers those it could not tell.

import type { Redis } from "ioredis";
import { randomBytes } from "node:crypto";
import { INVALIDATION_CHANNEL, generationKey } from "./keys.ts";
import type { Scope } from "./keys.ts";

export type Announcements = {
  /** Gives the scopes new generations and tells the other processes; never throws. */
  readonly announce: (scopes: readonly Scope[]) => Promise<void>;
  /** Whether writes of this process are unknown to Redis, so that its answers may be old. */
  readonly behind: () => boolean;
  /** Sends what could not be sent before. */
  readonly catchUp: () => Promise<void>;
};

/** How the sender sees its connection. */
export type Line = { readonly reachable: () => boolean; readonly failed: (error: unknown) => void };

// Longer than any answer is kept; a generation that expires is replaced by a new one and only costs misses.
export const GENERATION_TTL_MS = 2 * 86_400_000;
const UNSENT_SCOPES_MAX = 100_000;

export function createAnnouncements(client: Redis, origin: string, line: Line): Announcements {
  let unsent = new Set<Scope>();
  let resending = false;

  async function send(scopes: readonly Scope[]): Promise<boolean> {
    if (!line.reachable()) return false;
    const pipeline = client.pipeline();
    for (const scope of scopes) {
      pipeline.set(generationKey(scope), newGeneration(), "PX", GENERATION_TTL_MS);
    }
    pipeline.publish(INVALIDATION_CHANNEL, JSON.stringify({ origin, scopes }));
    try {
      await runPipeline(pipeline);
      return true;
    } catch (error) {
      line.failed(error);
      return false;
    }
  }

  function keepUnsent(scopes: Iterable<Scope>): void {
    for (const scope of scopes) unsent.add(scope);
    // Beyond this many the oldest are given up; the answers' TTL still ends their staleness.
    for (const scope of unsent) {
      if (unsent.size <= UNSENT_SCOPES_MAX) break;
      unsent.delete(scope);
    }
  }

  return {
    async announce(scopes) {
      if (!(await send(scopes))) keepUnsent(scopes);
    },
    behind: () => unsent.size > 0 || resending,
    async catchUp() {
      if (unsent.size === 0 || resending || !line.reachable()) return;
      const batch = unsent;
      unsent = new Set();
      resending = true;
      const sent = await send([...batch]);
      resending = false;
      if (!sent) keepUnsent(batch);
    },
  };
}

/** Random, not counted: a counter that Redis evicts would start again and make old answers look current. */
export function newGeneration(): string {
  return randomBytes(9).toString("base64url");
}

export async function runPipeline(pipeline: ReturnType<Redis["pipeline"]>): Promise<void> {
  for (const [error] of (await pipeline.exec()) ?? []) {
    if (error !== null) throw error;
  }
}
