/** One arm: its own database, Redis and service process, brought to the values and indexes that it is told to have. */
import { join } from "node:path";
import type { Client } from "pg";
import { throwIfAborted } from "../core/errors.ts";
import type { Resource } from "../core/event.ts";
import type { Change } from "../core/knob.ts";
import type { TargetFile } from "../core/target-file.ts";
import type { Role } from "../core/trial.ts";
import {
  objectOf,
  stageObjects,
  stageSettings,
  type ArmDatabase,
  type DatabaseObject,
} from "./arm-database.ts";
import { cloneDatabase, cloneName, dropClone } from "./clone.ts";
import { freePort } from "./free-port.ts";
import { makeFolder, type Environment } from "./home.ts";
import {
  checkValue,
  knobOf,
  knobRedisSettings,
  knobsAtStart,
  valuesAfter,
  type KnobValues,
} from "./knob-values.ts";
import {
  changeSetting,
  readSetting,
  startRedis,
  withRedis,
  type RedisServer,
} from "./redis-server.ts";
import { noteProcess, type Note } from "./resources.ts";
import { startService, type ServiceProcess } from "./service.ts";
import { findServiceUse, type ServiceUse } from "./service-use.ts";
import { openSocketFolder } from "./socket-folder.ts";
import type { Source } from "./source.ts";
import type { Undo } from "./stand.ts";
import { connect, withDatabase } from "./sql.ts";
import type { ReadTrace } from "./tracing.ts";

export interface ArmOptions {
  /** Of this arm: two arms may stand for two versions of a service. */
  readonly targetFile: TargetFile;
  readonly runId: string;
  /** For logs and Redis; removed when the bench closes well. */
  readonly folder: string;
  readonly source: Pick<Source, "adminUrl" | "serviceUrl" | "owner" | "server">;
  readonly baselineValues: KnobValues;
  /** Changes whose indexes and statistics the target's database has already, and so its clones: an arm without them loses them. */
  readonly present?: readonly Change[];
  readonly environment: Environment;
  /** Absent: what the service asks its caches for is not traced. */
  readonly readTrace?: ReadTrace;
  readonly note: Note;
  readonly signal: AbortSignal;
}

export interface Arm extends ArmDatabase {
  readonly role: Role;
  readonly options: ArmOptions;
  readonly folder: string;
  readonly adminUrl: string;
  readonly serviceUrl: string;
  /** For counters; stays open, and is another one after the database was copied anew. */
  readonly session: { client: Client };
  readonly redis: RedisServer | undefined;
  /** Of the service's tracers; undefined where nobody listens to them. */
  readonly socketFolder: string | undefined;
  port: number;
  /** What it should have: as last told, and the knobs' values after that. */
  changes: readonly Change[];
  values: KnobValues;
  redisSettings: Readonly<Record<string, string>>;
  service: RunningService | undefined;
  /** The process has to be replaced before the next window, so that both arms' are of the same age. */
  stale: boolean;
  starts: number;
}

export interface RunningService extends ServiceProcess {
  /** The knobs' values that it was started with, as they are written. */
  readonly startedWith: Readonly<Record<string, string>>;
  /** Where its CPU time and memory are read. */
  readonly use: ServiceUse;
  readonly removed: () => Promise<void>;
}

/** Every step that leaves something behind adds its undo at once, so that a failure on the way leaks nothing. */
export async function openArm(role: Role, options: ArmOptions, undo: Undo[]): Promise<Arm> {
  const letter = role === "incumbent" ? "a" : "b";
  const folder = join(options.folder, letter);
  await makeFolder(folder);
  const database = cloneName(options.runId, letter);
  await openDatabase(database, options, undo);
  const adminUrl = withDatabase(options.source.adminUrl, database);
  const session = { client: await openSession(adminUrl) };
  undo.push(() => session.client.end());
  const settings = await redisSettingsOf(options);
  const redis = await openRedis(letter, folder, settings, options, undo);
  const arm: Arm = {
    role,
    options,
    folder,
    adminUrl,
    serviceUrl: withDatabase(options.source.serviceUrl, database),
    session,
    redis,
    socketFolder: options.readTrace
      ? await openSocketFolder(
          { folder, id: `${options.runId}/${letter}`, note: options.note },
          undo,
        )
      : undefined,
    port: await freePort(),
    changes: [],
    values: options.baselineValues,
    objects: objectsAtFirst(options),
    settings: {},
    redisSettings: settings,
    service: undefined,
    stale: true,
    starts: 0,
  };
  undo.push(() => stopArmService(arm));
  await stageSettings(arm, arm.values);
  return arm;
}

/** To a clone, which counts statements from then on; without the right or the library for it their metrics are absent. */
export async function openSession(adminUrl: string): Promise<Client> {
  const client = await connect(adminUrl);
  await client.query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").catch(() => {});
  return client;
}

/** Of a clone, as it is made. */
export function objectsAtFirst({ present = [] }: ArmOptions): readonly DatabaseObject[] {
  return present.flatMap(objectOf);
}

/** A clone of the source, in the journal before it is there. */
export async function openDatabase(name: string, options: ArmOptions, undo: Undo[]): Promise<void> {
  throwIfAborted(options.signal);
  const resource: Resource = { id: name, kind: "database", name };
  await options.note({ type: "resource-creating", resource });
  undo.push(async () => {
    await dropClone(options.source.adminUrl, name);
    await options.note({ type: "resource-removed", resourceId: name });
  });
  await cloneDatabase(options.source, name);
  await options.note({ type: "resource-created", resource });
}

async function openRedis(
  letter: string,
  folder: string,
  settings: Readonly<Record<string, string>>,
  options: ArmOptions,
  undo: Undo[],
): Promise<RedisServer | undefined> {
  if (!options.targetFile.redis) return undefined;
  const title = `Redis of arm ${letter}`;
  const resource = await noteProcess(options.note, `${options.runId}/${letter}/redis`, title);
  // One undo for both ends: a server that never came up has been stopped, but the journal still lists it.
  let redis: RedisServer | undefined;
  undo.push(async () => {
    await redis?.stop();
    await resource.removed();
  });
  redis = await startRedis({
    folder: join(folder, "redis"),
    settings,
    environment: options.environment,
    signal: options.signal,
    title,
    resourceId: resource.id,
    onProcess: resource.onProcess,
  });
  return redis;
}

/** The arms' Redis has the settings of the target's own, and the knobs' values over them. */
async function redisSettingsOf(options: ArmOptions): Promise<Record<string, string>> {
  const { redis, knobs } = options.targetFile;
  if (!redis) return {};
  const base = redis.kind === "local" ? redis.settings : await copiedSettings(redis.url);
  return { ...base, ...knobRedisSettings(knobs, options.baselineValues) };
}

function copiedSettings(url: string): Promise<Record<string, string>> {
  return withRedis(url, async (client) => {
    const settings: Record<string, string> = {};
    for (const parameter of ["maxmemory", "maxmemory-policy", "maxmemory-samples"]) {
      const value = await readSetting(client, parameter);
      if (value !== undefined) settings[parameter] = value;
    }
    return settings;
  });
}

/** What bringing an arm to a state has touched, so that the other arm can be made alike. */
export interface Staged {
  /** What a process of the service takes up when it starts. */
  readonly environment: boolean;
  readonly redis: boolean;
  readonly tables: readonly string[];
}

/**
 * Brings the database and Redis of an arm to the baseline plus these changes. Where what it
 * takes up at its start has changed, the service is stopped, which the caller starts again. The arm's record follows every step, so that after a failure the next call goes on from what is there.
 */
export async function stageArm(arm: Arm, changes: readonly Change[]): Promise<Staged> {
  const { knobs } = arm.options.targetFile;
  const values = valuesAfter(arm.options.baselineValues, changes);
  for (const change of changes) {
    if (change.kind === "set-knob") checkValue(knobOf(knobs, change.knob), change.to);
  }
  arm.changes = changes;
  arm.values = values;
  const running = arm.service?.startedWith;
  const environment = !running || !isSame(running, knobsAtStart(knobs, values));
  if (environment) await stopArmService(arm);
  await stageSettings(arm, values);
  const tables = await stageObjects(arm, changes);
  const redis = await stageRedis(arm, knobRedisSettings(knobs, values));
  return { environment, redis, tables };
}

async function stageRedis(arm: Arm, settings: Readonly<Record<string, string>>): Promise<boolean> {
  let changed = false;
  for (const [parameter, value] of Object.entries(settings)) {
    if (!arm.redis || arm.redisSettings[parameter] === value) continue;
    await changeSetting(arm.redis.client, parameter, value);
    arm.redisSettings = { ...arm.redisSettings, [parameter]: value };
    changed = true;
  }
  return changed;
}

/** A fresh process with the arm's values. */
export async function startArmService(arm: Arm): Promise<void> {
  await stopArmService(arm);
  const { options } = arm;
  const { targetFile, runId } = options;
  arm.starts += 1;
  const id = `${runId}/${arm.role}/service/${arm.starts}`;
  const resource = await noteProcess(options.note, id, `service of the ${arm.role} arm`);
  try {
    const service = await startService({
      targetFile,
      values: arm.values,
      postgresUrl: arm.serviceUrl,
      redisUrl: arm.redis?.url,
      environment: options.environment,
      logPath: join(arm.folder, `service-${arm.starts}.log`),
      signal: options.signal,
      ...(arm.socketFolder === undefined ? {} : { socketFolder: arm.socketFolder }),
      port: arm.port,
      resourceId: id,
      onProcess: resource.onProcess,
    });
    arm.service = {
      ...service,
      startedWith: knobsAtStart(targetFile.knobs, arm.values),
      use: await findServiceUse(service.process.pid, service.port),
      removed: resource.removed,
    };
    arm.port = service.port;
    arm.stale = false;
  } catch (error) {
    await resource.removed();
    throw error;
  }
}

export async function stopArmService(arm: Arm): Promise<void> {
  const { service } = arm;
  if (!service) return;
  arm.service = undefined;
  arm.stale = true;
  await service.stop();
  await service.removed();
}

function isSame(
  left: Readonly<Record<string, string>>,
  right: Readonly<Record<string, string>>,
): boolean {
  const names = Object.keys(left);
  return (
    names.length === Object.keys(right).length && names.every((name) => left[name] === right[name])
  );
}
