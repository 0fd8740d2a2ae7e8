/** The shipped target file against the service itself: every query has rows, every request is answered, every series exists. */
import { spawn } from "node:child_process";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TargetFile } from "../../src/core/target-file.ts";
import type { ParameterData, Row, WorkloadDefinition } from "../../src/core/workload.ts";
import { isExpected, requestSequence } from "../../src/load/requests.ts";
import { scripts, type Script } from "../../src/load/sessions-script.ts";
import { loadTarget } from "../../src/profiles/target.ts";
import { seriesValues } from "../../src/target/prometheus.ts";
import { readConfig } from "../../src/registry/config.ts";
import { openRegistry, type TestRegistry } from "../registry/client.ts";
import { startStores, type Stores } from "../registry/stores.ts";

const REQUESTS_PER_KIND = 12;

let target: TargetFile;
let stores: Stores;
let databaseUrl: string;
let registry: TestRegistry;
let client: Client;

beforeAll(async () => {
  target = await loadTarget("profiles/targets/model-registry.yaml", { env: {} });
  stores = await startStores();
  databaseUrl = await stores.createDatabase("registry");
  await seed(databaseUrl);
  registry = await openRegistry({ DATABASE_URL: databaseUrl, REDIS_URL: stores.redisUrl });
  client = new Client({ connectionString: databaseUrl });
  await client.connect();
}, 120_000);

afterAll(async () => {
  await client?.end();
  await registry?.close();
  await stores?.stop();
}, 60_000);

test("the defaults of its knobs are the service's own", () => {
  const environment = Object.fromEntries(
    target.knobs.flatMap(({ set, default: value }) =>
      set.kind === "env" ? [[set.variable, String(value)]] : [],
    ),
  );
  const stores = { DATABASE_URL: "postgres://localhost/x", REDIS_URL: "redis://localhost" };
  expect(readConfig({ ...stores, ...environment })).toEqual(readConfig(stores));
});

test("it says how the gate builds it, and has requests and sessions", () => {
  const { build, start } = target.service;
  expect(build).toEqual([{ program: "npm", args: ["ci"], directory: start.directory }]);
  const kinds = target.workloads.map(({ name, requests, sessions = [] }) => [
    name,
    requests.length > 0,
    sessions.length,
  ]);
  expect(kinds).toEqual([
    ["interactive", true, 0],
    ["concurrent", true, 0],
    ["training", false, 2],
    ["analytical", true, 0],
  ]);
});

test("all but the redis-less knobs can be set to their bounds", () => {
  for (const { set, domain } of target.knobs) {
    if (set.kind !== "env" || domain.kind === "enum") continue;
    const bounds = domain.kind === "bool" ? [false, true] : [domain.min, domain.max];
    for (const value of bounds) {
      const environment = {
        DATABASE_URL: "postgres://localhost/x",
        POOL_MAX: "90",
        THREADS_MAX: "64",
        BATCH_METHOD: "copy",
        [set.variable]: String(value),
      };
      expect(() => readConfig(environment), `${set.variable}=${value}`).not.toThrow();
    }
  }
});

test("every mapped series is on the service's metrics page", async () => {
  const { metrics } = target.service;
  await registry.get("registered-models/search", { max_results: 1 });
  const page = await (await fetch(`${registry.url}${metrics?.path}`)).text();
  const series = metrics?.series ?? {};
  expect(Object.keys(seriesValues(page, series)).toSorted()).toEqual(
    Object.keys(series).toSorted(),
  );
});

test.each(["interactive", "concurrent", "analytical"])(
  "every request of %s is answered with success, twice",
  async (name) => {
    const workload = target.workloads.find((each) => each.name === name);
    if (!workload) throw new Error(`no workload ${name}`);
    const data = await parameterData(workload);
    // Weights say how often; here each kind is asked equally often, so that rare ones are tested too.
    const equal = {
      ...workload,
      requests: workload.requests.map((each) => ({ ...each, weight: 1 })),
    };
    // One seed stands for a window that one arm runs after the other; another for the next window.
    for (const seed of [1, 2]) await sendAll(equal, data, seed);
  },
  120_000,
);

test("every session is played to its end, with the ids that the service gave it", async () => {
  const workload = target.workloads.find(({ name }) => name === "training");
  if (!workload) throw new Error("no workload of sessions");
  const open = scripts(workload, await parameterData(workload), 3);
  const played = await Promise.all(Array.from({ length: 8 }, (_, number) => play(open(number))));
  const lengths = played.map(({ length }) => length).toSorted((a, b) => a - b);
  expect(lengths[0]).toBe(2);
  expect(lengths.at(-1)).toBe(17);
  for (const answers of played.filter(({ length }) => length === 17)) {
    const { run } = JSON.parse(answers.at(-1) ?? "");
    expect(run.info).toMatchObject({
      status: "FINISHED",
      run_name: expect.stringMatching(/^job-/),
    });
    expect(run.data.params).toHaveLength(5);
    expect(run.data.metrics.length).toBeGreaterThan(4);
  }
}, 120_000);

test("the same seed asks for the same in the same words", async () => {
  const workload = target.workloads[0];
  if (!workload) throw new Error("no workload");
  const data = await parameterData(workload);
  const [one, other] = [requestSequence(workload, data, 7), requestSequence(workload, data, 7)];
  for (let index = 0; index < 500; index += 1) expect(one()).toEqual(other());
});

async function sendAll(
  workload: WorkloadDefinition,
  data: ParameterData,
  seed: number,
): Promise<void> {
  const next = requestSequence(workload, data, seed);
  const failures: string[] = [];
  for (let index = 0; index < workload.requests.length * REQUESTS_PER_KIND; index += 1) {
    const { endpoint, method, path, headers, body } = next();
    const template = workload.requests[endpoint];
    if (!template) throw new Error("no such request");
    const response = await fetch(`${registry.url}${path}`, {
      method,
      headers: { ...headers },
      ...(body !== undefined && { body }),
    });
    const text = await response.text();
    if (!isExpected(template, response.status)) {
      failures.push(`${template.name}: ${method} ${path} ${body?.slice(0, 200)}: ${text}`);
    }
  }
  expect(failures).toEqual([]);
}

/** The answers to a session's requests; fails on the first that is no success, or lacks what is to be captured. */
async function play({ turns }: Script): Promise<string[]> {
  const answers: string[] = [];
  for (let next = turns.next(); next.done !== true; next = turns.next()) {
    const turn = next.value;
    const { method, path, headers, body } = turn.fill();
    const response = await fetch(`${registry.url}${path}`, {
      method,
      headers: { ...headers },
      ...(body !== undefined && { body }),
    });
    const text = await response.text();
    const { status } = response;
    const answer = { status, headers: Object.fromEntries(response.headers), body: text };
    expect(turn.isExpected(status) && turn.accept(answer), `${method} ${path}: ${text}`).toBe(true);
    answers.push(text);
  }
  return answers;
}

async function parameterData(workload: WorkloadDefinition): Promise<ParameterData> {
  const data: Record<string, readonly Row[]> = {};
  for (const { name, source } of workload.parameters) {
    if (source.kind !== "sql") continue;
    const query = `SELECT * FROM (${source.query}) AS rows LIMIT ${source.limit}`;
    const { rows } = await client.query<Row>(query);
    expect(rows.length, `${workload.name}: rows of ${name}`).toBeGreaterThan(1);
    data[name] = rows;
  }
  return data;
}

function seed(url: string): Promise<void> {
  const args = ["--import", "tsx", "src/registry/seed.ts", "--scale", "small", "--seed", "42"];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, DATABASE_URL: url },
    stdio: ["ignore", "ignore", "pipe"],
    timeout: 100_000,
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) =>
      code === 0 ? resolve() : reject(new Error(`seeding ended with ${code}: ${stderr}`)),
    );
  });
}
