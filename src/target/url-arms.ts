/** Services that perfopt did not start, by their URLs: loaded as they are, with what can be read of them from outside. */
import type { Redis } from "ioredis";
import type { Client } from "pg";
import { messageOf, redactSecrets } from "../core/errors.ts";
import type { Replay, ReplayRequest } from "../core/replay.ts";
import type { TargetFile } from "../core/target-file.ts";
import type { Role } from "../core/trial.ts";
import { NO_REDIS, readStatements, type Sources } from "./counters.ts";
import type { OpenGateArms } from "./gate-arms.ts";
import { scrape, type MetricsPage } from "./prometheus.ts";
import { askInfo, redisClient } from "./redis-server.ts";
import { replayOn, type ReplayLoad } from "./replay.ts";
import { sampleFrom } from "./sample.ts";
import type { Solo } from "./solo.ts";
import { connect } from "./sql.ts";
import { oneAtATime } from "./stand.ts";
import { measureWindow, type LoadOptions, type Subject } from "./window.ts";

const SOLO_DESIGN = "a service that perfopt did not start, as it was found";
const PAIR_DESIGN =
  "two services that perfopt did not start, measured in interleaved pairs with one under load at a time; their processes, caches and data are as they were found, and need not be alike";

const NOT_FRESH =
  "a fresh process with an empty Redis: perfopt did not start this service, so caches are as they were found";

/** A service and what is known of it: its metrics page, and the stores that the target file names by URL. */
export interface UrlSide {
  readonly baseUrl: string;
  readonly targetFile: TargetFile;
}

export interface UrlOptions extends LoadOptions {
  /** Absent: nothing is replayed. */
  readonly replay?: ReplayLoad;
}

export interface UrlArmsOptions extends UrlOptions {
  readonly sides: Readonly<Record<Role, UrlSide>>;
}

export async function openUrlArms(options: UrlArmsOptions): Promise<OpenGateArms> {
  const incumbent = await openUrl(options.sides.incumbent, options);
  const candidate = await openUrl(options.sides.candidate, options).catch(
    async (error: unknown) => {
      await incumbent.close();
      throw error;
    },
  );
  const solos = { incumbent, candidate };
  const { replay: replayBase } = incumbent;
  const { replay: replayHead } = candidate;
  const exclusively = oneAtATime(() => {});
  return {
    design: PAIR_DESIGN,
    restartArms: undefined,
    sample: ({ role, ...request }) => exclusively(() => solos[role].sample(request)),
    saturate: (seed) => exclusively(() => incumbent.saturate(seed)),
    replay:
      replayBase &&
      replayHead &&
      ((role, request) =>
        exclusively(() => (role === "incumbent" ? replayBase : replayHead)(request))),
    close: () =>
      exclusively(async () => {
        await incumbent.close();
        await candidate.close();
      }),
  };
}

/** Whatever cannot be reached is left out, and named in the samples' `unmeasured`: the load alone decides whether a window is valid. */
export async function openUrl(side: UrlSide, options: UrlOptions): Promise<Solo> {
  const baseUrl = side.baseUrl.replace(/\/+$/, "");
  const unmeasured: string[] = [];
  const database = await openDatabase(side.targetFile, unmeasured);
  const redis = await openRedis(side.targetFile, unmeasured);
  const metrics = await metricsOf(baseUrl, side.targetFile, unmeasured);
  const service = { kind: "unknown", why: "perfopt did not start it" } as const;
  const sources = { database, postmasterPid: undefined, redis, service, metrics, unmeasured };
  const subject: Subject = { baseUrl, process: undefined, poolMax: undefined, sources };
  const { replay } = options;
  const exclusively = oneAtATime(() => {});
  return {
    design: SOLO_DESIGN,
    restart: async () => {},
    sample: (request) =>
      exclusively(async () =>
        sampleFrom(await measureWindow(subject, { ...request, trace: false }, options)),
      ),
    observe: undefined,
    saturate: (seed) =>
      exclusively(() => options.saturate({ baseUrl, seed, signal: options.signal })),
    replay:
      replay && (await canCount(sources))
        ? (request) => exclusively(() => replayAsFound(subject, request, replay, options.signal))
        : undefined,
    close: async () => {
      redis?.disconnect();
      await database?.end();
    },
  };
}

async function openDatabase(
  { postgres }: TargetFile,
  unmeasured: string[],
): Promise<Client | undefined> {
  if (postgres.kind !== "url") {
    unmeasured.push(`SQL statements, rows and buffers: ${whyNoStore(postgres, "postgres.url")}`);
    return undefined;
  }
  try {
    const client = await connect(postgres.url);
    unmeasured.push(
      "who caused SQL statements, rows and buffers: they are those of the whole database, whoever used it",
    );
    return client;
  } catch (error) {
    unmeasured.push(`SQL statements, rows and buffers: ${messageOf(error)}`);
    return undefined;
  }
}

function whyNoStore({ kind }: TargetFile["postgres"], setting: string): string {
  return kind === "none"
    ? "no target file says what stores this service has"
    : `the target file does not say where this service has them (${setting})`;
}

async function openRedis(
  { redis, postgres }: TargetFile,
  unmeasured: string[],
): Promise<Redis | undefined> {
  if (redis?.kind !== "url") {
    const unknown = redis !== undefined || postgres.kind === "none";
    unmeasured.push(unknown ? `Redis: ${whyNoStore(postgres, "redis.url")}` : NO_REDIS);
    return undefined;
  }
  const client = redisClient(redis.url);
  try {
    await client.connect();
    await askInfo(client);
    unmeasured.push(
      "who caused Redis commands: they are those of the whole server, whoever used it",
    );
    return client;
  } catch (error) {
    client.disconnect();
    unmeasured.push(`Redis: ${redactSecrets(messageOf(error))}`);
    return undefined;
  }
}

async function metricsOf(
  baseUrl: string,
  { service }: TargetFile,
  unmeasured: string[],
): Promise<MetricsPage | undefined> {
  const { metrics, headers } = service;
  if (!metrics) return undefined;
  const page = {
    url: `${baseUrl}${metrics.path}`,
    series: metrics.series,
    ...(metrics.histograms ? { histograms: metrics.histograms } : {}),
    ...(headers ? { headers } : {}),
  };
  try {
    await scrape(page);
    return page;
  } catch (error) {
    unmeasured.push(`pool, caches and event loop: ${messageOf(error)}`);
    return undefined;
  }
}

async function canCount({ database, redis }: Sources): Promise<boolean> {
  if (redis) return true;
  return database !== undefined && typeof (await readStatements(database, "all")) !== "string";
}

async function replayAsFound(
  subject: Subject,
  request: ReplayRequest,
  load: ReplayLoad,
  signal: AbortSignal,
): Promise<Replay> {
  const replay = await replayOn(subject, request, { ...load, signal });
  return { ...replay, unmeasured: [...replay.unmeasured, NOT_FRESH] };
}
