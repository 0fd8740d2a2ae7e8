// The workers behind the embedded gateway: which are up, how busy each is, and how much of its share it gets.

import { Pool } from "undici";
import { checkReady, checkTimeoutMs, recheckMs } from "./check.ts";
import { createConnector } from "./connection.ts";
import type { GatewayOptions, WorkerState } from "./gateway.ts";
import type { GatewayMetrics } from "./metrics.ts";
import { stickyToken } from "./sticky.ts";

export type Upstream = {
  readonly id: string;
  readonly token: string;
  /** Undefined while its process is not there. */
  url: string | undefined;
  pool: Pool | undefined;
  /** `slow`: its last check was not answered in time, or it said that it is not ready. */
  state: WorkerState["state"];
  inflight: number;
  /** In (0, 1]. */
  readonly weight: number;
  /** When it came back, while it is warming up. */
  returnedMs: number | undefined;
};

export type Upstreams = {
  readonly all: readonly Upstream[];
  /** Those that requests go to. */
  readonly eligible: () => readonly Upstream[];
  readonly byToken: (token: string) => Upstream | undefined;
  /** No connection to be had through the pool given: it gets nothing more until a check passes, and one is made at once. */
  readonly unreachable: (upstream: Upstream, pool: Pool, why: string) => void;
  /** A connection broke: worth a check before the next is due. */
  readonly suspect: (upstream: Upstream) => void;
  readonly setWorker: (id: string, url: string | undefined) => void;
  readonly close: () => Promise<void>;
};

// A worker's own limit is far below; this one keeps a hung worker from taking every socket there is.
const INFLIGHT_MAX = 1_024;
// Below the 72 s of the workers, or a request could be sent on a connection that is being closed.
const KEEP_ALIVE_MS = 60_000;
const CONNECT_TIMEOUT_MAX_MS = 2_000;
const WEIGHT_MIN = 0.05;

/** Every worker has been checked once when this resolves. */
export async function openUpstreams(
  options: GatewayOptions,
  metrics: GatewayMetrics,
): Promise<Upstreams> {
  const all = options.workers.map(({ id, url }) => createUpstream(id, url, options));
  const setState = stateSetter(options, metrics);
  const check = checker(checkTimeoutMs(options.healthIntervalMs), setState);
  await Promise.all(all.map(check));
  // What was there from the beginning has nothing to catch up with.
  for (const upstream of all) upstream.returnedMs = undefined;
  const timers = all.flatMap((upstream) => [
    setInterval(() => void check(upstream), options.healthIntervalMs),
    setInterval(
      () => void (upstream.state === "up" ? undefined : check(upstream)),
      recheckMs(options.healthIntervalMs),
    ),
  ]);
  const free = (state: Upstream["state"]): readonly Upstream[] =>
    all.filter((each) => each.state === state && each.inflight < INFLIGHT_MAX);
  return {
    all,
    eligible() {
      const up = free("up");
      // When all are too busy to answer checks, refusing everything would not help them.
      return up.length > 0 ? up : free("slow");
    },
    byToken: (token) => all.find((each) => each.token === token),
    unreachable(upstream, pool, why) {
      // Its process was replaced meanwhile: nothing was heard of the new one.
      if (upstream.pool !== pool) return;
      setState(upstream, "down", why);
      // On a machine that is too busy a connection may only have been late: then this brings it back at once.
      void check(upstream);
    },
    suspect: (upstream) => void check(upstream),
    setWorker(id, url) {
      const upstream = all.find((each) => each.id === id);
      if (upstream === undefined) return;
      setState(upstream, "down", "its process is gone");
      void upstream.pool?.destroy().catch(() => undefined);
      upstream.url = url;
      upstream.pool = url === undefined ? undefined : openPool(url, options);
      void check(upstream);
    },
    async close() {
      for (const timer of timers) clearInterval(timer);
      await Promise.all(all.flatMap(({ pool }) => pool?.destroy().catch(() => undefined) ?? []));
    },
  };
}

type SetState = (upstream: Upstream, state: Upstream["state"], why: string) => void;

function stateSetter(options: GatewayOptions, metrics: GatewayMetrics): SetState {
  return (upstream, state, why) => {
    const { id, state: before } = upstream;
    if (before === state) return;
    upstream.state = state;
    metrics.up(id, state === "up");
    if (state === "up") {
      if (options.slowStartMs > 0) upstream.returnedMs = performance.now();
      options.onEvent?.({ type: "returned", worker: id });
    } else if (before === "up") {
      metrics.ejected(id);
      options.onEvent?.({ type: "ejected", worker: id, why });
    }
  };
}

/** One check at a time of each URL; who asks meanwhile gets the one under way. */
function checker(timeoutMs: number, setState: SetState): (upstream: Upstream) => Promise<void> {
  const underWay = new Map<string, Promise<void>>();
  const check = async (upstream: Upstream, url: string): Promise<void> => {
    const result = await checkReady(url, timeoutMs);
    underWay.delete(url);
    // Its process may have been replaced meanwhile: then this says nothing of the new one.
    if (upstream.url !== url) return;
    if (result.ok) setState(upstream, "up", "");
    else setState(upstream, result.slow ? "slow" : "down", result.why);
  };
  return async (upstream) => {
    const { url } = upstream;
    if (url === undefined) return;
    const current = underWay.get(url) ?? check(upstream, url);
    underWay.set(url, current);
    await current;
  };
}

function createUpstream(id: string, url: string | undefined, options: GatewayOptions): Upstream {
  return {
    id,
    token: stickyToken(id),
    url,
    pool: url === undefined ? undefined : openPool(url, options),
    state: "down",
    inflight: 0,
    returnedMs: undefined,
    get weight() {
      if (this.returnedMs === undefined) return 1;
      const share = (performance.now() - this.returnedMs) / options.slowStartMs;
      if (share >= 1) this.returnedMs = undefined;
      return Math.min(1, Math.max(WEIGHT_MIN, share));
    },
  };
}

/** A pool to each worker: undici's own balancing pools stay with one host after an outage (nodejs/undici#4839). */
function openPool(url: string, { answerTimeoutMs, healthIntervalMs }: GatewayOptions): Pool {
  return new Pool(url, {
    connections: INFLIGHT_MAX,
    pipelining: 1,
    connect: createConnector(Math.min(CONNECT_TIMEOUT_MAX_MS, healthIntervalMs)),
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    headersTimeout: answerTimeoutMs,
    bodyTimeout: answerTimeoutMs,
  });
}
