/** Everything that might make an analyst's queries cheaper, from one observed window: indexes, statistics, settings, another structure. */
import type { IndexAdvice } from "../../core/advice.ts";
import { messageOf, PerfoptError } from "../../core/errors.ts";
import type { KnobRole, KnobValue } from "../../core/knob.ts";
import { knobByRole } from "../../core/observation.ts";
import type { DatabaseView, KnobReading, TargetView } from "../../core/observation.ts";
import type { StructureAdvice } from "../../core/structure.ts";
import { executeLimits, executeStatements, type ExecutedStatements } from "../executed/execute.ts";
import {
  adviseOn,
  observedSnapshot,
  observedWorkload,
  withoutAdvice,
} from "../indexes/observed.ts";
import { catalogOf } from "../indexes/snapshot/catalog-of.ts";
import type { Snapshot } from "../indexes/snapshot/snapshot.ts";
import type { IndexWorkload } from "../indexes/statement.ts";
import {
  settingRoles,
  type SettingRole,
  type SettingsAdvice,
  type SettingsInput,
} from "../planner-settings/idea.ts";
import { asTheService, settingText } from "../planner-settings/session.ts";
import { settingsAdvice } from "../planner-settings/settings.ts";
import { plansChanged, type SettingToTry } from "../planner-settings/what-if.ts";
import { structuresOf } from "../structures/plans.ts";
import { misestimatesOf } from "../statistics/misestimates.ts";
import { proposeStatistics, type StatisticsAdvice } from "../statistics/propose.ts";

/** Small enough for the journal. */
export interface AggregateObservation {
  readonly indexes: IndexAdvice;
  /** How many statements were executed to see their plans, and the reasons of those that were not, or could not be read. */
  readonly executed: { readonly count: number; readonly skipped: readonly string[] };
  readonly statistics: StatisticsAdvice;
  readonly settings: SettingsAdvice;
  readonly knobs: readonly KnobReading[];
  /** For people to decide; absent where nobody looked, and when a phase looks again. */
  readonly structures?: StructureAdvice;
}

/** Where data is in memory, a random page costs little more than a sequential one. */
const RANDOM_PAGE_COST = 1.1;
/** Of the machine's memory; the rest is for the service and PostgreSQL's own. */
const CACHE_SHARE = 0.5;
const SQL_SHOWN = 100;
/** Of all plans together: nothing else of the run goes on meanwhile. */
const PROVE_LIMIT_MS = 60_000;

/** `again`: this phase has looked before, and plans for another structure are not proven twice. */
export async function observeAggregates(
  view: TargetView,
  again = false,
): Promise<AggregateObservation> {
  const database = asTheService(view);
  const knobs = settingRoles.flatMap((role) => knobByRole(view, role) ?? []);
  try {
    const snapshot = await observedSnapshot(database);
    const workload = await observedWorkload(view.statements);
    const { advice: indexes, also: structures } = await adviseOn(
      database,
      workload,
      snapshot,
      async ({ whatIf }) =>
        again
          ? undefined
          : structuresOf({ snapshot, workload, plan: (...asked) => whatIf.plan(...asked) }),
    );
    const found = await execute(database, workload, snapshot);
    const { executed, skipped } = found;
    const misestimates = (await Promise.all(executed.map(misestimatesOf))).flat();
    const guessed = new Set(executed.filter((each) => each.guessed).map(({ id }) => id));
    return {
      indexes,
      executed: {
        count: executed.length,
        skipped: [...skipped, ...workload.leftOut.filter(({ usual }) => usual !== true)].map(
          ({ sql, because }) => `${shownSql(sql)}: ${because}`,
        ),
      },
      statistics: proposeStatistics(misestimates, catalogOf(snapshot), guessed),
      settings: settingsAdvice(await settingsInput(view, database, found)),
      knobs,
      ...(structures ? { structures: await proven(database, structures) } : {}),
    };
  } catch (error) {
    // A database that cannot be read or rebuilt costs the advice, not the run.
    if (error instanceof PerfoptError && error.code !== "cannot-measure") throw error;
    return {
      indexes: withoutAdvice(messageOf(error), view.statements.length),
      executed: { count: 0, skipped: [] },
      statistics: { proposed: [], remarks: [] },
      settings: { ideas: [], notWorth: [] },
      knobs,
    };
  }
}

function execute(
  database: DatabaseView,
  workload: IndexWorkload,
  snapshot: Snapshot,
): Promise<ExecutedStatements> {
  return executeStatements(database, {
    workload,
    catalog: catalogOf(snapshot),
    views: snapshot.views,
    limits: executeLimits,
    now: () => performance.now(),
  });
}

/** Each plan tried on a copy, where one may be made; what it was compared with besides is too much for the journal. */
async function proven(
  database: DatabaseView,
  structures: StructureAdvice,
): Promise<StructureAdvice> {
  if (!database.prove || structures.plans.length === 0) return structures;
  const proofs = await database.prove(structures.plans, PROVE_LIMIT_MS);
  const plans = structures.plans.map((plan) => ({
    ...plan,
    rewrites: plan.rewrites.map((each) => ({ ...each, others: [] })),
  }));
  return { ...structures, plans, proofs };
}

async function settingsInput(
  view: TargetView,
  database: DatabaseView,
  { executed }: ExecutedStatements,
): Promise<SettingsInput> {
  const [row] = await database.together((query) =>
    query(`SELECT coalesce(current_setting('hash_mem_multiplier', true), '1')::float8 AS multiplier,
             current_setting('max_connections')::int AS connections, pg_jit_available() AS compiles`),
  );
  const values: Partial<Record<SettingRole, KnobValue>> = Object.fromEntries(
    settingRoles.flatMap((role) => {
      const reading = knobByRole(view, role);
      return reading ? [[role, reading.value]] : [];
    }),
  );
  return {
    executed,
    values,
    hashMultiplier: Number(row?.["multiplier"] ?? 1),
    machineBytes: view.machine.memoryBytes,
    sessions: sessionsOf(view, Number(row?.["connections"] ?? 100)),
    bufferHitRate: view.sample.metrics["db.bufferHitRate"],
    canCompile: row?.["compiles"] === true,
    whatIf: await plansChanged(database, executed, settingsToTry(view)),
  };
}

/** The pools of all the service's processes, or else what PostgreSQL lets in. */
function sessionsOf(view: TargetView, connectionsMax: number): SettingsInput["sessions"] {
  const number = (role: KnobRole): number | undefined => {
    const value = knobByRole(view, role)?.value;
    return typeof value === "number" ? value : undefined;
  };
  const pool = number("pool-max");
  if (pool === undefined) return { count: connectionsMax, of: "max_connections" };
  const count = Math.min(connectionsMax, pool * Math.max(1, number("processes") ?? 1));
  return { count: Math.max(1, count), of: "connections of the service's pool" };
}

function settingsToTry(view: TargetView): readonly SettingToTry[] {
  const page = knobByRole(view, "pg-random-page-cost");
  const cache = knobByRole(view, "pg-effective-cache-size");
  const cacheBytes = 2 ** Math.floor(Math.log2(view.machine.memoryBytes * CACHE_SHARE));
  return [
    ...(page && Number(page.value) > RANDOM_PAGE_COST
      ? [
          {
            role: "pg-random-page-cost",
            name: "random_page_cost",
            value: String(RANDOM_PAGE_COST),
            to: RANDOM_PAGE_COST,
          } as const,
        ]
      : []),
    ...(cache && Number(cache.value) < cacheBytes
      ? [
          {
            role: "pg-effective-cache-size",
            name: "effective_cache_size",
            value: settingText(cacheBytes, "bytes"),
            to: cacheBytes,
          } as const,
        ]
      : []),
  ];
}

function shownSql(sql: string): string {
  const line = sql.replaceAll(/\s+/g, " ").trim();
  return line.length > SQL_SHOWN ? `${line.slice(0, SQL_SHOWN - 1)}…` : line;
}
