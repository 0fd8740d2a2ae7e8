/** The real target's PostgreSQL settings: what was there is on disk before a change, and an undo puts back exactly that. */
import type { KnobValue } from "../core/knob.ts";
import { alterRoleSql, writeValue } from "../core/knob-text.ts";
import { readApplied, writeApplied, type Applied, type OwnSetting } from "./applied.ts";
import { withIndexSession } from "./index-session.ts";
import {
  putBack,
  readServiceSettings,
  setForService,
  settingEntry,
  sessionPlace,
  type PostgresKnob,
} from "./postgres-settings.ts";
import { withConnection } from "./sql.ts";

export interface LiveSettings {
  readonly home: string;
  readonly target: string;
  readonly source: {
    readonly id: string;
    readonly adminUrl: string;
    readonly serviceUrl: string;
  };
}

/** Under perfopt's lock of the database: a killed perfopt's statement is ended first, for it could still take effect. */
const SESSION = { statementTimeoutMs: 15_000, lockWaitMs: 10_000 } as const;

/** Returns the statement that was run, the one that undoes it, and what was verified. */
export async function applySetting(
  knob: PostgresKnob,
  value: KnobValue,
  live: LiveSettings,
): Promise<string> {
  const { source } = live;
  const session = await withConnection(source.serviceUrl, sessionPlace);
  const place = { ...session, parameter: knob.set.parameter };
  return withIndexSession(source.adminUrl, SESSION, async ({ client }) => {
    const applied = await readApplied(live.home, live.target);
    const known = ownSetting(applied, knob, live);
    const present = await readServiceSettings(source.serviceUrl, [knob]);
    const record: OwnSetting = known ?? {
      source: source.id,
      ...place,
      before: (await settingEntry(client, place)) ?? null,
      from: present[knob.id] ?? knob.default,
      written: [],
    };
    await remember(record, writeValue(knob, value), live);
    const sql = await setForService(
      client,
      { serviceUrl: source.serviceUrl, place: record, knob },
      value,
    );
    const undo = alterRoleSql(record, record.before ?? undefined);
    return `${sql}; in force in a new session of the service; undone by ${undo}`;
  });
}

/**
 * To the value before a change: where that is the first one's, to the very entry that was there, or to none. Does nothing to
 * what perfopt did not set, or what somebody else has set since.
 */
export async function revertSetting(
  knob: PostgresKnob,
  from: KnobValue,
  live: LiveSettings,
): Promise<string> {
  const known = ownSetting(await readApplied(live.home, live.target), knob, live);
  const { parameter } = knob.set;
  if (!known) return `${parameter} was not set by perfopt, so there is nothing to undo`;
  return withIndexSession(live.source.adminUrl, SESSION, async ({ client }) => {
    const entry = (await settingEntry(client, known)) ?? null;
    if (entry !== known.before && (entry === null || !known.written.includes(entry))) {
      await forget(known, live);
      return `${parameter} of role ${known.role} is ${entry ?? "not set"} now, which is not perfopt's doing, so it is left so`;
    }
    if (from !== known.from) {
      const text = writeValue(knob, from);
      await remember(known, text, live);
      return `${await putBack(client, known, text)}; read back from the catalog`;
    }
    if (entry === known.before) {
      await forget(known, live);
      return `${parameter} of role ${known.role} is ${entry ?? "not set"}, as it was before`;
    }
    const sql = await putBack(client, known, known.before ?? undefined);
    await forget(known, live);
    return `${sql}; the catalog has what it had before`;
  });
}

function ownSetting(
  { settings }: Applied,
  knob: PostgresKnob,
  { source }: LiveSettings,
): OwnSetting | undefined {
  return settings.find(
    (each) => each.source === source.id && each.parameter === knob.set.parameter,
  );
}

/** On disk before the database hears of it. */
async function remember(record: OwnSetting, text: string, live: LiveSettings): Promise<void> {
  const applied = await readApplied(live.home, live.target);
  const written = [...new Set([...record.written, text])];
  await writeApplied(live.home, live.target, {
    ...applied,
    settings: [...applied.settings.filter((each) => !isSame(each, record)), { ...record, written }],
  });
}

async function forget(record: OwnSetting, live: LiveSettings): Promise<void> {
  const applied = await readApplied(live.home, live.target);
  await writeApplied(live.home, live.target, {
    ...applied,
    settings: applied.settings.filter((each) => !isSame(each, record)),
  });
}

function isSame(left: OwnSetting, right: OwnSetting): boolean {
  return left.source === right.source && left.parameter === right.parameter;
}
