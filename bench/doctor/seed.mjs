// Fills the database of the fault service: two tables of the same rows, one with an index on what is asked for and one without.
import { Client } from "pg";

const ROWS = { small: 60_000, full: 120_000 };
const rows = ROWS[process.argv[2]] ?? ROWS.full;
const client = new Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
for (const table of ["items", "events"]) {
  await client.query(
    `CREATE TABLE ${table} (id int PRIMARY KEY, owner int NOT NULL, title text NOT NULL, body text NOT NULL)`,
  );
  await client.query(
    `INSERT INTO ${table} SELECT n, n * 7919 % ${rows / 10}, 'title ' || n, repeat(md5(n::text), 4) FROM generate_series(1, ${rows}) n`,
  );
}
await client.query("CREATE INDEX items_owner ON items (owner)");
await client.query("VACUUM (ANALYZE) items, events");
await client.end();
