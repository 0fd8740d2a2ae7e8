/** Every kind of thing that a clone has to make again, over a table that is large enough to want indexes. */
export const SHOP = [
  "CREATE SCHEMA shop",
  "CREATE TYPE shop.mood AS ENUM ('sad', 'ok', 'happy')",
  "CREATE DOMAIN shop.price AS numeric(10, 2) CHECK (VALUE >= 0)",
  "CREATE TYPE shop.place AS (city text, zip text)",
  "CREATE SEQUENCE shop.ticket",
  'CREATE SEQUENCE shop."Ticket ""number"""',
  "CREATE FUNCTION shop.twice(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT x * 2'",
  `CREATE TABLE shop.customer (id int PRIMARY KEY, gone text, name text NOT NULL, mood shop.mood, home shop.place,
     name_length int GENERATED ALWAYS AS (length(name)) STORED)`,
  "ALTER TABLE shop.customer DROP COLUMN gone",
  `INSERT INTO shop.customer SELECT i, 'customer ' || i, (ARRAY['sad', 'ok', 'happy'])[1 + i % 3]::shop.mood, row('Rome', i::text)::shop.place
   FROM generate_series(1, 2000) i`,
  `CREATE TABLE shop.purchase (id bigint PRIMARY KEY, customer int NOT NULL REFERENCES shop.customer, at timestamptz NOT NULL, paid shop.price,
     status text NOT NULL, note text, tags text[], document jsonb, doubled int GENERATED ALWAYS AS (shop.twice(customer)) STORED)`,
  `INSERT INTO shop.purchase
   SELECT i, 1 + (i * 7919) % 2000, timestamptz '2024-01-01' + i * interval '1 minute', (i % 1000) / 10.0,
     CASE WHEN i % 50 = 0 THEN 'open' ELSE 'done' END, CASE WHEN i % 4 = 0 THEN NULL ELSE 'note ' || i % 300 END,
     ARRAY['t' || i % 40, 'u' || i % 7], jsonb_build_object('kind', 'k' || i % 25, 'n', i)
   FROM generate_series(1, 60000) i`,
  "CREATE INDEX purchase_status_idx ON shop.purchase (status)",
  "CREATE STATISTICS shop.pairs (ndistinct, mcv) ON status, note FROM shop.purchase",
  "CREATE VIEW shop.open_purchase AS SELECT * FROM shop.purchase WHERE status = 'open'",
  "CREATE VIEW shop.numbered AS SELECT nextval('shop.ticket') AS number, name FROM shop.customer",
  "CREATE TABLE shop.event (id bigint, at date NOT NULL, kind text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)",
  "CREATE TABLE shop.event_2024 PARTITION OF shop.event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
  "CREATE TABLE shop.event_2025 PARTITION OF shop.event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
  "INSERT INTO shop.event SELECT i, date '2024-01-01' + i % 700, 'kind ' || i % 200 FROM generate_series(1, 30000) i",
  "ALTER DATABASE postgres SET random_page_cost = 1.1",
];
