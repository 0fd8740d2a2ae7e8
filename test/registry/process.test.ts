import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "./client.ts";
import { startStores } from "./stores.ts";
import type { Stores } from "./stores.ts";

let stores: Stores;
let databaseUrl = "";
const started: ChildProcess[] = [];

beforeAll(async () => {
  stores = await startStores();
  databaseUrl = await stores.createDatabase("process");
}, 60_000);

afterAll(async () => {
  for (const child of started) child.kill("SIGKILL");
  await stores?.stop();
}, 60_000);

function startProgram(environment: Record<string, string>): ChildProcess {
  const child = spawn(process.execPath, ["--import", "tsx", "src/registry/main.ts"], {
    env: {
      ...process.env,
      DATABASE_URL: databaseUrl,
      REDIS_URL: stores.redisUrl,
      PORT: "0",
      ...environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  started.push(child);
  return child;
}

async function portOf(child: ChildProcess): Promise<number> {
  if (child.stdout === null) throw new Error("The program has no stdout.");
  for await (const line of createInterface(child.stdout)) {
    const entry: unknown = JSON.parse(line);
    if (typeof entry === "object" && entry !== null && "event" in entry && "port" in entry)
      return Number(entry.port);
  }
  throw new Error("The program ended before it listened.");
}

test.each(["SIGTERM", "SIGINT"] as const)(
  "%s lets the request under way end, then the program",
  async (signal) => {
    // With a cache the second program would answer without asking the locked table.
    const child = startProgram({ LOG_LEVEL: "error", CACHE_L2_TTL_MS: "0" });
    const url = `http://127.0.0.1:${await portOf(child)}`;
    const blocker = new Client({ connectionString: databaseUrl });
    await blocker.connect();
    await blocker.query("BEGIN");
    await blocker.query("LOCK TABLE registered_models IN ACCESS EXCLUSIVE MODE");
    const answer = fetch(`${url}/api/2.0/mlflow/registered-models/search`);
    await eventually(async () => {
      const waiting = await blocker.query(
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
      );
      return waiting.rows.length > 0;
    });
    const exited = once(child, "exit");
    child.kill(signal);
    await eventually(() =>
      fetch(`${url}/healthz`).then(
        (response) => response.status === 503,
        () => true,
      ),
    );
    expect(child.exitCode).toBeNull();
    await blocker.query("COMMIT");
    await blocker.end();
    expect((await answer).status).toBe(200);
    expect(await exited).toEqual([0, null]);
  },
  30_000,
);

test("a request that does not end is cut off when the time to drain is over", async () => {
  const child = startProgram({
    LOG_LEVEL: "error",
    CACHE_L2_TTL_MS: "0",
    DRAIN_TIMEOUT_MS: "50",
    STATEMENT_TIMEOUT_MS: "2000",
  });
  const url = `http://127.0.0.1:${await portOf(child)}`;
  const blocker = new Client({ connectionString: databaseUrl });
  await blocker.connect();
  await blocker.query("BEGIN");
  await blocker.query("LOCK TABLE registered_models IN ACCESS EXCLUSIVE MODE");
  const answer = fetch(`${url}/api/2.0/mlflow/registered-models/search`).then(
    () => "answered",
    () => "cut off",
  );
  await eventually(async () => {
    const waiting = await blocker.query(
      "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
    );
    return waiting.rows.length > 0;
  });
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  expect(await answer).toBe("cut off");
  expect(await exited).toEqual([0, null]);
  await blocker.end();
}, 30_000);

test("two programs can start on an empty database at once", async () => {
  databaseUrl = await stores.createDatabase("together");
  const children = [startProgram({ POOL_MIN: "3" }), startProgram({ CACHE_WARM_UP: "true" })];
  const ports = await Promise.all(children.map(portOf));
  for (const port of ports)
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
}, 30_000);

test("without PostgreSQL the program says so and ends with 1", async () => {
  const child = startProgram({ DATABASE_URL: "postgresql://nobody@127.0.0.1:1/none" });
  let complaint = "";
  child.stderr?.on("data", (data) => (complaint += String(data)));
  expect(await once(child, "close")).toEqual([1, null]);
  expect(complaint).toContain("could not start");
}, 30_000);
