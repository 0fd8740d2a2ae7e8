// L2: answers in Redis, stamped with the generations of their scopes.

import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import type { RedisOptions } from "ioredis";
import {
  GENERATION_TTL_MS,
  createAnnouncements,
  newGeneration,
  runPipeline,
} from "./announcements.ts";
import { packAnswer, unpackAnswer } from "./answer.ts";
import type { Answer } from "./answer.ts";
import { digest, generationKey } from "./keys.ts";
import type { Scope } from "./keys.ts";
import { inTime, watchLine } from "./line.ts";
import { NEWS_LATE_MAX_MS, listenForNews } from "./news.ts";
import type { NewsEvents } from "./news.ts";

export type SharedTier = {
  /** The stamp to store a fresh answer under, and the stored answer if it is current; undefined without Redis. */
  lookup(
    key: string,
    scopes: readonly Scope[],
  ): Promise<{ stamp: string; answer?: Answer } | undefined>;
  /** Stores in the background; a failure only costs a later miss. */
  readonly store: (key: string, stamp: string, answer: Answer, ttlMs: number) => void;
  /** Gives the scopes new generations and tells the other processes; never throws. */
  readonly announce: (scopes: readonly Scope[]) => Promise<void>;
  /** Scopes that this process wrote to and could not announce yet. */
  readonly untold: () => number;
  /** Whether news of other processes' writes arrives, without which L1 must not be used. */
  readonly listening: () => boolean;
  /** Waits until answers can be stored, for a few seconds at most. */
  readonly started: () => Promise<void>;
  readonly ping: () => Promise<boolean>;
  readonly close: () => Promise<void>;
};

const RECONNECT_MAX_MS = 200;
// Requests do not wait for it; the start of a busy process is not to look like a Redis that is down.
const CONNECT_TIMEOUT_MS = 500;
const STORES_IN_FLIGHT_MAX = 256;

/** `answersKeptMs` is the longest that Redis and L3 together keep an answer after it was read from the database. */
export function openSharedTier(
  redisUrl: string,
  answersKeptMs: number,
  events: NewsEvents,
): SharedTier {
  const origin = randomBytes(9).toString("base64url");
  const client = connect(redisUrl, "registry-cache", events.onError);
  const subscriber = connect(redisUrl, "registry-news", events.onError, {
    commandTimeout: NEWS_LATE_MAX_MS,
  });
  const news = listenForNews(subscriber, origin, events);
  const line = watchLine(client, events.onError, () => void writes.catchUp());
  const writes = createAnnouncements(client, origin, line, answersKeptMs, events.onNews);
  let storesInFlight = 0;

  return {
    async lookup(key, scopes) {
      const server = line.server();
      if (server === undefined || writes.behind()) return undefined;
      try {
        return await findCurrent(client, server, key, scopes);
      } catch (error) {
        line.failed(error);
        return undefined;
      }
    },
    store(key, stamp, answer, ttlMs) {
      if (!line.answers() || storesInFlight >= STORES_IN_FLIGHT_MAX) return;
      storesInFlight += 1;
      inTime(client.set(key, packAnswer(stamp, answer), "PX", ttlMs))
        .catch(line.failed)
        .finally(() => (storesInFlight -= 1));
    },
    announce: writes.announce,
    untold: writes.untold,
    listening: news.listening,
    started: line.started,
    ping: async () =>
      line.answers() &&
      inTime(client.ping()).then(
        () => true,
        () => false,
      ),
    async close() {
      line.close();
      await writes.catchUp();
      news.close();
      client.disconnect();
    },
  };
}

/** One round trip as long as the generations exist. */
async function findCurrent(
  client: Redis,
  server: string,
  key: string,
  scopes: readonly Scope[],
): Promise<{ stamp: string; answer?: Answer }> {
  const [stored, ...generations] = await inTime(client.mget(key, ...scopes.map(generationKey)));
  if (generations.includes(null))
    return { stamp: toStamp(server, await createGenerations(client, scopes)) };
  const stamp = toStamp(server, generations);
  const answer = unpackAnswer(stored ?? "", stamp);
  return answer === undefined ? { stamp } : { stamp, answer };
}

/** Fills in missing generations; two processes that do so at once end with the same ones. */
async function createGenerations(
  client: Redis,
  scopes: readonly Scope[],
): Promise<(string | null)[]> {
  const keys = scopes.map(generationKey);
  const pipeline = client.pipeline();
  for (const key of keys) pipeline.set(key, newGeneration(), "PX", GENERATION_TTL_MS, "NX");
  await runPipeline(pipeline);
  return inTime(client.mget(...keys));
}

/** The server is part of it: one that was restored from its disk has the generations of that time. */
function toStamp(server: string, generations: readonly (string | null)[]): string {
  // A generation evicted at this very moment: no answer will ever match a stamp made up on the spot.
  const joined = generations.map((generation) => generation ?? newGeneration()).join(".");
  return `${server}.${generations.length <= 2 ? joined : digest(joined)}`;
}

function connect(
  redisUrl: string,
  connectionName: string,
  onError: (error: Error) => void,
  options: Pick<RedisOptions, "commandTimeout"> = {},
): Redis {
  const client = new Redis(redisUrl, {
    connectionName,
    connectTimeout: CONNECT_TIMEOUT_MS,
    enableOfflineQueue: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (times) => Math.min(50 * times, RECONNECT_MAX_MS),
    ...options,
  });
  client.on("error", onError);
  return client;
}
