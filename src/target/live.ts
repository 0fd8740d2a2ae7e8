/** The real target: what is proven is applied here, verified, and undone from here. */
import { PerfoptError, throwIfAborted } from "../core/errors.ts";
import type { IndexDefinition } from "../core/index-definition.ts";
import type { Change, Knob, KnobValue } from "../core/knob.ts";
import type { Target } from "../core/ports.ts";
import type { TargetFile } from "../core/target-file.ts";
import { readApplied, writeApplied, type Applied, type OwnIndex } from "./applied.ts";
import { checkValue, knobOf, readValue, writeValue } from "./knob-values.ts";
import { changeSetting, readSetting, withRedis } from "./redis-server.ts";
import { buildIndex, defaultIndexLimits, dropIndex, type IndexLimits } from "./safe-index.ts";
import type { Source } from "./source.ts";

export interface LiveOptions {
  readonly targetFile: TargetFile;
  readonly home: string;
  readonly source: Pick<Source, "id" | "adminUrl"> & {
    readonly server: { readonly dataFolder: string } | undefined;
  };
  /** Ends an index build; undoing goes on regardless. */
  readonly signal: AbortSignal;
  readonly indexLimits?: IndexLimits;
}

export async function openTarget(options: LiveOptions): Promise<Target> {
  return {
    baselineValues: await presentValues(options.targetFile, options.home),
    apply: (change) => apply(change, options),
    revert: (change) => revert(change, options),
  };
}

/** The values that the target has now: what was applied earlier, the user's own Redis, else the defaults. */
export async function presentValues(
  targetFile: TargetFile,
  home: string,
): Promise<Readonly<Record<string, KnobValue>>> {
  const applied = await readApplied(home, targetFile.name);
  const external = await externalValues(targetFile);
  return Object.fromEntries(
    targetFile.knobs.map((knob) => [
      knob.id,
      external[knob.id] ?? applied.values[knob.id] ?? knob.default,
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
  }
}

function revert(change: Change, options: LiveOptions): Promise<string> {
  switch (change.kind) {
    case "set-knob":
      return setKnob(change.knob, change.from, options);
    case "create-index":
      return revertIndex(change.index, options);
  }
}

async function setKnob(id: string, value: KnobValue, options: LiveOptions): Promise<string> {
  const { targetFile } = options;
  const knob = knobOf(targetFile.knobs, id);
  checkValue(knob, value);
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
  return `${settingName(knob)}=${writeValue(knob, value)} from the next start on, read back from ${path}`;
}

function settingName(knob: Knob): string {
  return knob.set.kind === "env" ? knob.set.variable : `Redis ${knob.set.parameter}`;
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

function jobOf(index: IndexDefinition, options: LiveOptions) {
  return {
    url: options.source.adminUrl,
    limits: options.indexLimits ?? defaultIndexLimits,
    index,
  };
}

function withIndex(applied: Applied, index: IndexDefinition, options: LiveOptions): Applied {
  const entry = { database: options.source.id, schema: index.schema, name: index.name };
  return { ...applied, indexes: [...applied.indexes, entry] };
}

async function forget(index: IndexDefinition, options: LiveOptions): Promise<void> {
  const applied = await readApplied(options.home, options.targetFile.name);
  await writeApplied(options.home, options.targetFile.name, {
    ...applied,
    indexes: applied.indexes.filter((each) => !isSame(each, index, options)),
  });
}

function isSame(own: OwnIndex, index: IndexDefinition, options: LiveOptions): boolean {
  return (
    own.database === options.source.id && own.schema === index.schema && own.name === index.name
  );
}
