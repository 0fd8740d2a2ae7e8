// Workers made of plain HTTP servers, and gateways in front of them.

import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import { openGateway } from "../../src/registry/gateway/gateway.ts";
import type {
  GatewayEvent,
  GatewayOptions,
  RunningGateway,
} from "../../src/registry/gateway/gateway.ts";

export type FakeWorker = {
  readonly id: string;
  readonly url: string;
  /** Paths asked for, checks and metrics left out. */
  readonly asked: string[];
  /** Connections that brought a request which is no check. */
  readonly connections: Set<unknown>;
  /** What it says of itself. */
  ready: boolean;
  /** It takes connections and does not say whether it is ready. */
  silent: boolean;
  /** Its page of metrics. */
  metrics: string;
  /** Ends at once, with its connections, as a killed process does. */
  readonly kill: () => Promise<void>;
  /** Listens again on the same port. */
  readonly revive: () => Promise<void>;
};

/** `answer` gets everything but checks and metrics; as it is, the worker says its own name. */
export async function startFake(id: string, answer?: RequestListener): Promise<FakeWorker> {
  let server: Server;
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    if (request.url === "/readyz") {
      if (!fake.silent) response.writeHead(fake.ready ? 200 : 503).end();
    } else if (request.url === "/metrics") {
      response.end(fake.metrics);
    } else {
      fake.asked.push(request.url ?? "");
      fake.connections.add(request.socket);
      if (answer === undefined) response.end(id);
      else answer(request, response);
    }
  };
  const listen = async (port: number): Promise<number> => {
    server = createServer(listener);
    server.keepAliveTimeout = 72_000;
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (typeof address !== "object" || address === null) throw new Error("No port was given.");
    return address.port;
  };
  const port = await listen(0);
  const fake: FakeWorker = {
    id,
    url: `http://127.0.0.1:${port}`,
    asked: [],
    connections: new Set(),
    ready: true,
    silent: false,
    metrics: "",
    async kill() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
    async revive() {
      await listen(port);
    },
  };
  return fake;
}

export type Open = typeof openGateway;
export type TestGateway = RunningGateway & {
  readonly url: string;
  readonly events: readonly GatewayEvent[];
};

/** Checks are so rare that only what a test does takes a worker out, unless it says otherwise. */
export async function openFor(
  workers: readonly Pick<FakeWorker, "id" | "url">[],
  options: Partial<GatewayOptions> = {},
  open: Open = openGateway,
): Promise<TestGateway> {
  const events: GatewayEvent[] = [];
  const gateway = await open({
    balancing: "round-robin",
    healthIntervalMs: 60_000,
    sticky: false,
    keepAlive: true,
    slowStartMs: 0,
    host: "127.0.0.1",
    port: 0,
    answerTimeoutMs: 20_000,
    seed: 1,
    onEvent: (event) => events.push(event),
    ...options,
    workers: workers.map(({ id, url }) => ({ id, url })),
  });
  return { ...gateway, url: `http://127.0.0.1:${gateway.port}`, events };
}

/** How many requests each worker got. */
export function counts(workers: readonly FakeWorker[]): readonly number[] {
  return workers.map(({ asked }) => asked.length);
}

/** Jain's fairness index (1984): 1 when all have the same, 1/n when one has all. */
export function jain(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0);
  const squares = values.reduce((total, value) => total + value * value, 0);
  return sum ** 2 / (values.length * squares);
}
