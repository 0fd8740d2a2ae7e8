// The PostgreSQL pool: queries, transactions, and the time requests wait for a connection.

import { DatabaseError, Pool, TypeOverrides } from "pg";
import type { PoolClient, QueryResultRow } from "pg";
import type { RegistryConfig } from "./config.ts";
import { noteUnknownOutcome } from "./unknown-outcome.ts";

export type Queryable = {
  /** Runs one parameterised statement. */
  readonly query: <Row extends QueryResultRow>(
    text: string,
    values?: readonly unknown[],
  ) => Promise<Row[]>;
};

export type Database = Queryable & {
  /** Runs `work` in one transaction on one connection; commits, or rolls back if it throws. */
  readonly transaction: <T>(work: (connection: Queryable) => Promise<T>) => Promise<T>;
  readonly withClient: <T>(work: (client: PoolClient) => Promise<T>) => Promise<T>;
  readonly poolState: () => PoolState;
  readonly close: () => Promise<void>;
};

export type PoolState = { total: number; idle: number; waiting: number; max: number };

export type DatabaseObserver = {
  readonly waited: (seconds: number) => void;
  readonly statement: () => void;
  readonly connectionFailed: (error: Error) => void;
};

const INT8_OID = 20;

export function openDatabase(config: RegistryConfig, observer: DatabaseObserver): Database {
  const types = new TypeOverrides();
  // Every bigint of the schema is a time in milliseconds, a step or an id: all are safe as numbers.
  types.setTypeParser(INT8_OID, Number);
  const pool = new Pool({
    connectionString: config.databaseUrl,
    application_name: "perfopt-registry",
    max: config.poolMax,
    min: config.poolMin,
    idleTimeoutMillis: config.poolIdleTimeoutMs,
    connectionTimeoutMillis: config.poolAcquireTimeoutMs,
    statement_timeout: config.statementTimeoutMs,
    types,
  });
  // Without a listener a connection lost while idle would end the process.
  pool.on("error", (error) => observer.connectionFailed(error));

  async function withClient<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const startedMs = performance.now();
    const client = await pool
      .connect()
      .finally(() => observer.waited((performance.now() - startedMs) / 1000));
    let failure: Error | undefined;
    // Lost between two statements: the pool hears of it only while the connection is idle, and an error that nobody hears ends the process.
    const lost = (error: Error): void => {
      failure ??= error;
    };
    client.on("error", lost);
    try {
      return await work(client);
    } catch (error) {
      if (isBroken(error)) {
        failure = error;
        noteUnknownOutcome(error);
      }
      throw error;
    } finally {
      client.off("error", lost);
      client.release(failure);
    }
  }

  const on = (client: PoolClient): Queryable => ({
    query: async <Row extends QueryResultRow>(text: string, values: readonly unknown[] = []) => {
      observer.statement();
      const result = await client.query<Row, unknown[]>(text, [...values]);
      return result.rows;
    },
  });

  return {
    withClient,
    query: (text, values) => withClient((client) => on(client).query(text, values)),
    transaction: (work) => withClient((client) => inTransaction(on(client), work)),
    poolState: () => ({
      total: pool.totalCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount,
      max: config.poolMax,
    }),
    close: () => pool.end(),
  };
}

type Sender = { readonly query: (text: string) => Promise<unknown> };

/** `begin`: statements that open the transaction. */
export async function inTransaction<T, C extends Sender>(
  connection: C,
  work: (connection: C) => Promise<T>,
  begin = "BEGIN",
): Promise<T> {
  await connection.query(begin);
  try {
    const result = await work(connection);
    await connection.query("COMMIT");
    return result;
  } catch (error) {
    // The first error is the one to report; a connection that cannot roll back is dropped by its own error.
    await connection.query("ROLLBACK").catch(() => undefined);
    throw error;
  }
}

/** An error of the connection, not of the statement: PostgreSQL's own errors carry a severity. */
function isBroken(error: unknown): error is Error {
  if (!(error instanceof Error) || error.name === "RegistryError") return false;
  return !(error instanceof DatabaseError) || error.severity === "FATAL";
}
