// The jobs of one process: takes them in up to the bound, works on them, and looks after those that were forgotten.

import { randomInt } from "node:crypto";
import type { Scope } from "../cache/keys.ts";
import type { Compute } from "../compute/compute.ts";
import type { RegistryConfig } from "../config.ts";
import { openDatabase } from "../database.ts";
import type { Database, Queryable } from "../database.ts";
import { ALWAYS_AWAKE, createAlertness } from "./alertness.ts";
import type { Alertness } from "./alertness.ts";
import { createAttempts } from "./attempts.ts";
import type { Attempts } from "./attempts.ts";
import { openBell } from "./bell.ts";
import type { Bell } from "./bell.ts";
import { inBackground } from "./background.ts";
import type { Background } from "./background.ts";
import { createDepth } from "./depth.ts";
import type { Depth } from "./depth.ts";
import { intakeOf } from "./intake.ts";
import type { Accept } from "./intake.ts";
import { rankOffsetMs } from "./job.ts";
import type { Job, NewJob, Outcome } from "./job.ts";
import { report } from "./kinds/report.ts";
import { scan } from "./kinds/scan.ts";
import { validate } from "./kinds/validate.ts";
import type { FindArtifact } from "./kinds/version.ts";
import { deliver } from "./kinds/webhook.ts";
import type { JobMetrics } from "./metrics.ts";
import { openReceivers } from "./receivers.ts";
import type { Receivers } from "./receivers.ts";
import { findQueueIdentity, insertHeld, takeCensus } from "./store.ts";
import type { Ticket } from "./store.ts";
import { startSweep } from "./sweep.ts";
import type { Sweep } from "./sweep.ts";
import { openTickets } from "./tickets.ts";
import type { Tickets, TicketService } from "./tickets.ts";
import { createListeners } from "./webhooks.ts";
import type { Event, EventName, Listeners } from "./webhooks.ts";

export type Jobs = {
  readonly accept: Accept;
  /** Whether anybody wants to hear of such events; asks nobody. */
  readonly listens: (event: EventName) => boolean;
  /** In the transaction of the write that causes them; they wait in the outbox, whatever the bound. */
  readonly store: (connection: Queryable, jobs: readonly NewJob[]) => Promise<void>;
  readonly jobsOf: (event: Event) => readonly NewJob[];
  /** After the commit of what was stored: it is served as soon as there is room. */
  readonly stored: () => void;
  /** After the commit of a replay: its jobs are served as their times come. */
  readonly replayed: () => void;
  /** A webhook came or went. */
  readonly webhooksChanged: () => Promise<void>;
  readonly offsetMs: (job: Pick<NewJob, "class">) => number;
  /** Begins to serve; the tables must be there. Sleeps while there are no jobs, unless the process is there for nothing else. */
  readonly start: (process?: "only for jobs") => Promise<void>;
  /** Takes no further jobs to work on; those under way may end, for so long. */
  readonly stopServing: (timeoutMs: number) => Promise<void>;
  readonly close: () => Promise<void>;
};

export type JobParts = {
  readonly database: Database;
  readonly compute: Pick<Compute, "check" | "scan">;
  readonly artifactOf: FindArtifact;
  readonly invalidate: (scopes: readonly Scope[]) => Promise<void>;
  readonly metrics: JobMetrics;
  readonly failed: (error: unknown) => void;
};

/** Longer than from one renewal of the leases to the next, as they are by default. */
const KEEPER_IDLE_MS = 10_000;

type Running = {
  readonly alertness: Alertness;
  readonly bell: Bell;
  readonly tickets: Tickets;
  readonly sweep: Sweep;
  readonly service: TicketService | undefined;
};

export function createJobs(config: RegistryConfig, parts: JobParts): Jobs {
  const { jobs: settings } = config;
  const { metrics, failed } = parts;
  const database = inBackground(parts.database, metrics.statement);
  const keeping = openKeeper(config, failed);
  const listeners = createListeners(database);
  const depth = createDepth(() => takeCensus(database), failed);
  const receivers = receiversOf(config, metrics);
  const offsetMs = (job: Pick<NewJob, "class">): number => rankOffsetMs(job.class, settings);
  let running: Running | undefined;
  const wake = (): void => {
    running?.alertness.wake();
    running?.bell.ring();
  };
  const attempts = createAttempts({
    ...settings,
    database,
    keeper: inBackground(keeping, metrics.statement),
    work: workOn({ ...parts, database }, receivers),
    metrics,
    claimed: depth.claimed,
    retryIn: (delayMs) => running?.sweep.soon(delayMs),
    invalidate: parts.invalidate,
    failed,
    chance,
  });
  const held = (): number => depth.census().held;
  const { circuits } = receivers;
  metrics.watch({ waiting: depth.known, held, active: attempts.active, circuits });
  const admitHeld = (): void => running?.sweep.admitHeld();
  const send = (tickets: readonly Ticket[]): void => running?.tickets.send(tickets);
  const intake = { settings, depth, metrics, offsetMs, send, wake, admitHeld };
  return {
    accept: intakeOf({ ...intake, database: parts.database }),
    listens: listeners.listens,
    jobsOf: listeners.jobsOf,
    store: (connection, jobs) => insertHeld(connection, jobs, offsetMs),
    stored() {
      wake();
      admitHeld();
    },
    replayed() {
      wake();
      running?.sweep.soon(0);
    },
    webhooksChanged: listeners.reload,
    offsetMs,
    async start(process) {
      const name = await findQueueIdentity(database);
      await Promise.all([depth.refresh(), listeners.reload()]);
      const runParts = { ...parts, database, depth, attempts, listeners };
      running = run(config, name, runParts, process !== "only for jobs");
    },
    async stopServing(timeoutMs) {
      await running?.service?.stop(timeoutMs);
      await attempts.abandon().catch(failed);
    },
    async close() {
      attempts.close();
      await closeRunning(running);
      await receivers.close();
      await keeping.close();
    },
  };
}

type RunParts = Pick<JobParts, "metrics" | "failed"> & {
  readonly database: Background;
  readonly depth: Depth;
  readonly attempts: Attempts;
  readonly listeners: Listeners;
};

function run(
  { jobs: settings, redisUrl }: RegistryConfig,
  name: string,
  parts: RunParts,
  sleeps: boolean,
): Running {
  const { depth, metrics, failed, attempts, listeners } = parts;
  const tickets = openTickets(redisUrl, name, settings, failed);
  const { workers, batch } = settings;
  const service = workers > 0 ? tickets.serve(workers, batch, attempts.serve) : undefined;
  const alertness = sleeps
    ? createAlertness((asleep) => {
        if (asleep) return service?.rest();
        service?.wake();
        sweep.soon(0);
      })
    : ALWAYS_AWAKE;
  const sweep: Sweep = startSweep({
    ...parts,
    alertness,
    chance,
    tickets,
    limit: settings.queueLimit,
    priorities: settings.priorities,
    leaseMs: settings.leaseMs,
    admitted(held) {
      depth.admitted(held.length);
      for (const { kind } of held) metrics.accepted(kind);
      tickets.send(held);
    },
    counted: () => void listeners.seen(depth.census().webhooksStamp).catch(failed),
  });
  if (!sleeps) {
    service?.wake();
    sweep.soon(0);
  }
  if (depth.census().open) alertness.wake();
  const bell = openBell(redisUrl, name, () => alertness.wake(), failed);
  return { alertness, bell, tickets, sweep, service };
}

async function closeRunning(running: Running | undefined): Promise<void> {
  await running?.sweep.close();
  running?.bell.close();
  await running?.tickets.close();
}

function receiversOf({ jobs: settings }: RegistryConfig, metrics: JobMetrics): Receivers {
  return openReceivers({
    timeoutMs: settings.webhookTimeoutMs,
    breakerFailures: settings.breakerFailures,
    breakerResetMs: settings.breakerResetMs,
    took: metrics.outgoing,
  });
}

/** A connection of its own for what must not wait behind requests; open only while there are jobs. */
function openKeeper(config: RegistryConfig, failed: (error: unknown) => void): Database {
  const single = { ...config, poolMax: 1, poolMin: 0, poolIdleTimeoutMs: KEEPER_IDLE_MS };
  return openDatabase(single, { waited() {}, statement() {}, connectionFailed: failed });
}

/** In [0, 1). */
function chance(): number {
  return randomInt(2 ** 32) / 2 ** 32;
}

type WorkTools = Pick<JobParts, "compute" | "artifactOf"> & { readonly database: Queryable };

function workOn(
  tools: WorkTools,
  receivers: Receivers,
): (job: Job, signal: AbortSignal) => Promise<Outcome> {
  return (job, signal) => {
    switch (job.kind) {
      case "validate":
        return validate(job, tools);
      case "scan":
        return scan(job, tools);
      case "report":
        return report(job, tools);
      case "webhook":
        return deliver(job, { ...tools, receivers }, signal);
    }
  };
}
