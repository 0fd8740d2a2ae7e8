// The queue in Redis: BullMQ carries tickets that name jobs, in the order of their ranks; losing some, or all, loses no job.

import { Queue, Worker } from "bullmq";
import type { Job as BullJob } from "bullmq";
import { Redis } from "ioredis";
import type { RedisOptions } from "ioredis";
import { priorityOf } from "./job.ts";
import type { Order } from "./job.ts";
import type { Ticket } from "./store.ts";

export type Tickets = {
  /** Sends tickets in the background, many in one go; those that Redis does not take are found missing by the sweep. */
  readonly send: (tickets: readonly Ticket[]) => void;
  /** Tickets in the queue and with workers; undefined while Redis does not answer. */
  readonly count: () => Promise<number | undefined>;
  /** Serves tickets, `concurrency` batches at a time, from the first wake until it is stopped. */
  readonly serve: (concurrency: number, batch: number, serve: Serve) => TicketService;
  readonly close: () => Promise<void>;
};

/** Begins and ends the jobs that the tickets name; a rejection costs the tickets, not the jobs. */
export type Serve = (jobIds: readonly number[]) => Promise<void>;

export type TicketService = {
  /** Takes tickets; without delay while it is awake. */
  readonly wake: () => void;
  /** Takes no more tickets, and sends Redis nothing once those being served are. */
  readonly rest: () => void;
  /** Takes no more tickets; settles when those being served are, or after `timeoutMs`. */
  readonly stop: (timeoutMs: number) => Promise<void>;
};

/** All of BullMQ's keys begin with it; those of the cache begin with `reg:`. */
const PREFIX = "regjobs";
const SENT_AT_ONCE_MAX = 500;
const UNSENT_MAX = 50_000;
const COMMAND_TIMEOUT_MS = 2_000;
const RECONNECT_MAX_MS = 500;
const EVENTS_MAX = 100;
// A ticket of a worker that died is served again after it; by then the sweep has usually sent another one.
const LOCK_MS = 30_000;

const shared = {
  // INFO would be asked for nothing but the version and the eviction policy, which may be any: see docs/registry-jobs.md.
  skipVersionCheck: true,
  prefix: PREFIX,
} as const;

export function openTickets(
  redisUrl: string,
  name: string,
  order: Order,
  failed: (error: unknown) => void,
): Tickets {
  // Nothing waits for a Redis that is away: a ticket that cannot be sent at once is sent again by the sweep.
  const client = connect(redisUrl, failed, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: COMMAND_TIMEOUT_MS,
  });
  const queue = new Queue<number>(name, {
    ...shared,
    connection: client,
    skipWaitingForReady: true,
    streams: { events: { maxLen: EVENTS_MAX } },
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
  });
  queue.on("error", failed);
  let unsent: Ticket[] = [];
  let sending: Promise<void> | undefined;

  async function sendAll(): Promise<void> {
    // What comes in the same turn of the event loop goes in the same round trip.
    await new Promise((resolve) => setImmediate(resolve));
    while (unsent.length > 0) {
      const tickets = unsent.splice(0, SENT_AT_ONCE_MAX);
      try {
        const nowMs = Date.now();
        await queue.addBulk(tickets.map((ticket) => toBull(ticket, nowMs, order)));
      } catch (error) {
        failed(error);
        unsent = [];
      }
    }
    sending = undefined;
  }

  return {
    send(tickets) {
      if (client.status !== "ready" || unsent.length >= UNSENT_MAX) return;
      unsent.push(...tickets);
      sending ??= sendAll();
    },
    async count() {
      try {
        const counts = await queue.getJobCounts("wait", "prioritized", "active");
        return Object.values(counts).reduce((sum, count) => sum + count, 0);
      } catch {
        return undefined;
      }
    },
    serve: (concurrency, batch, serve) =>
      startService(redisUrl, name, concurrency, batch, serve, failed),
    async close() {
      await sending;
      await within(COMMAND_TIMEOUT_MS, queue.close()).catch(failed);
      client.disconnect();
    },
  };
}

function toBull(
  { jobId, number, rankMs }: Ticket,
  nowMs: number,
  order: Order,
): Parameters<Queue<number>["addBulk"]>[0][number] {
  const priority = priorityOf(rankMs, nowMs, order);
  return {
    name: "job",
    data: jobId,
    opts: { jobId: `${jobId}-${number}`, ...(priority > 0 ? { priority } : {}) },
  };
}

function startService(
  redisUrl: string,
  name: string,
  concurrency: number,
  batch: number,
  serve: Serve,
  failed: (error: unknown) => void,
): TicketService {
  const client = connect(redisUrl, failed, { maxRetriesPerRequest: null });
  const worker: Worker<number> = new Worker<number>(
    name,
    async (ticket, token = "") => {
      const more = await takeMore(worker, batch - 1, token);
      try {
        await serve([ticket.data, ...more.map(({ data }) => data)]);
      } finally {
        await Promise.all(
          more.map((each) => each.moveToCompleted(null, each.token ?? "", false).catch(failed)),
        );
      }
    },
    {
      ...shared,
      connection: client,
      autorun: false,
      concurrency,
      lockDuration: LOCK_MS,
      stalledInterval: LOCK_MS,
      // The table counts attempts; a ticket that comes twice is only a ticket without a job.
      maxStalledCount: 10,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    },
  );
  worker.on("error", failed);
  const setAwake = oneAtATime((awake) => (awake ? worker.resume() : worker.pause()), failed);
  return {
    wake: () => setAwake(true),
    rest: () => setAwake(false),
    async stop(timeoutMs) {
      await within(timeoutMs, worker.close()).catch(async (error: unknown) => {
        failed(error);
        await within(COMMAND_TIMEOUT_MS, worker.close(true)).catch(failed);
      });
      client.disconnect();
    },
  };
}

/** Off at first. Switches to what was asked for last; what was asked for meanwhile is left out. */
function oneAtATime(
  change: (on: boolean) => Promise<void>,
  failed: (error: unknown) => void,
): (on: boolean) => void {
  let is = false;
  let wanted = false;
  let changing: Promise<void> | undefined;

  async function follow(): Promise<void> {
    while (is !== wanted) {
      is = wanted;
      await change(is).catch(failed);
    }
    changing = undefined;
  }

  return (on) => {
    wanted = on;
    changing ??= follow();
  };
}

/** Further tickets that are there already: asked for in one go, and not waited for. */
async function takeMore(
  worker: Worker<number>,
  most: number,
  token: string,
): Promise<readonly BullJob<number>[]> {
  if (most === 0) return [];
  const taken = await Promise.all(
    Array.from({ length: most }, (_, index) =>
      worker.getNextJob(`${token}:${index}`, { block: false }).catch(() => undefined),
    ),
  );
  return taken.filter((ticket) => ticket !== undefined);
}

type RedisOptionsOfUse = Pick<
  RedisOptions,
  "enableOfflineQueue" | "maxRetriesPerRequest" | "commandTimeout"
>;

/** A connection that comes back by itself, for as long as it is not closed. */
export function connect(
  redisUrl: string,
  failed: (error: unknown) => void,
  options: RedisOptionsOfUse,
): Redis {
  const client = new Redis(redisUrl, {
    connectionName: "registry-jobs",
    retryStrategy: (times) => Math.min(50 * times, RECONNECT_MAX_MS),
    ...options,
  });
  client.on("error", failed);
  return client;
}

async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Not over within ${timeoutMs} ms.`)), timeoutMs);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
