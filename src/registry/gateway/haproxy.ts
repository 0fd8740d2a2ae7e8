// The gateway as an HAProxy that this program configures, starts, watches and reads.

import type { ChildProcess } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo, Server } from "node:net";
import { createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { checkReady, checkTimeoutMs } from "./check.ts";
import { ownCpuSeconds } from "./gateway.ts";
import type { GatewayOptions, RunningGateway } from "./gateway.ts";
import { BACKEND, FRONTEND, haproxyConfig, serverName } from "./haproxy-config.ts";
import { STATS_SOCKET, makeFolder } from "./haproxy-folder.ts";
import { cpuSecondsOf, startHaproxy, validateConfig } from "./haproxy-process.ts";
import { command } from "./haproxy-socket.ts";
import { createReader } from "./haproxy-reader.ts";
import type { Reader } from "./haproxy-reader.ts";
import { createOwnPages, respond } from "./own-pages.ts";
import type { OwnPages } from "./own-pages.ts";

const START_TIMEOUT_MS = 10_000;
const LOOK_MS = 25;
const WATCH_MAX_MS = 1_000;
const RESTART_FIRST_MS = 100;
const RESTART_MAX_MS = 10_000;
const KILL_AFTER_MS = 1_000;

type Gateway = {
  readonly options: GatewayOptions;
  readonly program: string;
  readonly folder: string;
  readonly statsSocket: string;
  readonly port: number;
  readonly ownPort: number;
  readonly urls: Map<string, string | undefined>;
  readonly reader: Reader;
  child: ChildProcess | undefined;
  endedHow: string | undefined;
  restartMs: number;
  closing: boolean;
};

/** As openGateway, by the program given. Rejects with HAProxy's words when it refuses the configuration. */
export async function openHaproxy(
  options: GatewayOptions,
  program: string,
): Promise<RunningGateway> {
  const folder = await makeFolder();
  const statsSocket = join(folder, STATS_SOCKET);
  const urls = new Map(options.workers.map(({ id, url }) => [id, url]));
  const cpuOfHaproxy = (): number => cpuSecondsOf(gateway.child?.pid);
  const reader = createReader(options, statsSocket, () => ownCpuSeconds() + cpuOfHaproxy());
  const pages = createOwnPages({
    metrics: reader.metrics.registry,
    workers: () => [...urls].map(([id, url]) => ({ id, url })),
    refresh: reader.refresh,
    upCount: reader.upCount,
    otherCpuSeconds: cpuOfHaproxy,
  });
  const own = await serveOwn(pages);
  const port = options.port === 0 ? await freePort(options.host) : options.port;
  const gateway: Gateway = {
    options,
    program,
    folder,
    statsSocket,
    port,
    urls,
    reader,
    ownPort: portOf(own),
    child: undefined,
    endedHow: undefined,
    restartMs: RESTART_FIRST_MS,
    closing: false,
  };
  const watch = setInterval(
    () => void reader.refresh(),
    Math.min(WATCH_MAX_MS, options.healthIntervalMs),
  );
  const tidyUp = async (): Promise<void> => {
    gateway.closing = true;
    clearInterval(watch);
    own.close();
    gateway.child?.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await start(gateway);
  } catch (error) {
    await tidyUp();
    throw error;
  }
  return {
    port,
    workers: async () => {
      await reader.refresh();
      return reader.workers();
    },
    setWorker(id, url) {
      pages.ended(id);
      urls.set(id, url);
      void place(gateway, id, url).catch((error: unknown) =>
        options.onEvent?.({ type: "trouble", why: String(error) }),
      );
    },
    async close(drainTimeoutMs) {
      gateway.closing = true;
      const drained = await drain(gateway, drainTimeoutMs);
      await tidyUp();
      return drained;
    },
  };
}

/** Resolves when it listens. */
async function start(gateway: Gateway): Promise<void> {
  const { options, program, folder, statsSocket, urls } = gateway;
  const workers = [...urls].map(([id, url]) => ({ id, url }));
  const configPath = join(folder, "haproxy.cfg");
  await writeFile(configPath, haproxyConfig({ ...options, workers }, gateway), { mode: 0o600 });
  validateConfig(program, configPath);
  gateway.endedHow = undefined;
  gateway.reader.restarted();
  gateway.child = startHaproxy(program, configPath, {
    logged: gateway.reader.logged,
    ended: (how) => {
      gateway.endedHow = how;
      if (!gateway.closing) startAgain(gateway, how);
    },
  });
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (!(await answers(statsSocket))) {
    const how = endOf(gateway);
    if (how !== undefined) throw new Error(`HAProxy ${how}`);
    if (performance.now() > deadlineMs)
      throw new Error(`HAProxy did not start in ${START_TIMEOUT_MS} ms`);
    await wait(LOOK_MS);
  }
  gateway.restartMs = RESTART_FIRST_MS;
  await gateway.reader.refresh();
}

/** It changes while others wait, which the compiler does not see. */
function endOf({ endedHow }: Gateway): string | undefined {
  return endedHow;
}

function startAgain(gateway: Gateway, how: string): void {
  gateway.options.onEvent?.({ type: "trouble", why: `HAProxy: ${how}; starting another` });
  const pauseMs = gateway.restartMs;
  gateway.restartMs = Math.min(2 * pauseMs, RESTART_MAX_MS);
  setTimeout(() => {
    if (gateway.closing) return;
    const before = gateway.child;
    start(gateway).catch((error: unknown) => {
      const why = String(error);
      // One that was started is ended, if it is not yet, and its end leads here again.
      if (gateway.child === before) return startAgain(gateway, why);
      gateway.options.onEvent?.({ type: "trouble", why });
      gateway.child?.kill("SIGKILL");
    });
  }, pauseMs);
}

/** Tells HAProxy where a worker is now, without waiting for its next check. */
async function place(gateway: Gateway, id: string, url: string | undefined): Promise<void> {
  const { statsSocket, options, urls, reader } = gateway;
  const server = `set server ${BACKEND}/${serverName(id)}`;
  if (url === undefined) {
    await command(statsSocket, `${server} health down`);
  } else {
    const { hostname, port } = new URL(url);
    await command(statsSocket, `${server} addr ${hostname} port ${port}`);
    const result = await checkReady(url, checkTimeoutMs(options.healthIntervalMs));
    if (result.ok && urls.get(id) === url) await command(statsSocket, `${server} health up`);
  }
  await reader.refresh();
}

/** Frees the port, and ends HAProxy as soon as no request is under way: its own soft stop closes the statistics and waits for idle clients too. */
async function drain(gateway: Gateway, timeoutMs: number): Promise<boolean> {
  const { child, reader, statsSocket } = gateway;
  const deadlineMs = performance.now() + timeoutMs;
  await command(statsSocket, `shutdown frontend ${FRONTEND}`).catch(() => undefined);
  const idle = async (): Promise<boolean> => {
    if (gateway.endedHow !== undefined) return true;
    const fresh = await reader.refresh();
    return fresh && reader.workers().every(({ inflight }) => inflight === 0);
  };
  let drained = await idle();
  while (!drained && performance.now() < deadlineMs) {
    await wait(LOOK_MS);
    drained = await idle();
  }
  child?.kill("SIGTERM");
  const killMs = performance.now() + KILL_AFTER_MS;
  while (gateway.endedHow === undefined && performance.now() < killMs) await wait(LOOK_MS);
  return drained;
}

async function answers(statsSocket: string): Promise<boolean> {
  return command(statsSocket, "show info").then(
    () => true,
    () => false,
  );
}

async function serveOwn(pages: OwnPages): Promise<Server> {
  const server = createServer((request, response) => {
    const answer = async (): Promise<void> => {
      if (await pages.answer(request.url ?? "/", response)) return;
      respond(response, 404, "ENDPOINT_NOT_FOUND", "No such page.");
    };
    void answer();
  });
  await listen(server, "127.0.0.1");
  return server;
}

async function freePort(host: string): Promise<number> {
  const server = createTcpServer();
  await listen(server, host);
  const port = portOf(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function listen(server: Server, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, host, resolve);
  });
}

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no port was given");
  return address.port;
}
