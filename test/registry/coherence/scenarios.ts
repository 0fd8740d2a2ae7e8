/** What happens to Redis and the network while the traffic runs, and what is promised meanwhile. */
import { setTimeout as wait } from "node:timers/promises";
import { Redis } from "ioredis";
import { NEWS_LATE_MAX_MS } from "../../../src/registry/cache/news.ts";
import type { Stores } from "../stores.ts";
import type { Promised } from "./history.ts";
import type { Proxy } from "./proxy.ts";

export interface Stage {
  readonly stores: Stores;
  /** Between Redis and the first process only. */
  readonly proxy: Proxy;
  /** How many parts of the data the first process wrote to without having been able to tell the others. */
  readonly untold: () => Promise<number>;
  /** Lets the traffic go on for a stretch of time, and for more if it is slow. */
  readonly watch: () => Promise<void>;
}

export interface Scenario {
  readonly name: string;
  /** What is promised is known once it is over: it may depend on when things happened. */
  readonly play: (stage: Stage) => Promise<Promised>;
}

// Longer than a process that lost Redis leaves it alone afterwards: its caches are in use again.
const BELIEVED_AGAIN_MS = 1_500;
const FLUSH_EVERY_MS = 50;
const TELL_MAX_MS = 20_000;

/** The writer's own readers miss nothing; the others at most what was written just now. */
export const usually: Promised = (read, write) =>
  read.process === write.process ? 0 : NEWS_LATE_MAX_MS;

export const scenarios: readonly Scenario[] = [
  {
    name: "nothing happens",
    async play({ watch }) {
      await watch();
      await watch();
      return usually;
    },
  },
  {
    name: "Redis evicts answers and generations",
    play: ({ stores, watch }) =>
      withRedis(stores, async (redis) => {
        const [, used] = /used_memory:(\d+)/.exec(await redis.info("memory")) ?? [];
        await redis.config("SET", "maxmemory-policy", "allkeys-random");
        await redis.config("SET", "maxmemory", String(Number(used) - 30_000));
        await watch();
        await watch();
        const [, evicted] = /evicted_keys:(\d+)/.exec(await redis.info("stats")) ?? [];
        if (!(Number(evicted) > 0)) throw new Error("Redis evicted nothing.");
        await redis.config("SET", "maxmemory", "0");
        return usually;
      }),
  },
  {
    name: "Redis is full and evicts nothing",
    play: ({ stores, watch }) =>
      withRedis(stores, async (redis) => {
        await redis.config("SET", "maxmemory-policy", "noeviction");
        await redis.config("SET", "maxmemory", "100000");
        await watch();
        await redis.config("SET", "maxmemory", "0");
        await watch();
        return usually;
      }),
  },
  {
    name: "Redis loses everything, again and again",
    play: ({ stores, watch }) =>
      withRedis(stores, async (redis) => {
        const flushing = setInterval(() => void redis.flushall(), FLUSH_EVERY_MS);
        await watch().finally(() => clearInterval(flushing));
        await watch();
        return usually;
      }),
  },
  {
    name: "Redis hangs for all and comes back with its data",
    async play({ stores, watch }) {
      await watch();
      stores.pauseRedis();
      await watch();
      stores.resumeRedis();
      await wait(BELIEVED_AGAIN_MS);
      await watch();
      return usually;
    },
  },
  {
    name: "Redis dies and comes back with older data",
    async play({ stores, watch }) {
      await withRedis(stores, (redis) => redis.save());
      await watch();
      await stores.stopRedis();
      await watch();
      await stores.startRedis();
      await wait(BELIEVED_AGAIN_MS);
      await watch();
      return usually;
    },
  },
  {
    name: "one process alone loses Redis and finds it again",
    async play({ proxy, untold, watch }) {
      await watch();
      const hungMs = performance.now();
      proxy.hang();
      await watch();
      await watch();
      if ((await untold()) === 0) throw new Error("Nothing was written while Redis was lost.");
      proxy.heal();
      const deadlineMs = performance.now() + TELL_MAX_MS;
      while ((await untold()) > 0 && performance.now() < deadlineMs) await wait(10);
      const toldMs = performance.now();
      await wait(BELIEVED_AGAIN_MS);
      await watch();
      return (read, write) => {
        const untold = write.process === 0 && read.process !== 0 && write.endMs >= hungMs;
        return untold && read.startMs < toldMs ? Infinity : usually(read, write);
      };
    },
  },
];

async function withRedis<T>(stores: Stores, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(stores.redisUrl);
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}
