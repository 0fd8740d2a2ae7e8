// News of other processes' writes, and whether it can be relied on that none is missing.

import type { Redis } from "ioredis";
import { INVALIDATION_CHANNEL } from "./keys.ts";
import type { Scope } from "./keys.ts";

export type NewsEvents = {
  /** Another process wrote to these scopes. */
  readonly onNews: (scopes: readonly Scope[]) => void;
  /** News may have been missed. */
  readonly onGap: () => void;
  readonly onError: (error: Error) => void;
};

export type News = {
  /** Whether all that was published until NEWS_LATE_MAX_MS ago has arrived. */
  readonly listening: () => boolean;
  readonly close: () => void;
};

/** What another process wrote longer ago than this is known, or nothing is taken from L1: also if the connection hangs or the process was stopped. */
export const NEWS_LATE_MAX_MS = 2_000;
const CHECK_MS = 250;

/** `subscriber` is a connection of its own whose commands time out after NEWS_LATE_MAX_MS. */
export function listenForNews(subscriber: Redis, origin: string, events: NewsEvents): News {
  let subscribed = false;
  let confirmedMs = -Infinity;
  let checking = false;
  const failed = (error: unknown): void => {
    events.onError(error instanceof Error ? error : new Error(String(error)));
    // A connection that does not listen is of no use: the next one tries again.
    subscriber.disconnect(true);
  };

  async function subscribe(): Promise<void> {
    const sentMs = performance.now();
    try {
      await subscriber.subscribe(INVALIDATION_CHANNEL);
      // What was written while nobody listened is unknown, so L1 starts empty.
      events.onGap();
      confirmedMs = sentMs;
      subscribed = true;
    } catch (error) {
      failed(error);
    }
  }

  /** Redis answers in order: with the answer, all that was published before the question has arrived. */
  async function check(): Promise<void> {
    if (!subscribed || checking) return;
    checking = true;
    const sentMs = performance.now();
    try {
      await subscriber.ping();
      confirmedMs = sentMs;
    } catch (error) {
      if (subscribed) failed(error);
    } finally {
      checking = false;
    }
  }

  subscriber.on("ready", () => void subscribe());
  subscriber.on("close", () => {
    subscribed = false;
    events.onGap();
  });
  subscriber.on("message", (_channel: string, message: string) => {
    const written = readNews(message);
    if (written === undefined) events.onGap();
    else if (written.origin !== origin) events.onNews(written.scopes);
  });
  const timer = setInterval(() => void check(), CHECK_MS).unref();
  return {
    listening: () => subscribed && performance.now() - confirmedMs < NEWS_LATE_MAX_MS,
    close() {
      clearInterval(timer);
      subscriber.disconnect();
    },
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
