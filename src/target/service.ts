/** One process of the service: started on a free port with its knobs, awaited until ready, stopped. */
import { setTimeout as delay } from "node:timers/promises";
import { messageOf, PerfoptError, throwIfAborted } from "../core/errors.ts";
import type { TargetFile } from "../core/target-file.ts";
import { freePort } from "./free-port.ts";
import type { Environment } from "./home.ts";
import { knobEnvironment, type KnobValues } from "./knob-values.ts";
import { NODE_OPTIONS, nodeOptions } from "./node-options.ts";
import { runCommand } from "./run-command.ts";
import { TRACE_SOCKETS_VARIABLE } from "./socket-folder.ts";
import { logTail, startProcess, stopProcess, type RunningProcess } from "./process.ts";

const PROBE_TIMEOUT_MS = 2_000;
const POLL_MS = 50;
/** A migration may fill columns of large tables. */
const MIGRATE_TIMEOUT_MS = 10 * 60_000;

export interface ServiceProcess {
  readonly process: RunningProcess;
  readonly port: number;
  readonly baseUrl: string;
  readonly stop: () => Promise<void>;
}

export interface StartService {
  readonly targetFile: TargetFile;
  readonly values: KnobValues;
  readonly postgresUrl: string;
  readonly redisUrl: string | undefined;
  readonly environment: Environment;
  readonly logPath: string;
  readonly signal: AbortSignal;
  /** Where the tracers of its caches put their sockets. Absent: they are not told of any. */
  readonly socketFolder?: string;
  /** Preferred; another is taken when it is not free. */
  readonly port?: number;
  readonly resourceId?: string;
  /** Called as soon as the process exists. */
  readonly onProcess?: (process: RunningProcess) => Promise<void>;
}

/** A port that was taken between its choice and its use is replaced once; every other failure is the service's own. */
export async function startService(options: StartService): Promise<ServiceProcess> {
  try {
    return await startOn(options.port ?? (await freePort()), options);
  } catch (error) {
    if (!/EADDRINUSE|address already in use/i.test(messageOf(error))) throw error;
    return startOn(await freePort(), options);
  }
}

async function startOn(port: number, options: StartService): Promise<ServiceProcess> {
  const { service, knobs } = options.targetFile;
  const fill = filler(port, options);
  const fixed = Object.entries(service.env).map(([name, value]) => [name, fill(value)] as const);
  const environment: Environment = {
    ...options.environment,
    ...Object.fromEntries(fixed),
    ...knobEnvironment(knobs, options.values),
  };
  const given = environment[NODE_OPTIONS];
  const launch = {
    env: { ...environment, [NODE_OPTIONS]: nodeOptions(given, knobs, options.values) },
    logPath: options.logPath,
    // A migration that outlives a killed perfopt is found by the same mark as the service would be.
    ...(options.resourceId === undefined ? {} : { resourceId: options.resourceId }),
  };
  if (service.migrate) {
    await runCommand({
      ...launch,
      command: { ...service.migrate, args: service.migrate.args.map(fill) },
      title: `the migration of ${options.targetFile.name}`,
      timeoutMs: MIGRATE_TIMEOUT_MS,
      signal: options.signal,
      hint: `read ${options.logPath}, and check service.migrate in the target file`,
    });
  }
  const running = await startProcess({
    ...launch,
    env: { ...launch.env, ...tracing(options.socketFolder) },
    command: { ...service.start, args: service.start.args.map(fill) },
    title: `the service ${options.targetFile.name}`,
  });
  const baseUrl = `http://127.0.0.1:${port}`;
  const stop = () => stopProcess(running, serviceStop(options.targetFile));
  try {
    await options.onProcess?.(running);
    await waitUntilReady(running, `${baseUrl}${service.readyPath}`, options);
  } catch (error) {
    await stop();
    throw error;
  }
  return { process: running, port, baseUrl, stop };
}

function tracing(folder: string | undefined): Environment {
  return folder === undefined ? {} : { [TRACE_SOCKETS_VARIABLE]: folder };
}

export function serviceStop(targetFile: TargetFile) {
  return { signals: ["SIGTERM"], timeoutMs: targetFile.service.stopTimeoutMs } as const;
}

/** Replaces `${port}`, `${postgres.url}` and `${redis.url}`. */
function filler(port: number, options: StartService): (text: string) => string {
  return (text) =>
    text.replace(/\$\{(port|postgres\.url|redis\.url)\}/g, (_, name: string) => {
      if (name === "port") return String(port);
      if (name === "postgres.url") return options.postgresUrl;
      if (options.redisUrl !== undefined) return options.redisUrl;
      throw new PerfoptError(
        "bad-input",
        `${options.targetFile.path}: service.env uses \${redis.url}, but the target has no redis`,
        "add a redis section to the target file, or leave the variable out",
      );
    });
}

async function waitUntilReady(
  running: RunningProcess,
  url: string,
  options: StartService,
): Promise<void> {
  const { startTimeoutMs } = options.targetFile.service;
  const deadline = performance.now() + startTimeoutMs;
  for (;;) {
    throwIfAborted(options.signal);
    const ended = running.ended();
    if (ended !== undefined)
      throw await startFailure(running, `ended with ${ended} before it was ready`);
    const answer = await probe(url);
    if (answer === "ready") return;
    if (performance.now() > deadline) {
      const seconds = startTimeoutMs / 1000;
      throw await startFailure(running, `was not ready within ${seconds} s (${url}: ${answer})`);
    }
    await delay(POLL_MS);
  }
}

async function probe(url: string): Promise<string> {
  try {
    const response = await fetch(url, {
      redirect: "manual",
      signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
    });
    await response.arrayBuffer();
    return response.ok ? "ready" : `status ${response.status}`;
  } catch (error) {
    return messageOf(error instanceof Error && error.cause ? error.cause : error);
  }
}

async function startFailure(running: RunningProcess, what: string): Promise<PerfoptError> {
  return new PerfoptError(
    "cannot-measure",
    `${running.title} ${what}; its log ends with:\n${await logTail(running.logPath)}`,
    `read ${running.logPath}, and check service.start, service.env and service.readyPath in the target file`,
  );
}

/** Rejects when the process ends: raced against whatever needs it alive. */
export async function failWhenItEnds(running: RunningProcess): Promise<never> {
  const ended = await running.ending;
  throw new PerfoptError(
    "cannot-measure",
    `${running.title} ended with ${ended} while it was measured; its log ends with:\n${await logTail(running.logPath)}`,
    `read ${running.logPath}; a service that dies under this load cannot be tuned by it`,
  );
}
