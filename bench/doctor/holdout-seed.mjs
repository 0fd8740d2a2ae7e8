// Fills the database of the shop: orders with an index for each customer and one on their time, and none on their region.
import { Client } from "pg";

const ROWS = { small: 40_000, full: 200_000 };
const rows = ROWS[process.argv[2]] ?? ROWS.full;
const client = new Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
await client.query(
  `CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL, region text NOT NULL, status text NOT NULL,
     placed_at int NOT NULL, total int NOT NULL, note text NOT NULL)`,
);
// One in 40 of a region, one in 53 disputed: ten of both are found after some 21,000 others.
await client.query(
  `INSERT INTO orders SELECT n, n * 7919 % ${rows / 20}, 'region ' || n % 40,
     CASE WHEN n * 31 % 53 = 0 THEN 'disputed' ELSE 'paid' END, n, n % 997, 'note ' || n FROM generate_series(1, ${rows}) n`,
);
await client.query("CREATE INDEX orders_customer ON orders (customer)");
await client.query("CREATE INDEX orders_placed_at ON orders (placed_at)");
await client.query("VACUUM (ANALYZE) orders");
await client.end();
