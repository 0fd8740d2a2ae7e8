// Database access of workers and sweeps: the pool is the requests' own, the statements are counted apart from theirs.

import type { QueryResultRow } from "pg";
import { inTransaction } from "../database.ts";
import type { Database, Queryable } from "../database.ts";

export type Background = Queryable & Pick<Database, "transaction">;

export function inBackground(database: Database, statement: () => void): Background {
  const run = <T>(work: (connection: Queryable) => Promise<T>): Promise<T> =>
    database.withClient((client) =>
      work({
        query: async <Row extends QueryResultRow>(
          text: string,
          values: readonly unknown[] = [],
        ) => {
          statement();
          return (await client.query<Row, unknown[]>(text, [...values])).rows;
        },
      }),
    );
  return {
    query: (text, values) => run((connection) => connection.query(text, values)),
    transaction: (work) => run((connection) => inTransaction(connection, work)),
  };
}
