/** A service without jobs sends its stores nothing on their account, and is there as soon as one comes. */
import { setTimeout as wait } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAlertness } from "../../src/registry/jobs/alertness.ts";
import { eventually, openRegistry, type TestRegistry } from "./client.ts";
import { lookInto, type Look } from "./jobs/world.ts";
import { startStores, type Stores } from "./stores.ts";

const TIMEOUT_MS = 90_000;
const IDLE_MS = 2_500;
/** Longer than from one sweep to the next of a process that is awake. */
const QUIET_MS = 1_200;
/** Less than a process sleeps from one sweep to the next; by hand it was some tens of milliseconds. */
const PROMPT_MS = 20_000;

let stores: Stores;
let redis: Redis;
let look: Look;
let url = "";

beforeAll(async () => {
  stores = await startStores();
  redis = new Redis(stores.redisUrl);
  url = await stores.createDatabase("idle");
  look = await lookInto(url);
  await look.column("CREATE EXTENSION pg_stat_statements");
}, TIMEOUT_MS);
afterAll(async () => {
  redis.disconnect();
  await look.close();
  await stores.stop();
});

const open = (environment: Record<string, string> = {}): Promise<TestRegistry> =>
  openRegistry({ DATABASE_URL: url, REDIS_URL: stores.redisUrl, ...environment });

/** By text and by name; neither what this test asks itself nor the pings by which the cache watches its news. */
async function callsUntilNow(): Promise<ReadonlyMap<string, number>> {
  const statements = await look.column<string>(
    `SELECT calls || ' ' || query FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
     WHERE datname = current_database() AND query NOT LIKE '%pg_stat_statements%'`,
  );
  const commands = (await redis.info("commandstats"))
    .split("\n")
    .flatMap((line) => /^cmdstat_(?!info|ping)([^:]+):calls=(\d+)/.exec(line) ?? [])
    .filter((part) => !part.startsWith("cmdstat_"));
  const calls = new Map(
    statements.map((entry) => {
      const at = entry.indexOf(" ");
      return [entry.slice(at + 1), Number(entry.slice(0, at))] as const;
    }),
  );
  for (let index = 0; index < commands.length; index += 2)
    calls.set(commands[index] ?? "", Number(commands[index + 1]));
  return calls;
}

async function callsWhile(ms: number): Promise<readonly (readonly [string, number])[]> {
  const before = await callsUntilNow();
  await wait(ms);
  const after = await callsUntilNow();
  return [...after]
    .map(([what, calls]) => [what, calls - (before.get(what) ?? 0)] as const)
    .filter(([, calls]) => calls > 0);
}

/** There is no last sign of life to wait for: it sleeps when there is none for some time. */
async function fallAsleep(): Promise<void> {
  while ((await callsWhile(QUIET_MS)).length > 0);
}

async function playReport(api: TestRegistry): Promise<number> {
  const startedMs = performance.now();
  const { job } = await api.post("jobs/create", { kind: "report", name: "m" });
  await eventually(async () => {
    const { job: now } = await api.get("jobs/get", { job_id: job.job_id });
    return now.state === "done";
  });
  return performance.now() - startedMs;
}

test(
  "not a statement and not a command while there is no job, neither at first nor after some; a job that comes is begun at once",
  async () => {
    const [api, other] = await Promise.all([open({ JOB_WORKERS: "0" }), open()]);
    try {
      await fallAsleep();
      await api.post("registered-models/create", { name: "m" });
      expect(await playReport(other)).toBeLessThan(PROMPT_MS);
      await fallAsleep();
      expect(await callsWhile(IDLE_MS)).toEqual([]);
      expect(await api.metric("registry_jobs")).toBe(0);
      expect(await callsWhile(0)).toEqual([]);
      // The process that takes it in has no workers; the one that has them sleeps.
      expect(await playReport(api)).toBeLessThan(PROMPT_MS);
    } finally {
      await Promise.all([api.close(), other.close()]);
    }
  },
  TIMEOUT_MS,
);

test(
  "what waits at the start is done, also a job that waits for its next attempt",
  async () => {
    const first = await open({ JOB_WORKERS: "0" });
    await first.ask("POST", "registered-models/create", { name: "m" });
    const { job } = await first.post("jobs/create", { kind: "report", name: "m" });
    await first.close();
    const dueLater = `UPDATE jobs SET ticketed = false,
      check_ms = floor(extract(epoch FROM clock_timestamp()) * 1000) + 4000 WHERE job_id = $1`;
    await look.column(dueLater, [job.job_id]);
    const api = await open();
    try {
      await eventually(
        async () => (await api.get("jobs/get", { job_id: job.job_id })).job.state === "done",
      );
    } finally {
      await api.close();
    }
  },
  TIMEOUT_MS,
);

test("alertness changes with the first job, and back only after some time without any", () => {
  const changes: boolean[] = [];
  const alertness = createAlertness((asleep) => changes.push(asleep));
  alertness.saw(false);
  expect([alertness.asleep(), ...changes]).toEqual([true]);
  alertness.wake();
  alertness.wake();
  alertness.saw(true);
  // The count that finds nothing may be older than the job that has just come.
  alertness.saw(false);
  expect([alertness.asleep(), ...changes]).toEqual([false, false]);
});
