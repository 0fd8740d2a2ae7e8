/** Jobs when things break (workers that are killed: jobs-bench.test.ts): Redis emptied or away, a worker that was only slow. */
import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { artifactOf } from "../../src/registry/artifacts/store.ts";
import { createAttempts } from "../../src/registry/jobs/attempts.ts";
import { inBackground } from "../../src/registry/jobs/background.ts";
import type { Job, Outcome } from "../../src/registry/jobs/job.ts";
import { createJobMetrics } from "../../src/registry/jobs/metrics.ts";
import { scan } from "../../src/registry/jobs/kinds/scan.ts";
import { validate } from "../../src/registry/jobs/kinds/validate.ts";
import {
  bury,
  claim,
  issueTickets,
  markDone,
  prune,
  putBack,
  retryLater,
} from "../../src/registry/jobs/store.ts";
import { createMetrics } from "../../src/registry/metrics.ts";
import { eventually, openRegistry, type TestRegistry } from "./client.ts";
import { lookInto, uploadArtifact, type Look } from "./jobs/world.ts";
import { startStores, type Stores } from "./stores.ts";

const TIMEOUT_MS = 120_000;
const JOB = {
  jobId: 1,
  kind: "validate",
  class: "normal",
  attempt: 1,
  claim: 1,
  acceptedMs: 0,
  startedMs: 0,
} as const;
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
      let accepted = 0;
      try {
        const create = () => api.ask("POST", "jobs/create", { kind: "report", name: "m" });
        const statuses: number[] = [];
        for (let job = 0; job < 7; job += 1) statuses.push((await create()).status);
        accepted = statuses.filter((status) => status === 200).length;
        // A count that is made while jobs come may take one of them for two.
        expect(accepted).toBeGreaterThanOrEqual(4);
        expect(statuses).toEqual(statuses.map((_, index) => (index < accepted ? 200 : 503)));
        expect(statuses.slice(5)).toEqual([503, 503]);
        expect((await api.get("registered-models/get", { name: "m" })).registered_model.name).toBe(
          "m",
        );
      } finally {
        await stores.startRedis();
      }
      const reports = () => look.number("SELECT count(*) FROM reports");
      await eventually(async () => (await reports()) === accepted);
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
          keeper: api.backend.database,
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
  "a claim that was given back ends nothing, though the next one's attempt has the same number",
  async () => {
    await withRegistry("fence", { JOB_WORKERS: "0" }, async (api, look) => {
      const { database } = api.backend;
      const { job } = await api.post("jobs/create", { kind: "report", name: "m" });
      const id = Number(job.job_id);
      const [first] = await claim(database, [id], 60_000);
      if (first === undefined) throw new Error("The job was not claimed.");
      await putBack(database, [first], 60_000);
      await issueTickets(database, [id]);
      const [second] = await claim(database, [id], 60_000);
      if (second === undefined) throw new Error("The job was not claimed again.");
      expect([first.attempt, second.attempt]).toEqual([1, 1]);
      const failure = { ...first, error: "late", stack: "" };
      expect((await markDone(database, [{ job: first, result: {} }])).size).toBe(0);
      expect(await retryLater(database, failure, 0)).toBe(false);
      expect(await bury(database, failure)).toBe(false);
      await putBack(database, [first], 0);
      const state = await look.column("SELECT state FROM jobs WHERE job_id = $1", [id]);
      expect(state).toEqual(["active"]);
      expect((await markDone(database, [{ job: second, result: {} }])).size).toBe(1);
    });
  },
  TIMEOUT_MS,
);

test(
  "old jobs go, however many there are, and younger ones stay",
  async () => {
    await withRegistry("old", { JOB_WORKERS: "0" }, async (api, look) => {
      await look.column(`INSERT INTO jobs (kind, class, payload, state, admitted, ticketed, dispatches, accepted_ms, rank_ms, finished_ms)
        SELECT 'report', 'normal', '{}', 'done', true, false, 1, 0, 0,
          CASE WHEN n <= 12000 THEN 1 ELSE extract(epoch FROM now()) * 1000 END FROM generate_series(1, 12003) n`);
      await prune(api.backend.database, () => true);
      expect(await look.number("SELECT count(*) FROM jobs")).toBe(3);
    });
  },
  TIMEOUT_MS,
);

test(
  "a verdict on an artifact that was replaced meanwhile is not written",
  async () => {
    await withRegistry("replaced", { JOB_WORKERS: "0" }, async (api, look) => {
      const { database, compute } = api.backend;
      const version = { name: "m", version: 1 };
      await api.post("model-versions/create", { name: "m", source: "s" });
      const upload = (text: string) => uploadArtifact(api.url, version, Buffer.from(text));
      const job = { ...JOB, payload: version };
      const tools = { database, compute, artifactOf };
      const play = async (work: typeof validate, meanwhile: () => Promise<void>) => {
        const { effect } = await work(job, tools);
        await meanwhile();
        return database
          .transaction(async (connection) => effect?.(connection))
          .then(
            () => "written",
            (error: unknown) => (error instanceof Error ? error.name : error),
          );
      };
      expect(await play(validate, () => upload("a"))).toBe("PostponedError");
      for (const work of [validate, scan]) {
        expect(await play(work, () => upload("b"))).toBe("PostponedError");
        // The same content, but signed with another key.
        expect(await play(work, () => upload("b"))).toBe("PostponedError");
        expect(await play(work, async () => {})).toBe("written");
        await upload("a");
      }
      expect(await look.column("SELECT status FROM model_versions")).toEqual(["READY"]);
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
