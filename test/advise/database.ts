/** A DatabaseView of a real database, as the target's adapter gives one, for tests of what reads it. */
import { Client } from "pg";
import type { DatabaseView } from "../../src/core/observation.ts";
import type { Row } from "../../src/core/workload.ts";

const STATEMENT_TIMEOUT_MS = 20_000;

export function viewOf(
  url: string,
): DatabaseView & { readonly scratchLeft: () => Promise<number> } {
  const admin = url.replace(/\/[^/]*$/, "/postgres");
  const name = url.replace(/^.*\//, "");
  let scratches = 0;
  return {
    query: (sql, parameters = []) =>
      connected(url, async (client) => {
        await client.query("BEGIN READ ONLY");
        return rowsOf(client, sql, parameters);
      }),
    async withScratch(use) {
      scratches += 1;
      const scratch = `${name}_scratch_${scratches}`;
      await connected(admin, (client) =>
        client.query(`CREATE DATABASE ${scratch} TEMPLATE ${name}`),
      );
      try {
        return await connected(url.replace(/[^/]*$/, scratch), (client) =>
          use({ query: (sql, parameters = []) => rowsOf(client, sql, parameters) }),
        );
      } finally {
        await connected(admin, (client) => client.query(`DROP DATABASE ${scratch}`));
      }
    },
    scratchLeft: () =>
      connected(admin, async (client) => {
        const { rowCount } = await client.query(
          "SELECT FROM pg_database WHERE datname LIKE '%scratch%'",
        );
        return rowCount ?? 0;
      }),
  };
}

async function connected<T>(url: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url, statement_timeout: STATEMENT_TIMEOUT_MS });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

async function rowsOf(
  client: Client,
  sql: string,
  parameters: readonly (string | number | boolean | null)[],
): Promise<readonly Row[]> {
  const { rows } = await client.query<Row>(sql, [...parameters]);
  return rows;
}
