// L3: results of searches kept in a PostgreSQL table that outlives Redis's memory limit and restarts of processes.

import type { Database } from "../database.ts";
import { packAnswer, unpackAnswer } from "./answer.ts";
import type { Answer } from "./answer.ts";

export type StoredTier = {
  readonly get: (key: string, stamp: string) => Promise<Answer | undefined>;
  /** Stores in the background; a failure only costs a later miss. */
  readonly put: (key: string, stamp: string, answer: Answer) => void;
  readonly close: () => void;
};

const SWEEP_EVERY_MS = 60_000;
const SWEEP_ROWS_MAX = 5_000;
const PUTS_IN_FLIGHT_MAX = 8;

export function createStoredTier(
  database: Database,
  ttlMs: number,
  onError: (error: unknown) => void,
): StoredTier {
  let putsInFlight = 0;
  const sweep = setInterval(() => {
    database
      .query(
        `DELETE FROM query_cache WHERE key IN (SELECT key FROM query_cache WHERE expires_at < now() LIMIT ${SWEEP_ROWS_MAX})`,
      )
      .catch(onError);
  }, SWEEP_EVERY_MS).unref();

  return {
    async get(key, stamp) {
      const [row] = await database.query<{ value: string }>(
        "SELECT value FROM query_cache WHERE key = $1 AND stamp = $2 AND expires_at > now()",
        [key, stamp],
      );
      return row === undefined ? undefined : unpackAnswer(row.value, stamp);
    },
    put(key, stamp, answer) {
      // Storing must never hold more than a few of the connections that requests wait for.
      if (putsInFlight >= PUTS_IN_FLIGHT_MAX) return;
      putsInFlight += 1;
      database
        .query(
          `INSERT INTO query_cache (key, stamp, value, expires_at)
           VALUES ($1, $2, $3, now() + $4 * interval '1 millisecond')
           ON CONFLICT (key) DO UPDATE
           SET stamp = excluded.stamp, value = excluded.value, expires_at = excluded.expires_at`,
          [key, stamp, packAnswer(stamp, answer), ttlMs],
        )
        .catch(onError)
        .finally(() => (putsInFlight -= 1));
    },
    close: () => clearInterval(sweep),
  };
}
