/** A thousand requests for one answer that no tier has: the statements that reach the database. */
import { Client } from "pg";
import type { Registry } from "./process.ts";

export interface Stampede {
  readonly requests: number;
  /** As the process counts them, and as PostgreSQL does. */
  readonly sent: number;
  readonly arrived: number;
}

const REQUESTS = 1_000;
const WAIT_MAX_MS = 30_000;

export async function playStampede(
  { get, metric }: Pick<Registry, "get" | "metric">,
  databaseUrl: string,
): Promise<Stampede> {
  const database = new Client({ connectionString: databaseUrl });
  await database.connect();
  try {
    await database.query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements");
    // The first read is kept waiting until all the others have come.
    await database.query("BEGIN");
    await database.query("LOCK TABLE experiments IN ACCESS EXCLUSIVE MODE");
    await database.query("SELECT pg_stat_statements_reset()");
    const before = await metric("registry_db_statements_total");
    const joinedBefore = await metric("registry_cache_joined_total");
    const answers = Array.from({ length: REQUESTS }, () =>
      get("experiments/get", { experiment_id: "1" }),
    );
    const deadlineMs = performance.now() + WAIT_MAX_MS;
    while ((await metric("registry_cache_joined_total")) < joinedBefore + REQUESTS - 1) {
      if (performance.now() > deadlineMs) break;
    }
    await database.query("COMMIT");
    await Promise.all(answers);
    const { rows } = await database.query<{ calls: string }>(
      "SELECT coalesce(sum(calls), 0) AS calls FROM pg_stat_statements WHERE query LIKE '%FROM experiments e%'",
    );
    return {
      requests: answers.length,
      sent: (await metric("registry_db_statements_total")) - before,
      arrived: Number(rows[0]?.calls),
    };
  } finally {
    await database.end();
  }
}
