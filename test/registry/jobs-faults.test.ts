/** Jobs when things break (workers that are killed: jobs-bench.test.ts): Redis emptied or away, a worker that was only slow. */
import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAttempts } from "../../src/registry/jobs/attempts.ts";
import { inBackground } from "../../src/registry/jobs/background.ts";
import type { Job, Outcome } from "../../src/registry/jobs/job.ts";
import { createJobMetrics } from "../../src/registry/jobs/metrics.ts";
import { createMetrics } from "../../src/registry/metrics.ts";
import { eventually, openRegistry, type TestRegistry } from "./client.ts";
import { lookInto, type Look } from "./jobs/world.ts";
import { startStores, type Stores } from "./stores.ts";

const TIMEOUT_MS = 120_000;
let stores: Stores;
beforeAll(async () => {
  stores = await startStores();
}, TIMEOUT_MS);
afterAll(() => stores.stop());

async function withRegistry(
  name: string,
  environment: Record<string, string>,
  play: (api: TestRegistry, look: Look, environment: Record<string, string>) => Promise<void>,
): Promise<void> {
  const DATABASE_URL = await stores.createDatabase(name);
  const all = { DATABASE_URL, REDIS_URL: stores.redisUrl, JOB_LEASE_MS: "1000", ...environment };
  const [api, look] = await Promise.all([openRegistry(all), lookInto(DATABASE_URL)]);
  try {
    await api.post("registered-models/create", { name: "m" });
    await play(api, look, all);
  } finally {
    await api.close();
    await look.close();
  }
}

test(
  "jobs are accepted while Redis is away, up to the bound, and done when it is back",
  async () => {
    await withRegistry("away", { JOB_QUEUE_LIMIT: "5" }, async (api, look) => {
      await stores.stopRedis();
      try {
        const create = () => api.ask("POST", "jobs/create", { kind: "report", name: "m" });
        const statuses = [];
        for (let job = 0; job < 7; job += 1) statuses.push((await create()).status);
        expect(statuses).toEqual([200, 200, 200, 200, 200, 503, 503]);
        expect((await api.get("registered-models/get", { name: "m" })).registered_model.name).toBe(
          "m",
        );
      } finally {
        await stores.startRedis();
      }
      await eventually(async () => (await look.number("SELECT count(*) FROM reports")) === 5);
    });
  },
  TIMEOUT_MS,
);

test(
  "jobs whose tickets are gone from Redis are sent again",
  async () => {
    const settings = { JOB_WORKERS: "0", JOB_LEASE_MS: "3600000" };
    await withRegistry("emptied", settings, async (api, look, environment) => {
      for (let job = 0; job < 20; job += 1)
        await api.post("jobs/create", { kind: "report", name: "m" });
      await stores.stopRedis();
      await stores.startRedis();
      const worker = await openRegistry({ ...environment, JOB_WORKERS: "2" });
      try {
        // No lease ends within this test: that tickets are missing is seen by counting them.
        await eventually(async () => (await look.number("SELECT count(*) FROM reports")) === 20);
      } finally {
        await worker.close();
      }
    });
  },
  TIMEOUT_MS,
);

test(
  "a worker that was taken for dead and was only slow has no effect any more",
  async () => {
    await withRegistry("slow", { JOB_WORKERS: "0" }, async (api, look) => {
      const { job } = await api.post("jobs/create", { kind: "report", name: "m" });
      const metrics = createJobMetrics(createMetrics().registry);
      let claimedBy = 0;
      const worker = (work: (job: Job) => Promise<Outcome>) =>
        createAttempts({
          database: inBackground(api.backend.database, () => {}),
          work,
          metrics,
          attempts: 3,
          backoffMs: 0,
          leaseMs: 3_600_000,
          claimed: (jobs) => (claimedBy += jobs),
          retryIn: () => {},
          invalidate: async () => {},
          failed: () => {},
          chance: () => 0,
        });
      const effect = (who: string): Outcome => ({
        result: { who },
        effect: (connection) =>
          connection.query(
            "INSERT INTO reports (job_id, name, created_ms, body) VALUES ($1, $2, 0, '')",
            [job.job_id, who],
          ),
      });
      const pause = new EventEmitter();
      const paused = once(pause, "over");
      const slow = worker(() => paused.then(() => effect("slow")));
      const quick = worker(async () => effect("quick"));
      const id = Number(job.job_id);
      const slowly = slow.serve([id]);
      await eventually(async () => claimedBy === 1);
      // Two more tickets for the same job, while it is under way: neither is served.
      await quick.serve([id, id]);
      expect(claimedBy).toBe(1);
      // The sweep's part: the lease is over.
      await look.column("UPDATE jobs SET check_ms = 0 WHERE job_id = $1", [id]);
      const state = () => look.column<string>("SELECT state FROM jobs WHERE job_id = $1", [id]);
      await eventually(async () => (await state())[0] === "waiting");
      await look.column("UPDATE jobs SET ticketed = true WHERE job_id = $1", [id]);
      await quick.serve([id]);
      pause.emit("over");
      await slowly;
      await Promise.all([quick, slow].map((each) => each.serve([id])));
      expect(await look.column("SELECT name FROM reports")).toEqual(["quick"]);
      expect((await api.get("jobs/get", { job_id: id })).job).toMatchObject({
        state: "done",
        attempts: 2,
        result: { who: "quick" },
      });
      for (const each of [quick, slow]) each.close();
    });
  },
  TIMEOUT_MS,
);

test(
  "a process that is closed gives back what it had begun",
  async () => {
    await withRegistry(
      "closed",
      { JOB_WORKERS: "0", DRAIN_TIMEOUT_MS: "200" },
      async (api, look, environment) => {
        const silent = createServer(() => {}).listen(0, "127.0.0.1");
        await eventually(async () => silent.listening);
        const address = silent.address();
        const port = typeof address === "object" && address !== null ? address.port : 0;
        const url = `http://127.0.0.1:${port}/`;
        const { webhook } = await api.post("webhooks/create", { url });
        const { webhook_id } = webhook;
        const { job } = await api.post("jobs/create", { kind: "webhook", webhook_id });
        const worker = await openRegistry({
          ...environment,
          JOB_WORKERS: "1",
          WEBHOOK_TIMEOUT_MS: "60000",
        });
        await eventually(
          async () => (await api.get("jobs/get", { job_id: job.job_id })).job.state === "active",
        );
        await worker.close();
        const [attempt] = await look.column("SELECT attempt FROM jobs WHERE state = 'waiting'");
        expect(attempt).toBe(0);
        silent.closeAllConnections();
        silent.close();
      },
    );
  },
  TIMEOUT_MS,
);
