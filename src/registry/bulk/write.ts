// Writes one batch in one transaction, again when it lost a deadlock or found no connection, and tells the cache of it.

import type { Cache } from "../cache/read-through.ts";
import type { Scope } from "../cache/keys.ts";
import { inTransaction } from "../database.ts";
import type { Database } from "../database.ts";
import type { Batch, Outcome } from "./batch.ts";
import type { BulkMethod } from "./config.ts";
import { connectionOn } from "./connection.ts";
import type { Connection } from "./connection.ts";
import type { BulkMetrics } from "./metrics.ts";

export type Writer = {
  readonly write: (batch: Batch) => Promise<Outcome>;
  /** Runs `work` in a transaction on a connection of its own. */
  readonly transaction: <T>(work: (connection: Connection) => Promise<T>) => Promise<T>;
};

export type WriterOptions = {
  readonly database: Pick<Database, "withClient">;
  readonly metrics: BulkMetrics;
  readonly method: BulkMethod;
  /** 0: no limit. */
  readonly statementTimeoutMs: number;
};

const TRIES = 5;
const LOST_TO_OTHERS = new Set(["40001", "40P01"]);

export function createWriter(options: WriterOptions): Writer {
  const { database, metrics } = options;
  const transaction = <T>(work: (connection: Connection) => Promise<T>): Promise<T> =>
    again(() =>
      database.withClient((client) =>
        inBoundedTransaction(
          connectionOn(client, metrics.statement),
          options.statementTimeoutMs,
          work,
        ),
      ),
    );
  return {
    transaction,
    async write(batch) {
      const startMs = performance.now();
      const outcome = await transaction(batch.write);
      batch.written?.();
      metrics.batch(options.method, (performance.now() - startMs) / 1000);
      return outcome;
    },
  };
}

/** Nothing of a transaction that lost a deadlock is left, so it may simply be done again. */
export async function again<T>(work: () => Promise<T>): Promise<T> {
  for (let left = TRIES - 1; ; left -= 1) {
    try {
      return await work();
    } catch (error) {
      if (left === 0 || !lostToOthers(error)) throw error;
    }
  }
}

/** A process that stops without its connections being closed does not keep its locks. */
export function inBoundedTransaction<T>(
  connection: Connection,
  statementTimeoutMs: number,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const begin = `BEGIN; SET LOCAL idle_in_transaction_session_timeout = ${statementTimeoutMs}`;
  return inTransaction(connection, work, begin);
}

function lostToOthers(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.message.includes("timeout exceeded when trying to connect")) return true;
  return "code" in error && typeof error.code === "string" && LOST_TO_OTHERS.has(error.code);
}

const TELL_EVERY_MS = 250;
const SCOPES_MAX = 1_000;

export type Teller = {
  /** What was written; told soon. */
  readonly add: (scopes: readonly Scope[]) => void;
  /** Resolves once all of it is told. */
  readonly flush: () => Promise<void>;
};

/** Tells of several batches at once: of one run there may be dozens in a second. Nobody is answered before the last of it is told. */
export function createTeller(cache: Pick<Cache, "invalidate">): Teller {
  let pending = new Set<Scope>();
  let telling: Promise<void> | undefined;
  let toldMs = performance.now();
  /** One at a time: while a slow Redis is told, what comes is gathered, each scope once. */
  function tell(): Promise<void> {
    telling ??= tellPending().finally(() => {
      telling = undefined;
    });
    return telling;
  }
  async function tellPending(): Promise<void> {
    const scopes = [...pending];
    pending = new Set();
    toldMs = performance.now();
    for (let at = 0; at < scopes.length; at += SCOPES_MAX)
      await cache.invalidate(scopes.slice(at, at + SCOPES_MAX));
  }
  return {
    add(scopes) {
      for (const scope of scopes) pending.add(scope);
      if (pending.size >= SCOPES_MAX || performance.now() - toldMs >= TELL_EVERY_MS) void tell();
    },
    async flush() {
      while (telling !== undefined || pending.size > 0) await tell();
    },
  };
}
