// Writes rows into a table: one INSERT with a parameter for each value, or COPY, straight into the table while nothing in it is in the way.

import { isUniqueViolation } from "../errors.ts";
import type { BulkMethod } from "./config.ts";
import type { Connection } from "./connection.ts";

export type Table = {
  readonly name: "metrics" | "params" | "run_tags";
  readonly columns: readonly string[];
  /** What an INSERT says of rows that are there. */
  readonly onConflict: string;
};

/** Rows in the order of their keys, made anew each time they are asked for. */
export type Rows = {
  readonly count: number;
  readonly values: () => unknown[];
  readonly chunks: () => Iterable<Buffer>;
};

export type Insertion = {
  /** The rows that were added or changed. */
  readonly insert: (connection: Connection, table: Table, rows: Rows) => Promise<number>;
};

// After a batch met rows that are there, so many go the way round at once: a retry has only such batches.
const WARY_BATCHES = 16;

/** One for each import: it remembers whether rows were in the way. */
export function createInsertion(method: BulkMethod): Insertion {
  let wary = 0;
  return {
    async insert(connection, table, rows) {
      if (rows.count === 0) return 0;
      if (method === "insert") return insertValues(connection, table, rows);
      if (wary > 0) {
        wary -= 1;
        return copyAround(connection, table, rows);
      }
      await connection.query("SAVEPOINT straight");
      const copied = await connection
        .copy(copyText(table.name, table), rows.chunks())
        .catch(async (error: unknown) => {
          if (!isUniqueViolation(error)) throw error;
          await connection.query("ROLLBACK TO SAVEPOINT straight");
          return undefined;
        });
      // One transaction may have many batches: their savepoints would lie one within the other.
      await connection.query("RELEASE SAVEPOINT straight");
      if (copied !== undefined) return copied;
      wary = WARY_BATCHES;
      return copyAround(connection, table, rows);
    },
  };
}

async function insertValues(
  connection: Connection,
  { name, columns, onConflict }: Table,
  { count, values }: Rows,
): Promise<number> {
  const width = columns.length;
  const tuples = Array.from(
    { length: count },
    (_, row) => `(${columns.map((_, column) => `$${row * width + column + 1}`).join(",")})`,
  );
  const text = `INSERT INTO ${name} AS kept (${columns.join(", ")}) VALUES ${tuples.join(",")} ${onConflict}`;
  const result = await connection.query(text, values());
  return result.count;
}

/** By a table of this connection's own, from which INSERT takes what is not there. */
async function copyAround(connection: Connection, table: Table, rows: Rows): Promise<number> {
  const { name, columns, onConflict } = table;
  const list = columns.join(", ");
  const own = `bulk_${name}`;
  await connection.query(
    `CREATE TEMP TABLE IF NOT EXISTS ${own} (LIKE ${name}) ON COMMIT DELETE ROWS`,
  );
  await connection.copy(copyText(own, table), rows.chunks());
  const result = await connection.query(
    `INSERT INTO ${name} AS kept (${list}) SELECT ${list} FROM ${own} ${onConflict}`,
  );
  // Of one transaction with several batches each has the table to itself.
  await connection.query(`TRUNCATE ${own}`);
  return result.count;
}

function copyText(into: string, { columns }: Table): string {
  return `COPY ${into} (${columns.join(", ")}) FROM STDIN (FORMAT binary)`;
}
