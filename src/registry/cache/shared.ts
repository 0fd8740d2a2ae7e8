// L2: answers in Redis, stamped with the generations of their scopes, and the news of writes between processes.

import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import {
  GENERATION_TTL_MS,
  createAnnouncements,
  newGeneration,
  runPipeline,
} from "./announcements.ts";
import { INVALIDATION_CHANNEL, digest, generationKey } from "./keys.ts";
import type { Scope } from "./keys.ts";

export type SharedTier = {
  /** The stamp to store a fresh answer under, and the stored answer if it is current; undefined without Redis. */
  lookup(
    key: string,
    scopes: readonly Scope[],
  ): Promise<{ stamp: string; value?: string } | undefined>;
  /** Stores in the background; a failure only costs a later miss. */
  readonly store: (key: string, stamp: string, value: string, ttlMs: number) => void;
  /** Gives the scopes new generations and tells the other processes; never throws. */
  readonly announce: (scopes: readonly Scope[]) => Promise<void>;
  /** Whether news of other processes' writes arrives, without which L1 must not be used. */
  readonly listening: () => boolean;
  readonly ping: () => Promise<boolean>;
  readonly close: () => Promise<void>;
};

export type SharedTierEvents = {
  /** Another process wrote to these scopes. */
  readonly onNews: (scopes: readonly Scope[]) => void;
  /** News may have been missed. */
  readonly onGap: () => void;
  readonly onError: (error: Error) => void;
};

const COMMAND_TIMEOUT_MS = 250;
// After a failure Redis is left alone this long, so that a hung Redis costs one request its timeout, not all.
const REST_MS = 1_000;
const RECONNECT_MAX_MS = 1_000;
const STORES_IN_FLIGHT_MAX = 256;

export function openSharedTier(redisUrl: string, events: SharedTierEvents): SharedTier {
  const origin = randomBytes(9).toString("base64url");
  const client = connect(redisUrl, "registry-cache", events.onError);
  const news = listen(redisUrl, origin, events);
  let restUntilMs = 0;
  let storesInFlight = 0;
  const failed = (error: unknown): void => {
    restUntilMs = performance.now() + REST_MS;
    events.onError(error instanceof Error ? error : new Error(String(error)));
  };
  const reachable = (): boolean => client.status === "ready" && performance.now() >= restUntilMs;
  const writes = createAnnouncements(client, origin, { reachable, failed });
  client.on("ready", () => void writes.catchUp());
  const retry = setInterval(() => void writes.catchUp(), REST_MS).unref();

  return {
    async lookup(key, scopes) {
      if (!reachable() || writes.behind()) return undefined;
      try {
        return await findCurrent(client, key, scopes);
      } catch (error) {
        failed(error);
        return undefined;
      }
    },
    store(key, stamp, value, ttlMs) {
      if (!reachable() || storesInFlight >= STORES_IN_FLIGHT_MAX) return;
      storesInFlight += 1;
      client
        .set(key, `${stamp}\n${value}`, "PX", ttlMs)
        .catch(failed)
        .finally(() => (storesInFlight -= 1));
    },
    announce: writes.announce,
    listening: news.listening,
    ping: async () =>
      reachable() &&
      client.ping().then(
        () => true,
        () => false,
      ),
    async close() {
      clearInterval(retry);
      await writes.catchUp();
      news.close();
      client.disconnect();
    },
  };
}

/** One round trip as long as the generations exist. */
async function findCurrent(
  client: Redis,
  key: string,
  scopes: readonly Scope[],
): Promise<{ stamp: string; value?: string }> {
  const [stored, ...generations] = await client.mget(key, ...scopes.map(generationKey));
  if (generations.includes(null))
    return { stamp: toStamp(await createGenerations(client, scopes)) };
  const stamp = toStamp(generations);
  if (!stored?.startsWith(`${stamp}\n`)) return { stamp };
  return { stamp, value: stored.slice(stamp.length + 1) };
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
  return client.mget(...keys);
}

function toStamp(generations: readonly (string | null)[]): string {
  // A generation evicted at this very moment: no answer will ever match a stamp made up on the spot.
  const joined = generations.map((generation) => generation ?? newGeneration()).join(".");
  return generations.length <= 2 ? joined : digest(joined);
}

function connect(redisUrl: string, connectionName: string, onError: (error: Error) => void): Redis {
  const client = new Redis(redisUrl, {
    connectionName,
    connectTimeout: COMMAND_TIMEOUT_MS,
    commandTimeout: COMMAND_TIMEOUT_MS,
    enableOfflineQueue: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (times) => Math.min(50 * times, RECONNECT_MAX_MS),
  });
  client.on("error", onError);
  return client;
}

function listen(
  redisUrl: string,
  origin: string,
  events: SharedTierEvents,
): Pick<SharedTier, "listening"> & { readonly close: () => void } {
  const subscriber = connect(redisUrl, "registry-news", events.onError);
  let listening = false;
  const subscribe = async (): Promise<void> => {
    try {
      await subscriber.subscribe(INVALIDATION_CHANNEL);
      // What was written while nobody listened is unknown, so L1 starts empty.
      events.onGap();
      listening = true;
    } catch (error) {
      events.onError(error instanceof Error ? error : new Error(String(error)));
      // A connection that does not listen is of no use: the next one tries again.
      subscriber.disconnect(true);
    }
  };
  subscriber.on("ready", () => void subscribe());
  subscriber.on("close", () => {
    listening = false;
    events.onGap();
  });
  subscriber.on("message", (_channel: string, message: string) => {
    const written = readNews(message);
    if (written === undefined) events.onGap();
    else if (written.origin !== origin) events.onNews(written.scopes);
  });
  return {
    listening: () => listening,
    close: () => subscriber.disconnect(),
  };
}

function readNews(message: string): { origin: unknown; scopes: Scope[] } | undefined {
  try {
    const news: unknown = JSON.parse(message);
    if (typeof news !== "object" || news === null || !("origin" in news) || !("scopes" in news))
      return undefined;
    const { origin, scopes } = news;
    if (!Array.isArray(scopes) || !scopes.every((scope) => typeof scope === "string"))
      return undefined;
    return { origin, scopes };
  } catch {
    return undefined;
  }
}
