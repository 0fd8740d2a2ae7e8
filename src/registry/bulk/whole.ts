// An import that is kept whole or refused whole: staged while it is read, then written in one transaction in the order in which everyone locks.

import type { PoolClient } from "pg";
import { arrayText, textArrayText } from "./array-text.ts";
import type { Scope } from "../cache/keys.ts";
import type { Batch, BulkKind, Outcome } from "./batch.ts";
import { connectionOn } from "./connection.ts";
import type { Connection } from "./connection.ts";
import type { Fields } from "./records.ts";
import { createTally } from "./tally.ts";
import type { Tally } from "./tally.ts";
import { again, inBoundedTransaction } from "./write.ts";

export type WholeOptions = {
  readonly kind: BulkKind;
  readonly tally: Tally;
  readonly rowsMax: number;
  readonly charsMax: number;
  readonly statementTimeoutMs: number;
  readonly onStatement: () => void;
  /** Before what it says is committed, if it is. */
  readonly onTouched: (scopes: readonly Scope[]) => void;
  /** Throws when nobody waits for the answer any more. */
  readonly check: () => void;
};

export type Whole = {
  readonly take: (
    fields: Fields,
    line: number,
    digest: string,
    chars: number,
  ) => void | Promise<void>;
  /** Writes all, unless something was wrong with a record; what was written, undefined: nothing. */
  readonly finish: () => Promise<Pick<Outcome, "written" | "unchanged"> | undefined>;
};

const FETCH_ROWS_MAX = 500;

type Staged = { readonly fields: Fields; readonly line: number; readonly digest: string };

/** Nothing of the import may stay; which errors there are is known by then. */
class RefusedError extends Error {
  override readonly name = "RefusedError";
}

/** The table is the connection's own, and goes with it when the process is killed. */
export async function openWhole(client: PoolClient, options: WholeOptions): Promise<Whole> {
  const { kind, tally, rowsMax, charsMax } = options;
  const connection = connectionOn(client, options.onStatement);
  const trial = kind.createBatch();
  let staged: Staged[] = [];
  let stagedChars = 0;
  let longestChars = 1;
  // Left over by an import that broke off.
  await connection.query("DROP TABLE IF EXISTS pg_temp.bulk_staged");
  await connection.query(
    "CREATE TEMP TABLE bulk_staged (grp text, key text, at bigint, line bigint, digest text, fields text)",
  );

  async function flush(): Promise<void> {
    const rows = staged;
    staged = [];
    stagedChars = 0;
    if (rows.length > 0 && tally.rejected() === 0) await stage(connection, kind, rows);
  }

  return {
    take(fields, line, digest, chars) {
      const problem = trial.add(fields, line, digest);
      trial.clear();
      if (problem !== undefined) tally.reject({ line, message: problem });
      // One bad record is enough; the others are only read to tell of their errors too.
      if (tally.rejected() > 0) return undefined;
      staged.push({ fields, line, digest });
      stagedChars += chars;
      longestChars = Math.max(longestChars, chars);
      return staged.length >= rowsMax || stagedChars >= charsMax ? flush() : undefined;
    },
    async finish() {
      await flush();
      if (tally.rejected() > 0) return undefined;
      const fetchRows = Math.max(1, Math.min(FETCH_ROWS_MAX, Math.floor(charsMax / longestChars)));
      // Of each try its own.
      let tried = createTally();
      const batch = kind.createBatch();
      try {
        await again(() => {
          tried = createTally();
          return inBoundedTransaction(connection, options.statementTimeoutMs, (open) =>
            writeStaged(open, options, { fetchRows, batch, tally: tried }),
          );
        });
        batch.written?.();
        return tried.answer();
      } catch (error) {
        if (!(error instanceof RefusedError)) throw error;
        tally.join(tried);
        return undefined;
      }
    },
  };
}

export async function closeWhole(client: PoolClient): Promise<void> {
  await client.query("DROP TABLE IF EXISTS pg_temp.bulk_staged");
}

async function stage(
  connection: Connection,
  { laneField, orderField }: BulkKind,
  rows: readonly Staged[],
): Promise<void> {
  const texts = (field: string): string =>
    textArrayText(rows.map(({ fields }) => textOf(fields[field])));
  await connection.query(
    `INSERT INTO pg_temp.bulk_staged
     SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[])`,
    [
      texts(laneField),
      texts("key"),
      arrayText(
        rows.map(({ fields }) => (orderField === undefined ? 0 : Number(fields[orderField]))),
      ),
      arrayText(rows.map(({ line }) => line)),
      textArrayText(rows.map(({ digest }) => digest)),
      textArrayText(rows.map(({ fields }) => JSON.stringify(fields))),
    ],
  );
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

type Attempt = { readonly fetchRows: number; readonly batch: Batch; readonly tally: Tally };

async function writeStaged(
  connection: Connection,
  { rowsMax, charsMax, onTouched, check }: WholeOptions,
  { fetchRows, batch, tally }: Attempt,
): Promise<void> {
  await connection.query(
    `DECLARE staged NO SCROLL CURSOR FOR SELECT line, digest, fields FROM pg_temp.bulk_staged
     ORDER BY grp COLLATE "C", key COLLATE "C", at, line`,
  );
  let chars = 0;
  // Of an attempt that lost a deadlock.
  batch.clear();
  const write = async (): Promise<void> => {
    const outcome = await batch.write(connection);
    onTouched(outcome.scopes);
    batch.clear();
    chars = 0;
    tally.add(outcome);
    check();
  };
  for (;;) {
    const { rows } = await connection.query<{ line: number; digest: string; fields: string }>(
      `FETCH ${fetchRows} FROM staged`,
    );
    if (rows.length === 0) break;
    for (const { line, digest, fields } of rows) {
      batch.add(JSON.parse(fields), line, digest);
      chars += fields.length;
      if (batch.rows() >= rowsMax || chars >= charsMax) await write();
    }
  }
  if (batch.rows() > 0) await write();
  if (tally.rejected() > 0) throw new RefusedError("A record was refused.");
}
