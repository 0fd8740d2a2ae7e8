// Fills a database for tests: `items` with as many rows as the scale says.
import { Client } from "pg";

const [scale, seed] = process.argv.slice(2);
const rows = { tiny: 2_000, small: 20_000, big: 300_000 }[scale];
if (rows === undefined) {
  console.error(`no scale ${scale} at ${process.env.DATABASE_URL}`);
  process.exit(2);
}
const client = new Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
await client.query(
  "CREATE TABLE items (id int PRIMARY KEY, owner int NOT NULL, title text NOT NULL)",
);
await client.query(
  "INSERT INTO items SELECT g, (g::bigint * 7919 + $2) % ($1 / 10), 'title ' || md5(g::text) FROM generate_series(1, $1) g",
  [rows, Number(seed)],
);
console.log(`${rows} items`);
await client.end();
