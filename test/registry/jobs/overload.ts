/** Jobs offered as fast as they are done, and at twice that rate, by turns. */
import { setTimeout as wait } from "node:timers/promises";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { Pool } from "undici";
import { API_BASE } from "../../../src/registry/endpoint.ts";
import { openRegistry } from "../client.ts";
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
  readonly waitingLow: number;
  readonly waitingHigh: number;
}

export interface OverloadResult {
  readonly workers: number;
  /** One at capacity, one overloaded, and so on; the first and the last are at capacity. */
  readonly windows: readonly OverloadWindow[];
  /** Of each overloaded window: done in it, of the mean of what was done in the two at capacity around it. */
  readonly shares: readonly number[];
}

const WORKERS = 4;
const QUEUE_LIMIT = 40;
const CONTENT_BYTES = 512 * 1024;
const OVERLOAD_FACTOR = 2;
const CONNECTIONS = 64;
const TICK_MS = 20;
/** Threads, connections and code get warm. */
const WARM_UP_MS = 1_500;
/** Of each window, not counted: what one leaves in the queue is worked off, and a queue that may grow grows. */
const LEAD_IN_MS = 500;

export async function playOverload(
  stores: Stores,
  windowMs: number,
  overloads: number,
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
  const atCapacity = (ms: number): Promise<OverloadWindow> =>
    playWindow(pool, look, "capacity", ms, halfFull);
  try {
    await atCapacity(WARM_UP_MS);
    let before = await atCapacity(windowMs);
    const windows = [before];
    const shares: number[] = [];
    while (shares.length < overloads) {
      const rate = OVERLOAD_FACTOR * before.donePerSecond;
      const overloaded = await playWindow(pool, look, "twice that", windowMs, atRate(rate));
      const after = await atCapacity(windowMs);
      windows.push(overloaded, after);
      shares.push((2 * overloaded.donePerSecond) / (before.donePerSecond + after.donePerSecond));
      before = after;
    }
    return { workers: WORKERS, windows, shares };
  } finally {
    await pool.destroy();
    await service.kill();
    await look.close();
  }
}

/** How many jobs to send now. */
type Offer = (now: {
  readonly atMs: number;
  readonly sent: number;
  readonly waiting: number;
  readonly underWay: number;
}) => number;

/** The workers never wait for a job, and none is refused. */
const halfFull: Offer = ({ waiting, underWay }) => QUEUE_LIMIT / 2 - waiting - underWay;

/** Requests leave at their times, whatever becomes of the earlier ones. */
const atRate =
  (perSecond: number): Offer =>
  ({ atMs, sent }) =>
    Math.floor((atMs / 1_000) * perSecond) - sent;

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

async function playWindow(
  pool: Pool,
  look: Look,
  name: string,
  windowMs: number,
  offer: Offer,
): Promise<OverloadWindow> {
  const [lead, counted] = [newTally(), newTally()];
  await playFor(pool, look, LEAD_IN_MS, offer, lead);
  const fromMs = await clock(look);
  const waiting = await playFor(pool, look, windowMs, offer, counted);
  const toMs = await clock(look);
  const done = await look.number(
    "SELECT count(*) FROM jobs WHERE state = 'done' AND finished_ms > $1 AND finished_ms <= $2",
    [fromMs, toMs],
  );
  await Promise.all([...lead.underWay, ...counted.underWay]);
  const seconds = (toMs - fromMs) / 1_000;
  const { sent, refusals } = counted;
  return {
    name,
    offeredPerSecond: sent / seconds,
    donePerSecond: done / seconds,
    refusedPerSecond: refusals.length / seconds,
    refused: refusals.length,
    withRetryAfter: refusals.filter((told) => told).length,
    waitingLow: Math.min(...waiting),
    waitingHigh: Math.max(...waiting),
  };
}

interface Tally {
  sent: number;
  /** Of each refusal, whether it said when to come back. */
  readonly refusals: boolean[];
  readonly underWay: Set<Promise<void>>;
}

const newTally = (): Tally => ({ sent: 0, refusals: [], underWay: new Set() });

/** How many jobs waited, as seen again and again. */
async function playFor(
  pool: Pool,
  look: Look,
  ms: number,
  offer: Offer,
  tally: Tally,
): Promise<readonly number[]> {
  const seen: number[] = [];
  const startedMs = performance.now();
  for (;;) {
    const waiting = await look.number("SELECT count(*) FROM jobs WHERE state = 'waiting'");
    seen.push(waiting);
    const atMs = performance.now() - startedMs;
    if (atMs >= ms) return seen;
    const { sent, underWay, refusals } = tally;
    const now = offer({ atMs, sent, waiting, underWay: underWay.size });
    for (let job = 0; job < now; job += 1) {
      const asked = ask(pool, refusals).finally(() => underWay.delete(asked));
      underWay.add(asked);
      tally.sent += 1;
    }
    await wait(TICK_MS);
  }
}

function clock(look: Look): Promise<number> {
  return look.number("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint");
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
