/** The target in the background, outside of any run: started, shown, stopped. */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { TargetFile } from "../core/target-file.ts";
import { isMissing, targetFolder, writeDurably, type Environment } from "./home.ts";
import { knobRedisSettings } from "./knob-values.ts";
import { presentValues } from "./live.ts";
import { isAlive, type ProcessIdentity } from "./proc.ts";
import { stopProcess, type RunningProcess, type StopOptions } from "./process.ts";
import { POSTGRES_STOP } from "./postgres-server.ts";
import { REDIS_STOP, startRedis, type RedisServer } from "./redis-server.ts";
import { serviceStop, startService, type ServiceProcess } from "./service.ts";
import { openSource, type Source } from "./source.ts";

interface UpProcess extends ProcessIdentity {
  readonly title: string;
  readonly stop: StopOptions;
}

export interface UpState {
  readonly baseUrl: string;
  /** Holds a password: for the user's eyes, never for a report. */
  readonly postgresUrl: string;
  readonly redisUrl: string | undefined;
  readonly scale: string | undefined;
  readonly logPath: string;
  /** Those that perfopt started, in the order to stop them. */
  readonly processes: readonly UpProcess[];
}

export interface UpOptions {
  readonly targetFile: TargetFile;
  readonly home: string;
  readonly scale: string;
  readonly seed: number;
  readonly environment: Environment;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Starts the target with everything applied so far; `already` when it was running. One that runs only in part is started afresh. */
export async function targetUp(
  options: UpOptions,
): Promise<{ readonly state: UpState; readonly already: boolean }> {
  const { home, targetFile } = options;
  const running = await targetState(home, targetFile.name);
  if (running && (await allAlive(running))) return { state: running, already: true };
  if (running) await targetDown(home, targetFile.name);
  const source = await openSource({ ...options, purpose: "up" });
  let redis: RedisServer | undefined;
  let service: ServiceProcess | undefined;
  try {
    redis = await startOwnRedis(options);
    service = await startOwnService(options, source, redis);
    const state = stateOf(options, source, redis, service);
    await writeDurably(statePath(home, targetFile.name), JSON.stringify(state), 0o600);
    await source.leaveRunning();
    redis?.client.disconnect();
    redis?.process.release();
    service.process.release();
    return { state, already: false };
  } catch (error) {
    await service?.stop();
    await redis?.stop();
    await source.close();
    throw error;
  }
}

/** Stops what `targetUp` started; returns the titles of what was still running. */
export async function targetDown(home: string, name: string): Promise<readonly string[]> {
  const state = await readState(home, name);
  const stopped: string[] = [];
  for (const each of state?.processes ?? []) {
    if (!(await isAlive(each))) continue;
    await stopProcess(each, each.stop);
    stopped.push(each.title);
  }
  await rm(statePath(home, name), { force: true });
  return stopped;
}

/** What runs in the background; undefined when nothing of it does. */
export async function targetState(home: string, name: string): Promise<UpState | undefined> {
  const state = await readState(home, name);
  for (const each of state?.processes ?? []) {
    if (await isAlive(each)) return state;
  }
  return undefined;
}

async function allAlive(state: UpState): Promise<boolean> {
  for (const each of state.processes) {
    if (!(await isAlive(each))) return false;
  }
  return true;
}

async function readState(home: string, name: string): Promise<UpState | undefined> {
  try {
    const state: UpState = JSON.parse(await readFile(statePath(home, name), "utf8"));
    return state;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function statePath(home: string, name: string): string {
  return join(targetFolder(home, name), "state.json");
}

async function startOwnRedis(options: UpOptions): Promise<RedisServer | undefined> {
  const { redis, knobs, name } = options.targetFile;
  if (redis?.kind !== "local") return undefined;
  const values = await presentValues(options.targetFile, options.home, options);
  return startRedis({
    folder: join(targetFolder(options.home, name), "redis"),
    settings: { ...redis.settings, ...knobRedisSettings(knobs, values) },
    environment: options.environment,
    signal: options.signal,
    title: "Redis",
  });
}

async function startOwnService(
  options: UpOptions,
  source: Source,
  redis: RedisServer | undefined,
): Promise<ServiceProcess> {
  const { targetFile, home } = options;
  const logPath = join(targetFolder(home, targetFile.name), "service.log");
  await rm(logPath, { force: true });
  return startService({
    targetFile,
    values: await presentValues(targetFile, home, options),
    postgresUrl: source.serviceUrl,
    redisUrl: redisUrlOf(targetFile, redis),
    environment: options.environment,
    logPath,
    signal: options.signal,
  });
}

function redisUrlOf(targetFile: TargetFile, redis: RedisServer | undefined): string | undefined {
  return redis?.url ?? (targetFile.redis?.kind === "url" ? targetFile.redis.url : undefined);
}

function stateOf(
  { targetFile }: UpOptions,
  source: Source,
  redis: RedisServer | undefined,
  service: ServiceProcess,
): UpState {
  return {
    baseUrl: service.baseUrl,
    postgresUrl: source.serviceUrl,
    redisUrl: redisUrlOf(targetFile, redis),
    scale: source.scale,
    logPath: service.process.logPath,
    processes: [
      entry(service.process, serviceStop(targetFile)),
      ...(redis ? [entry(redis.process, REDIS_STOP)] : []),
      ...(source.server ? [entry(source.server.process, POSTGRES_STOP)] : []),
    ],
  };
}

function entry({ title, pid, startTicks }: RunningProcess, stop: StopOptions): UpProcess {
  return { title, pid, startTicks, stop };
}
