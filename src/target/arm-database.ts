/** What an arm's own database is brought to: its indexes, its extended statistics, and the settings of the service's sessions. */
import { createIndexSql, qualifiedName } from "../core/index-definition.ts";
import type { Change, Knob } from "../core/knob.ts";
import { writeValue } from "../core/knob-text.ts";
import { createStatisticsSql } from "../core/statistics-definition.ts";
import type { KnobValues } from "./knob-values.ts";
import { postgresKnobs, putBack, sessionPlace, setForService } from "./postgres-settings.ts";
import { cancelledOnAbort, withConnection } from "./sql.ts";

const BUILD_TIMEOUT_MS = 10 * 60_000;

/** Something made in the database, with what takes it away again. */
export interface DatabaseObject {
  /** Two objects are the same when this is: it holds the name and the definition. */
  readonly create: string;
  readonly drop: string;
  /** Quoted, with its schema. */
  readonly table: string;
}

/** The part of an arm that this file works on. */
export interface ArmDatabase {
  readonly adminUrl: string;
  readonly serviceUrl: string;
  readonly options: {
    readonly targetFile: { readonly knobs: readonly Knob[] };
    readonly signal: AbortSignal;
  };
  /** What it has. */
  objects: readonly DatabaseObject[];
  /** As last written, by knob; empty: nothing was set yet. */
  settings: Readonly<Record<string, string>>;
}

/** Makes what these changes want and drops what they do not; returns the tables that this has touched. */
export async function stageObjects(
  arm: ArmDatabase,
  changes: readonly Change[],
): Promise<readonly string[]> {
  const wanted = changes.flatMap(objectOf);
  const surplus = arm.objects.filter((object) => !isAmong(object, wanted));
  const missing = wanted.filter((object) => !isAmong(object, arm.objects));
  if (surplus.length === 0 && missing.length === 0) return [];
  await onArm(arm, async (statement) => {
    for (const object of surplus) {
      await statement(object.drop);
      arm.objects = arm.objects.filter((each) => each !== object);
    }
    for (const object of missing) {
      await statement(object.create);
      arm.objects = [...arm.objects, object];
    }
  });
  return [...new Set([...surplus, ...missing].map(({ table }) => table))];
}

/** What a change makes in the database; a knob makes nothing there. */
export function objectOf(change: Change): readonly DatabaseObject[] {
  switch (change.kind) {
    case "set-knob":
      return [];
    case "create-index": {
      const { schema, table, name } = change.index;
      return [
        {
          create: createIndexSql(change.index, "plain"),
          drop: `DROP INDEX IF EXISTS ${qualifiedName(schema, name)}`,
          table: qualifiedName(schema, table),
        },
      ];
    }
    case "create-statistics": {
      const { schema, table, name } = change.statistics;
      return [
        {
          create: createStatisticsSql(change.statistics),
          drop: `DROP STATISTICS IF EXISTS ${qualifiedName(schema, name)}`,
          table: qualifiedName(schema, table),
        },
      ];
    }
  }
}

function isAmong(object: DatabaseObject, others: readonly DatabaseObject[]): boolean {
  return others.some((each) => each.create === object.create);
}

/**
 * Vacuumed and analysed: done on both arms whenever one has had a table's indexes or statistics changed; statistics are in
 * force only from then on.
 */
export async function tidyTables(arm: ArmDatabase, tables: readonly string[]): Promise<void> {
  await onArm(arm, async (statement) => {
    for (const table of tables) await statement(`VACUUM (ANALYZE) ${table}`);
  });
}

/**
 * Gives the service's next sessions these values of its PostgreSQL knobs, and perfopt's own, whose plans tuners read, the same
 * ones. A clone has none of what was set for its source: the first call writes all of them.
 */
export async function stageSettings(arm: ArmDatabase, values: KnobValues): Promise<void> {
  const changed = postgresKnobs(arm.options.targetFile.knobs)
    .map((knob) => ({ knob, value: values[knob.id] ?? knob.default }))
    .filter(({ knob, value }) => arm.settings[knob.id] !== writeValue(knob, value));
  if (changed.length === 0) return;
  const { serviceUrl } = arm;
  const service = await withConnection(serviceUrl, sessionPlace);
  await withConnection(arm.adminUrl, async (client) => {
    const own = await sessionPlace(client);
    for (const { knob, value } of changed) {
      const { parameter } = knob.set;
      const place = { ...service, parameter };
      await setForService(client, { serviceUrl, place, knob }, value);
      if (own.role !== service.role)
        await putBack(client, { ...own, parameter }, writeValue(knob, value));
      arm.settings = { ...arm.settings, [knob.id]: writeValue(knob, value) };
    }
  });
}

function onArm(
  arm: ArmDatabase,
  use: (statement: (sql: string) => Promise<void>) => Promise<void>,
): Promise<void> {
  const { signal } = arm.options;
  return withConnection(
    arm.adminUrl,
    (client) =>
      use(async (sql) => {
        await cancelledOnAbort(client, { url: arm.adminUrl, signal }, () => client.query(sql));
      }),
    { statementTimeoutMs: BUILD_TIMEOUT_MS },
  );
}
