// One connection of the pool as batches use it: statements with counts of rows, COPY, and a transaction that is tried again when it lost a deadlock.

import { setImmediate as nextTurn } from "node:timers/promises";
import type { PoolClient, QueryResultRow } from "pg";
import { from as copyFrom } from "pg-copy-streams";

export type Result<Row> = { readonly rows: readonly Row[]; readonly count: number };

export type Connection = {
  /** `name`: the statement is prepared once for a connection. */
  readonly query: <Row extends QueryResultRow>(
    text: string,
    values?: readonly unknown[],
    name?: string,
  ) => Promise<Result<Row>>;
  /** `text` is a COPY FROM STDIN; chunks are made as the connection takes them. The rows copied. */
  readonly copy: (text: string, chunks: Iterable<Buffer>) => Promise<number>;
};

/** `onStatement` is called for each statement that is sent. */
export function connectionOn(client: PoolClient, onStatement: () => void): Connection {
  return {
    async query<Row extends QueryResultRow>(
      text: string,
      values: readonly unknown[] = [],
      name?: string,
    ): Promise<Result<Row>> {
      onStatement();
      const result = await client.query<Row, unknown[]>({
        text,
        values: [...values],
        ...(name === undefined ? {} : { name }),
      });
      return { rows: result.rows, count: result.rowCount ?? 0 };
    },
    copy(text, chunks) {
      onStatement();
      return copyChunks(client, text, chunks);
    },
  };
}

async function copyChunks(
  client: PoolClient,
  text: string,
  chunks: Iterable<Buffer>,
): Promise<number> {
  const copy = client.query(copyFrom(text));
  let failure: Error | undefined;
  const ended = new Promise<void>((resolve) => {
    copy.once("error", (error) => {
      failure = error;
      resolve();
    });
    copy.once("finish", () => resolve());
  });
  const check = (): void => {
    if (failure !== undefined) throw failure;
  };
  for (const chunk of chunks) {
    const taken = new Promise<void>((resolve) => {
      copy.write(chunk, () => resolve());
    });
    // A refusal ends the stream: the write may then never be called back.
    await Promise.race([taken, ended]);
    // A large batch must not keep the event loop to itself.
    await nextTurn();
    // Also one that came meanwhile: a stream that was refused cannot be written to.
    check();
  }
  copy.end();
  await ended;
  check();
  return copy.rowCount;
}
