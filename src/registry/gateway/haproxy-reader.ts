// What a running HAProxy says of its workers, as the gateway's metrics: times from its log, states and failures from its statistics.

import type { GatewayOptions, WorkerState } from "./gateway.ts";
import { serverName } from "./haproxy-config.ts";
import { readStats } from "./haproxy-socket.ts";
import type { ServerStats } from "./haproxy-socket.ts";
import { createGatewayMetrics } from "./metrics.ts";
import type { GatewayMetrics } from "./metrics.ts";

export type Reader = {
  readonly metrics: GatewayMetrics;
  /** A line of its log. */
  readonly logged: (line: string) => void;
  /** Reads the statistics. What cannot be read stays as it was; the answer is then false. */
  readonly refresh: () => Promise<boolean>;
  /** Its counters begin at nothing. */
  readonly restarted: () => void;
  readonly upCount: () => number;
  readonly workers: () => readonly WorkerState[];
};

const NOTHING: ServerStats = { up: true, inflight: 0, failed: 0, ejections: 0, retries: 0 };

export function createReader(
  options: GatewayOptions,
  statsSocket: string,
  cpuSeconds: () => number,
): Reader {
  const ids = options.workers.map(({ id }) => id);
  const byServer = new Map(ids.map((id) => [serverName(id), id]));
  let stats: ReadonlyMap<string, ServerStats> = new Map();
  const metrics = createGatewayMetrics({
    workers: ids,
    inflight: (id) => stats.get(id)?.inflight ?? 0,
    cpuSeconds,
  });
  const take = (now: ReadonlyMap<string, ServerStats>): void => {
    for (const [id, server] of now) {
      const before = stats.get(id) ?? NOTHING;
      metrics.failed(id, grown(before.failed, server.failed));
      metrics.ejected(id, grown(before.ejections, server.ejections));
      metrics.retried(grown(before.retries, server.retries));
      metrics.up(id, server.up);
      if (before.up && !server.up)
        options.onEvent?.({ type: "ejected", worker: id, why: "HAProxy holds it for down" });
      if (!before.up && server.up) options.onEvent?.({ type: "returned", worker: id });
    }
    stats = now;
  };
  return {
    metrics,
    logged(line) {
      const [server = "", status, activeMs, ending] = line.split(" ");
      const worker = byServer.get(server);
      if (ending === "--" && worker !== undefined) metrics.answered(worker, Number(activeMs) / 1e3);
      // HAProxy's own answers; those of a worker, and of this program, end with "--".
      else if (ending !== "--" && Number(status) >= 500) metrics.refused();
    },
    async refresh() {
      const now = await readStats(statsSocket, ids).catch(() => undefined);
      if (now !== undefined) take(now);
      return now !== undefined;
    },
    restarted() {
      stats = new Map();
    },
    upCount: () => [...stats.values()].filter(({ up }) => up).length,
    workers: () =>
      ids.map((id) => {
        const { up, inflight } = stats.get(id) ?? { up: false, inflight: 0 };
        return { id, state: up ? "up" : "down", inflight };
      }),
  };
}

function grown(before: number, now: number): number {
  return Math.max(0, now - before);
}
