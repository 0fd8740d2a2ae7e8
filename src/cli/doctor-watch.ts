/** The watch over a doctor's windows: connections of its own, opened once, and the last window that was watched. */
import type { Redis } from "ioredis";
import type { Client } from "pg";
import { messageOf, redactSecrets } from "../core/errors.ts";
import type { TargetFile } from "../core/target-file.ts";
import { listenerOf } from "../target/doctor-threads.ts";
import { watchWindow, type Watched, type WatchSources } from "../target/doctor-watch.ts";
import { redisClient } from "../target/redis-server.ts";
import { connect } from "../target/sql.ts";
import type { LoadOptions } from "../target/window.ts";

export interface Watch {
  /** Has every load watched. */
  readonly around: (runLoad: LoadOptions["runLoad"]) => LoadOptions["runLoad"];
  /** Stores to look into; absent: not known. What cannot be reached is said in `problems`. */
  readonly open: (urls: StoreUrls) => Promise<void>;
  /** What was seen during the last load. */
  readonly last: () => Watched | undefined;
  /** A look without any load. Undefined before the first load, which tells where the service is. */
  readonly quiet: (lengthMs: number, signal: AbortSignal) => Promise<Watched | undefined>;
  readonly problems: () => readonly string[];
  readonly close: () => Promise<void>;
}

interface StoreUrls {
  readonly database: string | undefined;
  readonly redis: string | undefined;
}

export function openWatch(target: TargetFile): Watch {
  let database: Client | undefined;
  let redis: Redis | undefined;
  let baseUrl: string | undefined;
  let last: Watched | undefined;
  const problems = new Set<string>();
  const sources = async (): Promise<WatchSources> => ({
    page: baseUrl === undefined ? undefined : pageOf(target, baseUrl),
    database,
    redis,
    pid: baseUrl === undefined ? undefined : await listenerOf(baseUrl),
  });
  return {
    around: (runLoad) => async (run) => {
      baseUrl = run.baseUrl.replace(/\/+$/, "");
      last = undefined;
      const stop = new AbortController();
      const watching = watchWindow(await sources(), {
        startMs: run.warmupMs,
        lengthMs: run.windowMs,
        signal: AbortSignal.any([run.signal, stop.signal]),
      });
      try {
        const result = await runLoad(run);
        last = await watching;
        return result;
      } catch (error) {
        stop.abort();
        await watching.catch(() => {});
        throw error;
      }
    },
    open: async (urls) => {
      database = await tried(problems, "database", urls.database, connect);
      redis = await tried(problems, "Redis", urls.redis, async (url) => {
        const client = redisClient(url);
        await client.connect();
        return client;
      });
    },
    last: () => last,
    quiet: async (lengthMs, signal) =>
      watchWindow(await sources(), { startMs: 0, lengthMs, signal }),
    problems: () => [...problems],
    close: async () => {
      redis?.disconnect();
      await database?.end().catch(() => {});
    },
  };
}

async function tried<T>(
  problems: Set<string>,
  what: string,
  url: string | undefined,
  open: (url: string) => Promise<T>,
): Promise<T | undefined> {
  if (url === undefined) {
    problems.add(`${what}: nobody told where it is`);
    return undefined;
  }
  try {
    return await open(url);
  } catch (error) {
    problems.add(redactSecrets(`${what}: ${messageOf(error)}`));
    return undefined;
  }
}

function pageOf({ service }: TargetFile, baseUrl: string): WatchSources["page"] {
  const { metrics, headers } = service;
  return (
    metrics && {
      url: `${baseUrl}${metrics.path}`,
      series: metrics.series,
      ...(metrics.histograms ? { histograms: metrics.histograms } : {}),
      ...(headers ? { headers } : {}),
    }
  );
}
