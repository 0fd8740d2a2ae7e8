/** A shop with indexes that are wrong, and with others that only look like it, on a real PostgreSQL. */
import { rm } from "node:fs/promises";
import { Client } from "pg";
import type { Catalog } from "../../../src/advise/indexes/catalog.ts";
import { catalogOf } from "../../../src/advise/indexes/snapshot/catalog-of.ts";
import { readSnapshot } from "../../../src/advise/indexes/snapshot/read.ts";
import type { Snapshot } from "../../../src/advise/indexes/snapshot/snapshot.ts";
import type { DatabaseView } from "../../../src/core/observation.ts";
import { temporaryHome } from "../../integration/stores.ts";
import { startStores } from "../../registry/stores.ts";
import { viewOf } from "../database.ts";

export interface Shop {
  readonly client: Client;
  readonly database: DatabaseView;
  readonly snapshot: Snapshot;
  readonly catalog: Catalog;
  readonly close: () => Promise<void>;
}

/** When the shop was looked at. */
export const AT = "2026-11-22T12:00:00Z";

const SHOP = `
  CREATE TABLE customers (id int PRIMARY KEY, email text NOT NULL, city text NOT NULL, zip text NOT NULL, joined_on date NOT NULL, gone_on date,
    CONSTRAINT customers_email_key UNIQUE (email));
  INSERT INTO customers SELECT g, 'c' || g || '@shop', 'city ' || g % 50, 'zip ' || g % 50, date '2020-01-01' + g % 1500 FROM generate_series(1, 20000) g;
  CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers ON DELETE CASCADE, parcel_id int, total int NOT NULL, status text NOT NULL);
  INSERT INTO orders SELECT g, g * 7919 % 20000 + 1, CASE WHEN g % 10 = 0 THEN g END, g % 997, 's' || g % 4 FROM generate_series(1, 60000) g;
  CREATE TABLE parcels (id int PRIMARY KEY);
  INSERT INTO parcels SELECT g * 10 FROM generate_series(1, 6000) g;
  ALTER TABLE orders ADD CONSTRAINT orders_parcel_id_fkey FOREIGN KEY (parcel_id) REFERENCES parcels;
  CREATE TABLE items (order_id int REFERENCES orders, product_id int, quantity int NOT NULL, PRIMARY KEY (order_id, product_id));
  INSERT INTO items SELECT g / 2 + 1, g % 2 * 500 + g % 499, g % 9 FROM generate_series(1, 90000) g ON CONFLICT DO NOTHING;
  CREATE TABLE tiny (id int PRIMARY KEY, customer_id int REFERENCES customers);
  INSERT INTO tiny SELECT g, g FROM generate_series(1, 100) g;
  CREATE TABLE events (at date NOT NULL, kind text NOT NULL, customer_id int REFERENCES customers) PARTITION BY RANGE (at);
  CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
  CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
  INSERT INTO events SELECT date '2025-01-01' + g % 700, 'k' || g % 20, g % 20000 + 1 FROM generate_series(1, 30000) g;`;

/** What is wrong. */
const WRONG = `
  CREATE INDEX customers_city_idx ON customers (city);
  CREATE INDEX customers_city_joined_idx ON customers (city, joined_on);
  CREATE INDEX customers_joined_idx ON customers (joined_on);
  CREATE INDEX customers_joined_twin ON customers (joined_on) WITH (fillfactor = 70);
  CREATE INDEX customers_joined_turned ON customers (joined_on DESC);
  CREATE INDEX customers_email_again ON customers (email);
  CREATE UNIQUE INDEX customers_id_again ON customers (id);
  CREATE INDEX orders_total_idx ON orders (total);
  CREATE INDEX orders_status_idx ON orders (status);
  CREATE INDEX orders_status_total_idx ON orders (status, total);
  CREATE INDEX events_kind_idx ON events (kind);
  CREATE INDEX events_2025_kind_own ON events_2025 (kind);`;

/** What looks like it and is on purpose, or belongs to a constraint. */
const FINE = `
  CREATE INDEX customers_city_covering ON customers (city) INCLUDE (email);
  CREATE INDEX customers_city_pattern ON customers (city text_pattern_ops);
  CREATE INDEX customers_city_c ON customers (city COLLATE "C");
  CREATE INDEX customers_city_here ON customers (city) WHERE gone_on IS NULL;
  CREATE INDEX customers_city_hash ON customers USING hash (city);
  CREATE INDEX customers_city_nulls ON customers (city NULLS FIRST);
  CREATE INDEX customers_zip_down ON customers (zip, joined_on DESC);
  CREATE INDEX customers_zip_up ON customers (zip, joined_on, id);
  CREATE INDEX customers_lower_idx ON customers (lower(email));
  CREATE UNIQUE INDEX customers_city_id ON customers (city, id);
  CREATE UNIQUE INDEX orders_id_total ON orders (id, total);`;

/** What an interrupted CREATE INDEX CONCURRENTLY and REINDEX CONCURRENTLY leave. */
const INVALID = `
  CREATE INDEX orders_wreck ON orders (total DESC, status);
  CREATE UNIQUE INDEX orders_id_ccnew ON orders (id);
  UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ('orders_wreck'::regclass, 'orders_id_ccnew'::regclass)`;

export async function openShop(): Promise<Shop> {
  const stores = await startStores();
  const url = await stores.createDatabase("shop");
  const client = new Client({ connectionString: url });
  await client.connect();
  for (const sql of [SHOP, WRONG, FINE, INVALID]) await client.query(sql);
  await client.query(
    "VACUUM ANALYZE customers, orders, items, parcels, tiny, events_2025, events_2026",
  );
  await client.query("UPDATE items SET quantity = quantity + 1 WHERE order_id < 12000");
  await client.query("SELECT pg_stat_force_next_flush()");
  const home = await temporaryHome();
  const database = viewOf(url, home);
  const snapshot = await database.together((query) =>
    readSnapshot(query, { redact: "nothing", now: () => Date.parse(AT) }),
  );
  return {
    client,
    database,
    snapshot,
    // A server that was started for the test has counted for no time at all.
    catalog: { ...catalogOf(snapshot), countersSince: "2026-09-01T00:00:00Z" },
    async close() {
      await client.end();
      await stores.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}
