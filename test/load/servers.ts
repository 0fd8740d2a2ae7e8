// HTTP servers that the load tests send to, and the workload most of them send.
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import type { LoadRequest } from "../../src/load/engine.ts";
import type { Parameter, RequestTemplate, WorkloadDefinition } from "../../src/core/workload.ts";

export interface TestServer {
  readonly url: string;
  readonly server: Server;
  /** Resolves when every client has closed its connections by itself. */
  readonly closed: () => Promise<void>;
  readonly kill: () => void;
}

export async function serve(listener: RequestListener): Promise<TestServer> {
  const server = createServer(listener);
  // A client that forgets a connection must not be helped by the server's own limit on idle ones.
  server.keepAliveTimeout = 0;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${portOf(server)}`,
    server,
    closed: async () => {
      const done = once(server, "close");
      // Stops listening; closes nothing that a client still holds open.
      server.close();
      await done;
    },
    kill: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

export interface StallServer {
  readonly url: string;
  readonly pid: number;
  /** What was answered since the last call: path, and the server's milliseconds at that moment. */
  readonly answers: () => Promise<[path: string, at: number][]>;
  readonly stop: () => void;
}

export async function startStallServer(
  delayMs: number,
  stallMs: number,
  periodMs: number,
  awakeMs = 0,
): Promise<StallServer> {
  const child = fork(new URL("stall-server.mjs", import.meta.url), [
    String(delayMs),
    String(stallMs),
    String(periodMs),
    String(awakeMs),
  ]);
  const { port } = await message<{ port: number }>(child);
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    answers: async () => {
      const reply = message<{ answers: [string, number][] }>(child);
      child.send("answers");
      return (await reply).answers;
    },
    stop: () => {
      child.kill();
    },
  };
}

export function template(overrides: Partial<RequestTemplate> = {}): RequestTemplate {
  return {
    name: "get",
    weight: 1,
    method: "GET",
    path: "/",
    headers: {},
    expect: [],
    ...overrides,
  };
}

export function workloadOf(
  requests: readonly RequestTemplate[],
  parameters: readonly Parameter[] = [],
): WorkloadDefinition {
  return { name: "test", requests, parameters };
}

export const uniqueId: Parameter = {
  name: "id",
  source: { kind: "unique", prefix: "" },
  distribution: { kind: "uniform" },
};

export function loadOf(
  overrides: Partial<LoadRequest> & Pick<LoadRequest, "baseUrl">,
): LoadRequest {
  return {
    workload: workloadOf([template()]),
    data: {},
    seed: 1,
    arrivals: "constant",
    requestsPerSecond: 200,
    warmupMs: 100,
    windowMs: 500,
    timeoutMs: 5_000,
    errorRateMax: 0,
    trace: false,
    ...overrides,
  };
}

function message<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once("message", (value: T) => resolve(value));
    child.once("exit", () => reject(new Error("the stall server ended")));
  });
}

export function portOf(server: Pick<Server, "address">): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return address.port;
}
