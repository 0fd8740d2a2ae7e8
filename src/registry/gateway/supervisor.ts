// Several service processes behind one port: the program when PROCESSES is above 1.

import pino from "pino";
import type { Logger } from "pino";
import type { RegistryConfig } from "../config.ts";
import { startChildren } from "./children.ts";
import type { ChildEvent, Children } from "./children.ts";
import { openGateway } from "./gateway.ts";
import type { GatewayEvent, GatewayOptions, RunningGateway } from "./gateway.ts";
import { haproxyProgram } from "./haproxy-process.ts";
import { openHaproxy } from "./haproxy.ts";

export type RunningSupervisor = {
  readonly log: Logger;
  readonly port: number;
  /** Takes no more connections, lets requests under way end within drainTimeoutMs, and ends the processes. False if some were cut off. */
  readonly close: (drainTimeoutMs: number) => Promise<boolean>;
};

// A request waits for a connection, then for its statements, then for what is not SQL.
const ANSWER_MARGIN_MS = 30_000;
const STATEMENT_UNLIMITED_MS = 3_600_000;
/** What the processes need, drained, to give back the jobs they have not ended and to close their stores; a Redis that does not answer costs the first 2 s of it. */
const STORES_CLOSE_MS = 5_000;

/** `program` is what a process runs. Rejects when one of them cannot start; ConfigError when haproxy is asked for and not there. */
export async function supervise(
  config: RegistryConfig,
  program: string,
): Promise<RunningSupervisor> {
  const { gateway: settings } = config;
  const log = pino({ level: config.logLevel });
  const haproxy = settings.kind === "haproxy" ? haproxyProgram(process.env) : undefined;
  let gateway: RunningGateway | undefined;
  // What happens while the gateway is being opened is told to it afterwards.
  const missed: ChildEvent[] = [];
  const onEvent = (event: ChildEvent): void => {
    const { worker } = event;
    if (event.type === "ready") {
      log.info({ worker, worker_pid: event.pid }, "service process ready");
    } else {
      log.warn({ worker, how: event.how }, "service process ended; starting another");
    }
    if (gateway === undefined) missed.push(event);
    else tell(gateway, event);
  };
  const children = await startChildren({ count: settings.processes, program, onEvent });
  try {
    const options = gatewayOptions(config, children, log);
    missed.length = 0;
    gateway =
      haproxy === undefined ? await openGateway(options) : await openHaproxy(options, haproxy);
  } catch (error) {
    await children.stop(0, STORES_CLOSE_MS);
    throw error;
  }
  for (const event of missed) tell(gateway, event);
  const { port } = gateway;
  const close = async (drainTimeoutMs: number): Promise<boolean> => {
    const startMs = performance.now();
    const drained = (await gateway?.close(drainTimeoutMs)) ?? true;
    const leftMs = Math.max(0, drainTimeoutMs - (performance.now() - startMs));
    await children.stop(leftMs, STORES_CLOSE_MS);
    return drained;
  };
  return { log, port, close };
}

function gatewayOptions(config: RegistryConfig, children: Children, log: Logger): GatewayOptions {
  const statementMs = config.statementTimeoutMs || STATEMENT_UNLIMITED_MS;
  return {
    ...config.gateway,
    host: config.host,
    port: config.port,
    workers: children.all(),
    answerTimeoutMs: config.poolAcquireTimeoutMs + statementMs + ANSWER_MARGIN_MS,
    onEvent: (event) => logEvent(log, event),
  };
}

function tell(gateway: RunningGateway, event: ChildEvent): void {
  gateway.setWorker(event.worker, event.type === "ready" ? event.url : undefined);
}

function logEvent(log: Logger, event: GatewayEvent): void {
  if (event.type === "trouble") log.error({ why: event.why }, "the gateway is in trouble");
  else if (event.type === "returned") log.info({ worker: event.worker }, "worker is back");
  else log.warn({ worker: event.worker, why: event.why }, "worker taken out");
}
