/** A real PostgreSQL 18 with the shop in it, to take snapshots of. */
import { rm } from "node:fs/promises";
import type { PlannerConnection } from "../../../src/core/planner.ts";
import type { Snapshot } from "../../../src/advise/indexes/snapshot/snapshot.ts";
import { snapshotFunctionSql } from "../../../src/advise/indexes/snapshot/function.ts";
import { readSnapshot } from "../../../src/advise/indexes/snapshot/read.ts";
import { openPlannerServer } from "../../../src/target/planner-server.ts";
import { neverAborted, temporaryHome } from "../../integration/stores.ts";
import { shopSql } from "./shop.ts";

/** Roles of the shop: `reader` may call the DBA's function and nothing else, `blind` may do nothing, `allowed` may read one table. */
const ROLES = `
CREATE ROLE reader; CREATE ROLE blind; CREATE ROLE allowed; CREATE ROLE analyst IN ROLE pg_read_all_data;
GRANT USAGE ON SCHEMA perfopt TO reader;
GRANT EXECUTE ON FUNCTION perfopt.perfopt_snapshot() TO reader;
GRANT SELECT ON public.customers, public.visits TO allowed;
ALTER ROLE blind SET random_page_cost = 1.5;
ALTER DATABASE shop SET random_page_cost = 2.5;
ALTER DATABASE shop SET search_path = "Sales data", public;
`;

export interface Shop {
  /** Of the superuser. */
  readonly connection: PlannerConnection;
  connect(): Promise<PlannerConnection>;
  /** As a role of the database, in a transaction as DatabaseView.together opens one. */
  take(role?: string, redact?: Snapshot["redacted"]): Promise<Snapshot>;
  stop(): Promise<void>;
}

export async function openShop(): Promise<Shop> {
  const home = await temporaryHome();
  const server = await openPlannerServer({
    home,
    major: 18,
    signal: neverAborted,
    environment: process.env,
  });
  await server.createDatabase("shop", {
    encoding: "UTF8",
    collate: "C.UTF-8",
    ctype: "C.UTF-8",
    provider: "libc",
  });
  const first = await server.connect("shop");
  await first.script("ALTER DATABASE shop SET track_counts = on");
  await first.close();
  const connection = await server.connect("shop");
  await connection.script(shopSql);
  await connection.script(snapshotFunctionSql());
  await connection.script(ROLES);
  await connection.script("UPDATE public.visits SET id = id + 1 WHERE id < 11");
  await connection.query("SELECT pg_stat_force_next_flush()");
  return {
    connection,
    connect: () => server.connect("shop"),
    take: async (role, redact = "nothing") => {
      const session = await server.connect("shop");
      try {
        await session.script("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        if (role !== undefined) await session.script(`SET LOCAL ROLE ${role}`);
        return await readSnapshot(session.query, { redact, now: () => Date.UTC(2030, 0, 1) });
      } finally {
        await session.close();
      }
    },
    stop: async () => {
      await connection.close();
      await server.close();
      await rm(home, { recursive: true, force: true });
    },
  };
}
