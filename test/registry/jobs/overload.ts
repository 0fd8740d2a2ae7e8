/** Jobs offered at rates of their own, up to twice of what was measured to be done. */
import { setTimeout as wait } from "node:timers/promises";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { Pool } from "undici";
import { API_BASE } from "../../../src/registry/endpoint.ts";
import { eventually, openRegistry } from "../client.ts";
import type { Stores } from "../stores.ts";
import { startProgram } from "./program.ts";
import { lookInto, uploadArtifact, type Look } from "./world.ts";

export interface OverloadWindow {
  readonly name: string;
  readonly offeredPerSecond: number;
  readonly donePerSecond: number;
  readonly refusedPerSecond: number;
  readonly refused: number;
  readonly withRetryAfter: number;
  readonly waitingMax: number;
}

export interface OverloadResult {
  readonly workers: number;
  readonly windows: readonly OverloadWindow[];
  /** The most jobs a second that were done in a window. */
  readonly peak: number;
  readonly overloaded: OverloadWindow;
}

const WORKERS = 4;
const QUEUE_LIMIT = 40;
const CONTENT_BYTES = 512 * 1024;
/** The rate goes up by it until less is done than this share of what is offered. */
const STEP_FACTOR = 1.3;
const KEPT_UP_SHARE = 0.9;
const CONNECTIONS = 64;
const TICK_MS = 10;
const DEPTH_EVERY_MS = 100;

export async function playOverload(
  stores: Stores,
  windowMs: number,
  stepsMax: number,
): Promise<OverloadResult> {
  const DATABASE_URL = await stores.createDatabase("overload");
  const environment = {
    DATABASE_URL,
    REDIS_URL: stores.redisUrl,
    JOB_WORKERS: String(WORKERS),
    JOB_QUEUE_LIMIT: String(QUEUE_LIMIT),
    THREADS_MAX: "2",
  };
  await prepare(environment);
  const [service, look] = await Promise.all([
    startProgram("main", { ...environment, PORT: "0" }),
    lookInto(DATABASE_URL),
  ]);
  const pool = new Pool(service.url ?? "", { connections: CONNECTIONS });
  try {
    const measure = (name: string, perSecond: number): Promise<OverloadWindow> =>
      playWindow(pool, look, name, perSecond, windowMs);
    // Threads, connections and code get warm; then what a full queue is emptied at says where to look.
    await drainFull(pool, look);
    let perSecond = (await drainFull(pool, look)) / 2;
    const windows: OverloadWindow[] = [];
    let behind = 0;
    for (let step = 0; step < stepsMax; step += 1) {
      const window = await measure("up to capacity", perSecond);
      windows.push(window);
      if (window.donePerSecond < window.offeredPerSecond * KEPT_UP_SHARE) behind += 1;
      // One may be the machine's doing.
      if (behind === 2) break;
      perSecond *= STEP_FACTOR;
    }
    const peak = Math.max(...windows.map(({ donePerSecond }) => donePerSecond));
    const overloaded = await measure("twice the peak", peak * 2);
    return { workers: WORKERS, windows: [...windows, overloaded], peak, overloaded };
  } finally {
    await pool.destroy();
    await service.kill();
    await look.close();
  }
}

/** Jobs a second of a queue that was filled and is left alone. */
async function drainFull(pool: Pool, look: Look): Promise<number> {
  const jobs = QUEUE_LIMIT / 2;
  const startedMs = performance.now();
  await Promise.all(Array.from({ length: jobs }, () => ask(pool, [])));
  await idle(look);
  return (jobs * 1_000) / (performance.now() - startedMs);
}

/** A model version with an artifact that takes some work. */
async function prepare(environment: Record<string, string>): Promise<void> {
  const api = await openRegistry({ ...environment, JOB_WORKERS: "0" });
  await api.post("registered-models/create", { name: "m" });
  await api.post("model-versions/create", { name: "m", source: "s" });
  const random = xoroshiro128plus(1);
  const words = Array.from({ length: CONTENT_BYTES / 4 }, () => random.next());
  await uploadArtifact(
    api.url,
    { name: "m", version: 1 },
    new Uint8Array(Int32Array.from(words).buffer),
  );
  await api.close();
}

/** Requests leave at their times whatever becomes of the earlier ones. */
async function playWindow(
  pool: Pool,
  look: Look,
  name: string,
  perSecond: number,
  windowMs: number,
): Promise<OverloadWindow> {
  const refusals: boolean[] = [];
  const underWay: Promise<void>[] = [];
  const clock = (): Promise<number> =>
    look.number("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint");
  let waitingMax = 0;
  const fromMs = await clock();
  const startedMs = performance.now();
  let lookMs = 0;
  for (let sent = 0; ;) {
    const atMs = performance.now() - startedMs;
    if (atMs >= windowMs) break;
    for (; sent < (atMs / 1_000) * perSecond; sent += 1) underWay.push(ask(pool, refusals));
    if (atMs >= lookMs) {
      lookMs = atMs + DEPTH_EVERY_MS;
      waitingMax = Math.max(
        waitingMax,
        await look.number("SELECT count(*) FROM jobs WHERE state = 'waiting'"),
      );
    } else await wait(TICK_MS);
  }
  const toMs = await clock();
  const done = await look.number(
    "SELECT count(*) FROM jobs WHERE state = 'done' AND finished_ms > $1 AND finished_ms <= $2",
    [fromMs, toMs],
  );
  await Promise.all(underWay);
  const seconds = (toMs - fromMs) / 1_000;
  // No window is to work off what another one left.
  await idle(look);
  return {
    name,
    offeredPerSecond: underWay.length / seconds,
    donePerSecond: done / seconds,
    refusedPerSecond: refusals.length / seconds,
    refused: refusals.length,
    withRetryAfter: refusals.filter((told) => told).length,
    waitingMax,
  };
}

function idle(look: Look): Promise<void> {
  return eventually(async () => {
    await wait(DEPTH_EVERY_MS);
    return (await look.number("SELECT count(*) FROM jobs WHERE state <> 'done'")) === 0;
  });
}

async function ask(pool: Pool, refusals: boolean[]): Promise<void> {
  const { statusCode, headers, body } = await pool.request({
    method: "POST",
    path: `${API_BASE}/jobs/create`,
    body: JSON.stringify({ kind: "scan", name: "m", version: 1 }),
    headers: { "content-type": "application/json" },
  });
  const text = await body.text();
  if (statusCode === 503) refusals.push(Number(headers["retry-after"]) >= 1);
  else if (statusCode !== 200)
    throw new Error(`jobs/create was answered with ${statusCode}: ${text}`);
}
