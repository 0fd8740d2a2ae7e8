/** The real target: what is proven is applied here, verified, and undone from here. */
import { PerfoptError, throwIfAborted } from "../core/errors.ts";
import type { IndexDefinition } from "../core/index-definition.ts";
import type { Change, Knob, KnobValue } from "../core/knob.ts";
import { nodeFlag, writeValue } from "../core/knob-text.ts";
import type { Target } from "../core/ports.ts";
import type { StatisticsDefinition } from "../core/statistics-definition.ts";
import type { TargetFile } from "../core/target-file.ts";
import { readApplied, writeApplied, type Applied, type OwnIndex } from "./applied.ts";
import type { Environment } from "./home.ts";
import { checkValue, knobOf, readValue } from "./knob-values.ts";
import { applySetting, revertSetting, type LiveSettings } from "./live-settings.ts";
import { givenNodeOptions, nodeOptionValues } from "./node-options.ts";
import { isPostgresKnob, readServiceSettings } from "./postgres-settings.ts";
import { changeSetting, readSetting, withRedis } from "./redis-server.ts";
import { buildIndex, defaultIndexLimits, dropIndex, type IndexLimits } from "./safe-index.ts";
import type { Source } from "./source.ts";
import { buildStatistics, dropStatistics } from "./statistics.ts";

export interface LiveOptions {
  readonly targetFile: TargetFile;
  readonly home: string;
  readonly source: Pick<Source, "id" | "adminUrl" | "serviceUrl"> & {
    readonly server: { readonly dataFolder: string } | undefined;
  };
  /** That the service inherits. */
  readonly environment: Environment;
  /** Ends an index build; undoing goes on regardless. */
  readonly signal: AbortSignal;
  readonly indexLimits?: IndexLimits;
}

export async function openTarget(options: LiveOptions): Promise<Target> {
  const { targetFile, home, source, environment } = options;
  return {
    baselineValues: await presentValues(targetFile, home, {
      serviceUrl: source.serviceUrl,
      environment,
    }),
    apply: (change) => apply(change, options),
    revert: (change) => revert(change, options),
  };
}

export interface Surroundings {
  /** To the service's database, as it connects. Absent: the defaults of the target file count for PostgreSQL's settings. */
  readonly serviceUrl?: string;
  /** That the service inherits: flags of Node may be in its NODE_OPTIONS. */
  readonly environment: Environment;
}

/**
 * The values that the target has now: what its own Redis and the service's sessions of PostgreSQL say, what was applied
 * earlier, what NODE_OPTIONS holds, else the defaults.
 */
export async function presentValues(
  targetFile: TargetFile,
  home: string,
  { serviceUrl, environment }: Surroundings,
): Promise<Readonly<Record<string, KnobValue>>> {
  const { knobs } = targetFile;
  const applied = await readApplied(home, targetFile.name);
  const external = {
    ...(await externalValues(targetFile)),
    ...(serviceUrl === undefined ? {} : await readServiceSettings(serviceUrl, knobs)),
  };
  const given = nodeOptionValues(givenNodeOptions(targetFile, environment), knobs);
  return Object.fromEntries(
    knobs.map((knob) => [
      knob.id,
      external[knob.id] ?? applied.values[knob.id] ?? given[knob.id] ?? knob.default,
    ]),
  );
}

async function externalValues(targetFile: TargetFile): Promise<Record<string, KnobValue>> {
  const { redis } = targetFile;
  const knobs = targetFile.knobs.filter((knob) => knob.set.kind === "redis");
  if (redis?.kind !== "url" || knobs.length === 0) return {};
  return withRedis(redis.url, async (client) => {
    const values: Record<string, KnobValue> = {};
    for (const knob of knobs) {
      if (knob.set.kind !== "redis") continue;
      const text = await readSetting(client, knob.set.parameter);
      if (text !== undefined) values[knob.id] = readValue(knob, text);
    }
    return values;
  });
}

function apply(change: Change, options: LiveOptions): Promise<string> {
  throwIfAborted(options.signal);
  switch (change.kind) {
    case "set-knob":
      return setKnob(change.knob, change.to, options);
    case "create-index":
      return applyIndex(change.index, options);
    case "create-statistics":
      return applyStatistics(change.statistics, options);
  }
}

function revert(change: Change, options: LiveOptions): Promise<string> {
  switch (change.kind) {
    case "set-knob":
      return unsetKnob(change.knob, change.from, options);
    case "create-index":
      return revertIndex(change.index, options);
    case "create-statistics":
      return revertStatistics(change.statistics, options);
  }
}

async function setKnob(id: string, value: KnobValue, options: LiveOptions): Promise<string> {
  const knob = knobOf(options.targetFile.knobs, id);
  checkValue(knob, value);
  if (isPostgresKnob(knob)) return applySetting(knob, value, settingsOf(options));
  return write(knob, value, options);
}

/** Not held to the domain: the target may have been found outside of it. */
async function unsetKnob(id: string, from: KnobValue, options: LiveOptions): Promise<string> {
  const knob = knobOf(options.targetFile.knobs, id);
  if (isPostgresKnob(knob)) return revertSetting(knob, from, settingsOf(options));
  return write(knob, from, options);
}

function settingsOf({ home, targetFile, source }: LiveOptions): LiveSettings {
  return { home, target: targetFile.name, source };
}

function write(knob: Knob, value: KnobValue, options: LiveOptions): Promise<string> {
  const { targetFile } = options;
  if (knob.set.kind === "redis" && targetFile.redis?.kind === "url") {
    return setExternalRedis(targetFile.redis.url, knob, knob.set.parameter, value);
  }
  return persist(knob, value, options);
}

/** The service and perfopt's own Redis start with these values from the next start on. */
async function persist(knob: Knob, value: KnobValue, options: LiveOptions): Promise<string> {
  const { home, targetFile } = options;
  const applied = await readApplied(home, targetFile.name);
  const path = await writeApplied(home, targetFile.name, {
    ...applied,
    values: { ...applied.values, [knob.id]: value },
  });
  const written = (await readApplied(home, targetFile.name)).values[knob.id];
  if (written !== value) {
    throw new PerfoptError(
      "cannot-measure",
      `${path} holds ${String(written)} for ${knob.id} after ${String(value)} was written`,
      "check that no other program writes this file",
    );
  }
  return `${settingWords(knob, value)} from the next start on, read back from ${path}`;
}

function settingWords(knob: Knob, value: KnobValue): string {
  const text = writeValue(knob, value);
  switch (knob.set.kind) {
    case "env":
      return `${knob.set.variable}=${text}`;
    case "node-option": {
      const flag = nodeFlag(knob.set.flag, knob, value);
      return `NODE_OPTIONS ${flag === undefined ? `without ${knob.set.flag}` : `with ${flag}`}`;
    }
    case "redis":
      return `Redis ${knob.set.parameter}=${text}`;
    case "postgres":
      return `PostgreSQL ${knob.set.parameter}=${text}`;
  }
}

async function setExternalRedis(
  url: string,
  knob: Knob,
  parameter: string,
  value: KnobValue,
): Promise<string> {
  const text = writeValue(knob, value);
  await withRedis(url, (client) => changeSetting(client, parameter, text));
  return `Redis ${parameter} is ${text} by CONFIG GET, until Redis restarts: write it into redis.conf to keep it`;
}

async function applyIndex(index: IndexDefinition, options: LiveOptions): Promise<string> {
  const { home, targetFile } = options;
  const applied = await readApplied(home, targetFile.name);
  const own = applied.indexes.some((each) => isSame(each, index, options));
  const { detail } = await buildIndex({
    ...jobOf(index, options),
    own,
    signal: options.signal,
    dataFolder: options.source.server?.dataFolder,
    beforeBuild: async () => {
      if (!own) await writeApplied(home, targetFile.name, withIndex(applied, index, options));
    },
  });
  return detail;
}

async function revertIndex(index: IndexDefinition, options: LiveOptions): Promise<string> {
  const applied = await readApplied(options.home, options.targetFile.name);
  if (!applied.indexes.some((each) => isSame(each, index, options))) {
    return `index ${index.name} was not made by perfopt, so there is nothing to undo`;
  }
  const detail = await dropIndex(jobOf(index, options));
  await forget(index, options);
  return detail;
}

async function applyStatistics(
  statistics: StatisticsDefinition,
  options: LiveOptions,
): Promise<string> {
  const { home, targetFile } = options;
  const applied = await readApplied(home, targetFile.name);
  const own = applied.statistics.some((each) => isSame(each, statistics, options));
  return buildStatistics({
    url: options.source.adminUrl,
    statistics,
    limits: options.indexLimits ?? defaultIndexLimits,
    signal: options.signal,
    own,
    beforeBuild: async () => {
      if (own) return;
      await writeApplied(home, targetFile.name, {
        ...applied,
        statistics: [...applied.statistics, ownOf(statistics, options)],
      });
    },
  });
}

async function revertStatistics(
  statistics: StatisticsDefinition,
  options: LiveOptions,
): Promise<string> {
  const { home, targetFile } = options;
  const applied = await readApplied(home, targetFile.name);
  if (!applied.statistics.some((each) => isSame(each, statistics, options))) {
    return `statistics ${statistics.name} were not made by perfopt, so there is nothing to undo`;
  }
  const detail = await dropStatistics({ url: options.source.adminUrl, statistics });
  const now = await readApplied(home, targetFile.name);
  await writeApplied(home, targetFile.name, {
    ...now,
    statistics: now.statistics.filter((each) => !isSame(each, statistics, options)),
  });
  return detail;
}

function jobOf(index: IndexDefinition, options: LiveOptions) {
  return {
    url: options.source.adminUrl,
    limits: options.indexLimits ?? defaultIndexLimits,
    index,
  };
}

function withIndex(applied: Applied, index: IndexDefinition, options: LiveOptions): Applied {
  return { ...applied, indexes: [...applied.indexes, ownOf(index, options)] };
}

async function forget(index: IndexDefinition, options: LiveOptions): Promise<void> {
  const applied = await readApplied(options.home, options.targetFile.name);
  await writeApplied(options.home, options.targetFile.name, {
    ...applied,
    indexes: applied.indexes.filter((each) => !isSame(each, index, options)),
  });
}

/** An index or statistics. */
type Made = Pick<IndexDefinition, "schema" | "name">;

function ownOf({ schema, name }: Made, { source }: LiveOptions): OwnIndex {
  return { database: source.id, schema, name };
}

function isSame(own: OwnIndex, made: Made, { source }: LiveOptions): boolean {
  return own.database === source.id && own.schema === made.schema && own.name === made.name;
}
