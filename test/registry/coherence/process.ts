/** A registry as a process of its own, as it is deployed. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Pool } from "undici";
import { API_BASE } from "../../../src/registry/endpoint.ts";

export interface Registry {
  /** The parsed answer; throws unless it is a 200. */
  readonly get: (path: string, query: Readonly<Record<string, string>>) => Promise<unknown>;
  readonly send: (method: "POST" | "PATCH", path: string, body: object) => Promise<unknown>;
  /** The sum of a metric over its labels. */
  readonly metric: (name: string) => Promise<number>;
  readonly kill: () => Promise<void>;
}

const CONNECTIONS_MAX = 1_200;

export async function startProcess(environment: Record<string, string>): Promise<Registry> {
  const child = spawn(process.execPath, ["--import", "tsx", "src/registry/main.ts"], {
    env: { ...process.env, PORT: "0", LOG_LEVEL: "fatal", ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const pool = new Pool(`http://127.0.0.1:${await portOf(child)}`, {
    connections: CONNECTIONS_MAX,
    headersTimeout: 30_000,
  });
  return {
    ...clientOf(pool),
    async kill() {
      child.kill("SIGKILL");
      await exited;
      await pool.destroy();
    },
  };
}

/** Talks to a registry wherever it runs. */
export function clientOf(pool: Pool): Omit<Registry, "kill"> {
  const ask = async (method: "GET" | "POST" | "PATCH", path: string, body?: object) => {
    const answer = await pool.request({
      method,
      path: `${API_BASE}/${path}`,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
    const text = await answer.body.text();
    if (answer.statusCode !== 200)
      throw new Error(`${method} ${path} was answered with ${answer.statusCode}: ${text}`);
    const parsed: unknown = JSON.parse(text);
    return parsed;
  };
  return {
    get: (path, query) => ask("GET", `${path}?${new URLSearchParams(query).toString()}`),
    send: ask,
    async metric(name) {
      const answer = await pool.request({ method: "GET", path: "/metrics" });
      return (await answer.body.text())
        .split("\n")
        .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
        .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
    },
  };
}

async function portOf(child: ChildProcess): Promise<number> {
  if (child.stdout === null) throw new Error("The registry has no stdout.");
  for await (const line of createInterface(child.stdout)) {
    const entry: unknown = JSON.parse(line);
    if (typeof entry === "object" && entry !== null && "event" in entry && "port" in entry)
      return Number(entry.port);
  }
  throw new Error("The registry ended before it listened.");
}
