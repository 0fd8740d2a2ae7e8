/** What the doctor asks of PostgreSQL: what its sessions wait for, moment by moment, and which tables are read row by row. */
import type { Client } from "pg";
import type { TableScans } from "../core/diagnosis.ts";
import { OWN_MARK } from "../core/sample.ts";
import { numberOf, rowsOf } from "./sql.ts";

/** The sessions of this database but perfopt's, at one moment. */
export interface Activity {
  readonly sessions: number;
  readonly active: number;
  /** Of the active: on a CPU (they wait for nothing), for a latch, or for the disk. */
  readonly busy: number;
  readonly locked: number;
  readonly idleInTransaction: number;
}

/** wait_event_type of sessions at work that is work: none is the CPU (PostgreSQL, "Wait Events"). */
const BUSY = "coalesce(wait_event_type, 'CPU') IN ('CPU', 'LWLock', 'IO', 'BufferPin', 'IPC')";

export async function readActivity(database: Client): Promise<Activity> {
  const [row] = await rowsOf(
    database,
    `SELECT ${OWN_MARK} count(*)::int AS sessions, count(*) FILTER (WHERE state = 'active')::int AS active,
       count(*) FILTER (WHERE state = 'active' AND ${BUSY})::int AS busy,
       count(*) FILTER (WHERE state = 'active' AND wait_event_type = 'Lock')::int AS locked,
       count(*) FILTER (WHERE state LIKE 'idle in transaction%')::int AS held
     FROM pg_stat_activity
     WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> 'perfopt'`,
  );
  return {
    sessions: numberOf(row, "sessions"),
    active: numberOf(row, "active"),
    busy: numberOf(row, "busy"),
    locked: numberOf(row, "locked"),
    idleInTransaction: numberOf(row, "held"),
  };
}

export interface ActivityMeans {
  readonly activeMean: number;
  readonly sessions: number;
  readonly idleInTransactionMean: number;
  /** Absent when no session was seen at work. */
  readonly busyShare: number | undefined;
  readonly lockShare: number | undefined;
}

/** Undefined without a single look. */
export function activityMeans(looks: readonly Activity[]): ActivityMeans | undefined {
  if (looks.length === 0) return undefined;
  const sum = (of: (look: Activity) => number) =>
    looks.reduce((total, look) => total + of(look), 0);
  const active = sum((look) => look.active);
  const ofActive = (count: number) => (active === 0 ? undefined : count / active);
  return {
    activeMean: active / looks.length,
    sessions: Math.max(...looks.map((look) => look.sessions)),
    idleInTransactionMean: sum((look) => look.idleInTransaction) / looks.length,
    busyShare: ofActive(sum((look) => look.busy)),
    lockShare: ofActive(sum((look) => look.locked)),
  };
}

/** Scans so far, by table and kind. Sessions report them when they are idle, at most once a second. */
export async function readTableScans(database: Client): Promise<readonly TableScans[]> {
  const rows = await rowsOf(
    database,
    `SELECT ${OWN_MARK} relname AS name, sum(seq_scan)::bigint AS scans, sum(seq_tup_read)::bigint AS rows,
       coalesce(sum(idx_scan), 0)::bigint AS index_scans, coalesce(sum(idx_tup_fetch), 0)::bigint AS index_rows
     FROM pg_stat_user_tables GROUP BY relname`,
  );
  return rows.flatMap((row): readonly TableScans[] => {
    const table = String(row["name"]);
    return [
      {
        table,
        how: "sequence",
        scans: numberOf(row, "scans"),
        rowsRead: numberOf(row, "rows"),
      },
      {
        table,
        how: "index",
        scans: numberOf(row, "index_scans"),
        rowsRead: numberOf(row, "index_rows"),
      },
    ];
  });
}

export function scansBetween(
  before: readonly TableScans[],
  after: readonly TableScans[],
): readonly TableScans[] {
  return after.map(({ table, how, scans, rowsRead }) => {
    const then = before.find((each) => each.table === table && each.how === how);
    return {
      table,
      how,
      scans: scans - (then?.scans ?? 0),
      rowsRead: rowsRead - (then?.rowsRead ?? 0),
    };
  });
}
