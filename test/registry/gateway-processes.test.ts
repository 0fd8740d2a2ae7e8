import { fork, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { API_BASE } from "../../src/registry/endpoint.ts";
import { portIn, stopMessage } from "../../src/registry/gateway/worker-process.ts";
import { gatewayKinds } from "./gateway-kinds.ts";
import { startStores } from "./stores.ts";
import type { Stores } from "./stores.ts";

const LOOK_MS = 25;
const gateways = gatewayKinds.map(([name]) => name);

let stores: Stores;
let databaseUrl = "";
const started: ChildProcess[] = [];

beforeAll(async () => {
  stores = await startStores();
  databaseUrl = await stores.createDatabase("processes");
}, 60_000);

afterAll(async () => {
  // Whatever a failed test left: the supervisors' own processes end when they do.
  for (const child of started) child.kill("SIGKILL");
  await stores?.stop();
}, 60_000);

type Program = {
  readonly child: ChildProcess;
  readonly url: string;
  readonly workers: readonly number[];
};

async function startProgram(environment: Record<string, string>): Promise<Program> {
  const child = spawn(process.execPath, ["--import", "tsx", "src/registry/main.ts"], {
    env: {
      ...process.env,
      DATABASE_URL: databaseUrl,
      REDIS_URL: stores.redisUrl,
      PORT: "0",
      LOG_LEVEL: "silent",
      PROCESSES: "2",
      CACHE_L2_TTL_MS: "0",
      ...environment,
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  started.push(child);
  if (child.stdout === null) throw new Error("The program has no stdout.");
  for await (const line of createInterface(child.stdout)) {
    const entry: unknown = JSON.parse(line);
    if (typeof entry !== "object" || entry === null || !("port" in entry)) continue;
    const url = `http://127.0.0.1:${Number(entry.port)}`;
    return { child, url, workers: childrenOf(child.pid ?? 0) };
  }
  throw new Error("The program ended before it listened.");
}

/** Its service processes; haproxy is not one. */
function childrenOf(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .trim()
    .split(" ")
    .map(Number)
    .filter((child) => isAlive(child) && commandOf(child).includes("main.ts"));
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

function isAlive(pid: number): boolean {
  return commandOf(pid) !== "";
}

async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await wait(LOOK_MS);
}

async function metric(url: string, start: string): Promise<number> {
  const page = await (await fetch(`${url}/metrics`)).text();
  return page
    .split("\n")
    .filter((line) => line.startsWith(start))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

const search = (url: string): Promise<Response> =>
  fetch(`${url}${API_BASE}/registered-models/search`);

const isDeaf = (url: string): Promise<boolean> =>
  fetch(`${url}/healthz`).then(
    () => false,
    () => true,
  );

/** Kills one of the service processes and waits until another has taken its place. */
async function loseOne({ child, url, workers }: Program): Promise<void> {
  const [victim = 0] = workers;
  const statuses: number[] = [];
  for (let asked = 0; asked < 10; asked += 1) statuses.push((await search(url)).status);
  expect(await metric(url, "http_requests_total")).toBeGreaterThanOrEqual(10);
  process.kill(victim, "SIGKILL");
  await eventually(async () => {
    statuses.push((await search(url)).status);
    const now = childrenOf(child.pid ?? 0);
    return (
      now.length === 2 &&
      !now.includes(victim) &&
      (await metric(url, "registry_gateway_worker_up")) === 2
    );
  });
  expect(new Set(statuses)).toEqual(new Set([200]));
  expect(await metric(url, "registry_gateway_ejections_total")).toBeGreaterThanOrEqual(1);
  // What the killed one had counted is still in the sums.
  expect(await metric(url, "http_requests_total")).toBeGreaterThanOrEqual(10);
}

describe.each(gateways)("GATEWAY=%s", (GATEWAY) => {
  test("a killed process is replaced, requests are answered meanwhile, and SIGTERM lets one under way end", async () => {
    const program = await startProgram({ GATEWAY, HEALTH_INTERVAL_MS: "500" });
    const { child, url, workers } = program;
    expect(workers).toHaveLength(2);
    await loseOne(program);
    const blocker = new Client({ connectionString: databaseUrl });
    await blocker.connect();
    await blocker.query("BEGIN");
    await blocker.query("LOCK TABLE registered_models IN ACCESS EXCLUSIVE MODE");
    const answer = search(url);
    await eventually(async () => {
      const waiting = await blocker.query(
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
      );
      return waiting.rows.length > 0;
    });
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await eventually(() => isDeaf(url));
    expect(child.exitCode).toBeNull();
    await blocker.query("COMMIT");
    await blocker.end();
    expect((await answer).status).toBe(200);
    expect(await exited).toEqual([0, null]);
    expect(workers.some(isAlive)).toBe(false);
  }, 90_000);
});

// A service process notices it in the same way behind either, and HAProxy is one thing more to be left.
test.each(gateways.slice(-1))(
  "GATEWAY=%s: when the supervisor is killed, nothing of it is left",
  async (GATEWAY) => {
    const { child, url, workers } = await startProgram({ GATEWAY });
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
    await eventually(() => !workers.some(isAlive));
    await eventually(() => isDeaf(url));
  },
  60_000,
);

test("a service process drains no longer than it is told, whatever its own settings say", async () => {
  const environment = {
    DATABASE_URL: databaseUrl,
    REDIS_URL: stores.redisUrl,
    PORT: "0",
    LOG_LEVEL: "silent",
    DRAIN_TIMEOUT_MS: "3600000",
    REGISTRY_WORKER: "1",
  };
  const child = fork("src/registry/main.ts", [], {
    env: { ...process.env, ...environment },
    execArgv: ["--import", "tsx"],
  });
  started.push(child);
  const [port] = (await once(child, "message")).map(portIn);
  const blocker = new Client({ connectionString: databaseUrl });
  await blocker.connect();
  await blocker.query("BEGIN");
  await blocker.query("LOCK TABLE registered_models IN ACCESS EXCLUSIVE MODE");
  const answer = search(`http://127.0.0.1:${port}`).catch(() => "cut off");
  await eventually(async () => {
    const waiting = await blocker.query(
      "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
    );
    return waiting.rows.length > 0;
  });
  const exited = once(child, "exit");
  child.send(stopMessage(100));
  expect(await answer).toBe("cut off");
  await blocker.query("COMMIT");
  await blocker.end();
  expect(await exited).toEqual([0, null]);
}, 60_000);

test.each([
  ["haproxy is not there", { GATEWAY: "haproxy", PATH: "/nonexistent" }, 2, /package.*haproxy/],
  [
    "PostgreSQL is not there",
    { DATABASE_URL: "postgresql://nobody@127.0.0.1:1/none" },
    1,
    /could not start/,
  ],
])(
  "when %s the program says so and ends",
  async (_, environment, exitCode, complaint) => {
    const child = spawn(process.execPath, ["--import", "tsx", "src/registry/main.ts"], {
      env: {
        ...process.env,
        DATABASE_URL: databaseUrl,
        REDIS_URL: stores.redisUrl,
        PORT: "0",
        PROCESSES: "2",
        ...environment,
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    started.push(child);
    let said = "";
    child.stderr?.on("data", (data) => (said += String(data)));
    expect(await once(child, "close")).toEqual([exitCode, null]);
    expect(said).toMatch(complaint);
  },
  60_000,
);
