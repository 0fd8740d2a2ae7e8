// The embedded gateway: one HTTP server that spreads requests over several workers.

import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { randomFor } from "../seed/randomness.ts";
import { createBalance } from "./balance.ts";
import type { Balance } from "./balance.ts";
import { bodyOf } from "./body.ts";
import type { Body } from "./body.ts";
import type { GatewayConfig } from "./config.ts";
import { forward } from "./forward.ts";
import type { Outcome } from "./forward.ts";
import { requestHeaders } from "./headers.ts";
import { createGatewayMetrics } from "./metrics.ts";
import type { GatewayMetrics } from "./metrics.ts";
import { createOwnPages, respond } from "./own-pages.ts";
import type { OwnPages } from "./own-pages.ts";
import { stickyCookie, tokenOf } from "./sticky.ts";
import { openUpstreams } from "./upstreams.ts";
import type { Upstream, Upstreams } from "./upstreams.ts";

export type GatewayOptions = Pick<
  GatewayConfig,
  "balancing" | "healthIntervalMs" | "sticky" | "keepAlive" | "slowStartMs"
> & {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** `id`: letters, digits, `-` and `_`; no URL: its process is not there yet. */
  readonly workers: readonly { readonly id: string; readonly url: string | undefined }[];
  /** A worker that is silent for so long has failed its request. */
  readonly answerTimeoutMs: number;
  /** Of what two-choices draws. */
  readonly seed?: number;
  readonly onEvent?: (event: GatewayEvent) => void;
};

export type GatewayEvent =
  | { readonly type: "ejected"; readonly worker: string; readonly why: string }
  | { readonly type: "returned"; readonly worker: string }
  | { readonly type: "trouble"; readonly why: string };

export type WorkerState = {
  readonly id: string;
  /** Requests go to those that are up; `slow` ones are busy, and asked only when none is up. */
  readonly state: "up" | "slow" | "down";
  readonly inflight: number;
};

export type RunningGateway = {
  readonly port: number;
  /** The process of a worker was replaced, or is gone (undefined). */
  readonly setWorker: (id: string, url: string | undefined) => void;
  readonly workers: () => Promise<readonly WorkerState[]>;
  /** Takes no more connections and lets requests under way end. False if some were cut off. */
  readonly close: (drainTimeoutMs: number) => Promise<boolean>;
};

const ATTEMPTS = 2;
const IDLE_CLIENT_MS = 72_000;
const CLIENT_MARGIN_MS = 10_000;
const DRAIN_LOOK_MS = 50;
/** Seconds; a worker that was lost is back after about so long. */
const RETRY_AFTER = "1";

type Gateway = {
  readonly upstreams: Upstreams;
  readonly balance: Balance<Upstream>;
  readonly metrics: GatewayMetrics;
  readonly options: GatewayOptions;
  draining: boolean;
};

/** Listens once every worker was asked whether it is ready; rejects when the port is taken. */
export async function openGateway(options: GatewayOptions): Promise<RunningGateway> {
  const inflight = (id: string): number =>
    gateway.upstreams.all.find((each) => each.id === id)?.inflight ?? 0;
  const metrics = createGatewayMetrics({
    workers: options.workers.map(({ id }) => id),
    inflight,
    cpuSeconds: ownCpuSeconds,
  });
  const upstreams = await openUpstreams(options, metrics);
  const { fraction } = randomFor(options.seed ?? process.pid, "gateway");
  const balance = createBalance<Upstream>(options.balancing, fraction);
  const gateway: Gateway = { upstreams, balance, metrics, options, draining: false };
  const pages = createOwnPages({
    metrics: metrics.registry,
    workers: () => upstreams.all,
    refresh: async () => undefined,
    upCount: () => upstreams.all.filter(({ state }) => state === "up").length,
  });
  const server = createServer((request, response) => void serve(gateway, pages, request, response));
  server.keepAliveTimeout = IDLE_CLIENT_MS;
  // A client that neither sends nor reads; while a worker is at work nothing moves either.
  server.timeout = options.answerTimeoutMs + CLIENT_MARGIN_MS;
  // A large import takes as long as it takes; Node would end it after five minutes.
  server.requestTimeout = 0;
  try {
    await listen(server, options);
  } catch (error) {
    await upstreams.close();
    throw error;
  }
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : options.port,
    setWorker(id, url) {
      pages.ended(id);
      upstreams.setWorker(id, url);
    },
    workers: async () => upstreams.all.map(({ id, state, inflight }) => ({ id, state, inflight })),
    async close(drainTimeoutMs) {
      gateway.draining = true;
      const drained = await drain(server, drainTimeoutMs);
      await upstreams.close();
      return drained;
    },
  };
}

export function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function serve(
  gateway: Gateway,
  pages: OwnPages,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // A client that went away is no reason to end.
  response.on("error", () => undefined);
  const path = pathOf(request.url ?? "/");
  if (path === undefined) return respond(response, 400, "BAD_REQUEST", "Not a path.");
  if (await pages.answer(path, response)) return;
  await passOn(gateway, path, request, response);
}

async function passOn(
  gateway: Gateway,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const startMs = performance.now();
  const { metrics, upstreams, options } = gateway;
  const body = await bodyOf(request);
  if (body === undefined) return;
  const headers = requestHeaders(request);
  const token = options.sticky ? tokenOf(request.headers.cookie) : undefined;
  let failed: Upstream | undefined;
  let outcome: Outcome | undefined;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const upstream = choose(gateway, token, failed);
    const pool = upstream?.pool;
    if (upstream === undefined || pool === undefined) break;
    if (failed !== undefined) metrics.retried();
    upstream.inflight += 1;
    const added = addedHeaders(gateway, upstream, token);
    const closeAfter = !options.keepAlive;
    const call = { request, response, path, headers, body, closeAfter, added };
    outcome = await forward(pool, call);
    upstream.inflight -= 1;
    if (outcome.type === "answered")
      return metrics.answered(upstream.id, (performance.now() - startMs) / 1e3);
    if (outcome.type === "client-gone") return;
    if (outcome.type === "unfit") break;
    metrics.failed(upstream.id);
    if (outcome.type === "unsent") upstreams.unreachable(upstream, pool, outcome.why);
    else upstreams.suspect(upstream);
    failed = upstream;
    if (!mayRetry(request, response, body, outcome)) break;
  }
  giveUp(gateway, response, outcome);
}

/** What reached no worker may go to another; what reached one only if asking twice is the same as once, and nothing was answered. */
function mayRetry(
  request: IncomingMessage,
  response: ServerResponse,
  body: Body,
  outcome: Outcome,
): boolean {
  if (response.headersSent) return false;
  if (outcome.type === "unsent") return body === null || Buffer.isBuffer(body) || !body.begun();
  return (
    outcome.type === "broken" &&
    body === null &&
    (request.method === "GET" || request.method === "HEAD")
  );
}

function choose(
  { upstreams, balance }: Gateway,
  token: string | undefined,
  failed: Upstream | undefined,
): Upstream | undefined {
  const eligible = upstreams.eligible();
  const bound = token === undefined ? undefined : upstreams.byToken(token);
  if (bound !== undefined && bound !== failed && eligible.includes(bound)) return bound;
  if (failed === undefined) return balance(eligible);
  const others = eligible.filter((each) => each !== failed);
  return balance(others);
}

function addedHeaders(
  { options, draining }: Gateway,
  upstream: Upstream,
  token: string | undefined,
): readonly string[] {
  const added: string[] = [];
  if (options.sticky && token !== upstream.token)
    added.push("Set-Cookie", stickyCookie(upstream.token));
  if (draining) added.push("Connection", "close");
  return added;
}

function giveUp(
  { metrics }: Gateway,
  response: ServerResponse,
  outcome: Outcome | undefined,
): void {
  if (response.headersSent) {
    // Half an answer must not look like a whole one.
    response.destroy();
    return;
  }
  if (outcome?.type === "unfit") return respond(response, 400, "BAD_REQUEST", outcome.why);
  metrics.refused();
  // What the client still sends is not read.
  response.setHeader("Connection", "close");
  response.setHeader("Retry-After", RETRY_AFTER);
  if (outcome?.type === "broken")
    respond(response, 502, "TEMPORARILY_UNAVAILABLE", "The connection to the worker broke.");
  else if (outcome?.type === "late")
    respond(response, 504, "DEADLINE_EXCEEDED", "The worker did not answer in time.");
  else respond(response, 503, "TEMPORARILY_UNAVAILABLE", "No worker can be reached.");
}

/** Undefined for what is no path: `*`, another scheme. */
function pathOf(url: string): string | undefined {
  if (url.startsWith("/")) return url;
  if (!URL.canParse(url)) return undefined;
  const { pathname, search } = new URL(url);
  return pathname.startsWith("/") ? pathname + search : undefined;
}

function listen(server: Server, { host, port }: GatewayOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function drain(server: Server, timeoutMs: number): Promise<boolean> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // Connections become idle one by one, and close() only ends those that are so at once.
  const idle = setInterval(() => server.closeIdleConnections(), DRAIN_LOOK_MS);
  let cutOff = false;
  const late = setTimeout(() => {
    cutOff = true;
    server.closeAllConnections();
  }, timeoutMs);
  await closed;
  clearInterval(idle);
  clearTimeout(late);
  return !cutOff;
}
