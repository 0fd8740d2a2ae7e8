/** Jobs of a running service: what each kind does, retries, dead letters, the bound, and who is served first. */
import { createHmac } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { eventually, openRegistry, type Json, type TestRegistry } from "./client.ts";
import { lookInto, startReceiver, uploadArtifact, type Look, type Receiver } from "./jobs/world.ts";
import { startStores, type Stores } from "./stores.ts";

const TIMEOUT_MS = 60_000;
const QUICK = { JOB_BACKOFF_MS: "10", BREAKER_FAILURES: "1000" };

let stores: Stores;
let receiver: Receiver;
let databases = 0;
let databaseUrl = "";
let look: Look;
let opened: TestRegistry[] = [];

beforeAll(async () => {
  [stores, receiver] = await Promise.all([startStores(), startReceiver()]);
}, TIMEOUT_MS);
afterAll(async () => {
  await receiver.close();
  await stores.stop();
});
beforeEach(async () => {
  databaseUrl = await stores.createDatabase(`jobs_${(databases += 1)}`);
  look = await lookInto(databaseUrl);
});
afterEach(async () => {
  await Promise.all(opened.map((registry) => registry.close()));
  opened = [];
  await look.close();
});

async function open(environment: Record<string, string> = {}): Promise<TestRegistry> {
  const registry = await openRegistry({
    DATABASE_URL: databaseUrl,
    REDIS_URL: stores.redisUrl,
    ...environment,
  });
  opened.push(registry);
  return registry;
}

async function withModel(environment: Record<string, string> = {}): Promise<TestRegistry> {
  const api = await open(environment);
  await api.post("registered-models/create", { name: "m" });
  await api.post("model-versions/create", { name: "m", source: "s" });
  return api;
}

const create = async (api: TestRegistry, job: object): Promise<string> =>
  (await api.post("jobs/create", job)).job.job_id;

async function ended(api: TestRegistry, jobId: string, state = "done"): Promise<Json> {
  let job: Json;
  await eventually(async () => {
    ({ job } = await api.get("jobs/get", { job_id: jobId }));
    return job.state === state;
  });
  return job;
}

const listening = async (api: TestRegistry, path: string): Promise<Json> =>
  (await api.post("webhooks/create", { url: `${receiver.url}${path}` })).webhook;
const at = (path: string) => receiver.received.filter((each) => each.path === path);

test(
  "an upload has the version validated: what is wrong is its status, and old answers are gone",
  async () => {
    const api = await withModel();
    const get = async () =>
      (await api.get("model-versions/get", { name: "m", version: 1 })).model_version;
    expect((await get()).status).toBe("READY");
    await api.post("registered-models/set-tag", {
      name: "m",
      key: "validation.required_tags",
      value: "owner, licence",
    });
    await api.post("model-versions/set-tag", { name: "m", version: 1, key: "owner", value: "x" });
    await uploadArtifact(api.url, { name: "m", version: 1 }, Buffer.from("a"), Buffer.from("b"));
    await eventually(async () => (await get()).status === "FAILED_REGISTRATION");
    expect((await get()).status_message).toBe(
      "The artifact's signature is not valid. The tag licence is missing.",
    );
    await api.post("model-versions/set-tag", { name: "m", version: 1, key: "licence", value: "x" });
    await uploadArtifact(api.url, { name: "m", version: 1 }, Buffer.from("a"));
    await eventually(async () => (await get()).status === "READY");
    expect((await get()).status_message).toBeUndefined();
  },
  TIMEOUT_MS,
);

test(
  "a scan tags the version with what it found, and a report is kept as asked",
  async () => {
    const api = await withModel();
    const secret = Buffer.from("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n");
    await uploadArtifact(api.url, { name: "m", version: 1 }, secret);
    await ended(api, await create(api, { kind: "scan", name: "m", version: 1 }));
    const { tags } = (await api.get("model-versions/get", { name: "m", version: 1 })).model_version;
    const values = new Map(tags.map(({ key, value }: Json) => [key, value]));
    expect(values.get("scan.findings")).toBe("1");
    expect(values.get("scan.private-key")).toMatch(/^1: /);
    const jobId = await create(api, { kind: "report", name: "m" });
    await ended(api, jobId);
    const { report } = await api.get("reports/get", { job_id: jobId });
    expect(report).toMatchObject({ name: "m", versions_count: 1, stages: { None: 1 } });
  },
  TIMEOUT_MS,
);

test(
  "what a job is about must exist, and be named",
  async () => {
    const api = await withModel({ JOB_WORKERS: "0" });
    const status = async (job: object) => (await api.ask("POST", "jobs/create", job)).status;
    expect(await status({ kind: "validate", name: "m", version: 2 })).toBe(404);
    expect(await status({ kind: "report", name: "x" })).toBe(404);
    expect(await status({ kind: "webhook", webhook_id: 1 })).toBe(404);
    expect(await status({ kind: "scan", name: "m" })).toBe(400);
    expect(await status({ kind: "nap" })).toBe(400);
    expect(await look.number("SELECT count(*) FROM jobs")).toBe(0);
  },
  TIMEOUT_MS,
);

test(
  "writes tell those who listen, signed; without them they cost what they did before",
  async () => {
    const api = await withModel(QUICK);
    const setAlias = async () => {
      const before = await api.metric("registry_db_statements_total");
      await api.post("registered-models/alias", { name: "m", alias: "champion", version: 1 });
      return (await api.metric("registry_db_statements_total")) - before;
    };
    expect(await setAlias()).toBe(1);
    const webhook = await listening(api, "/told");
    await setAlias();
    await api.post("model-versions/transition-stage", { name: "m", version: 1, stage: "Staging" });
    await eventually(async () => at("/told").length === 2);
    const [told] = at("/told");
    if (told === undefined) throw new Error("Nobody was told.");
    const { headers, body } = told;
    expect(JSON.parse(body)).toMatchObject({
      event: "model_version_alias.created",
      data: { name: "m", alias: "champion", version: 1 },
    });
    const signed = [headers["x-mlflow-delivery-id"], headers["x-mlflow-timestamp"], body].join(".");
    const signature = createHmac("sha256", webhook.secret).update(signed).digest("base64");
    expect(headers["x-mlflow-signature"]).toBe(`v1,${signature}`);
    // A write that fails tells nobody.
    await api.ask("POST", "registered-models/alias", { name: "m", alias: "a", version: 9 });
    expect(await look.number("SELECT count(*) FROM jobs")).toBe(2);
    await eventually(
      async () => (await look.number("SELECT count(*) FROM webhook_receipts")) === 2,
    );
  },
  TIMEOUT_MS,
);

test(
  "a webhook that was registered with one process is told of writes at another",
  async () => {
    const api = await withModel({ JOB_WORKERS: "0" });
    const other = await open();
    await listening(other, "/elsewhere");
    await eventually(async () => {
      await api.post("registered-models/alias", { name: "m", alias: "champion", version: 1 });
      return (await look.number("SELECT count(*) FROM jobs")) > 0;
    });
    await eventually(async () => at("/elsewhere").length > 0);
  },
  TIMEOUT_MS,
);

test(
  "a poison job takes its attempts and no more, is a dead letter, and replays once the cause is gone",
  async () => {
    const api = await withModel({ ...QUICK, JOB_ATTEMPTS: "4" });
    receiver.answer("/poison", 500);
    const { webhook_id } = await listening(api, "/poison");
    const jobId = await create(api, { kind: "webhook", webhook_id });
    await ended(api, jobId, "dead");
    expect(at("/poison")).toHaveLength(4);
    expect(new Set(at("/poison").map(({ headers }) => headers["idempotency-key"])).size).toBe(1);
    const { dead_letters } = await api.get("jobs/dead-letters/list", { kind: "webhook" });
    expect(dead_letters).toMatchObject([{ job_id: jobId, kind: "webhook", attempts: 4 }]);
    const { dead_letter } = await api.get("jobs/dead-letters/get", { job_id: jobId });
    expect(dead_letter.error).toContain("answered with 500");
    expect(dead_letter.stack).toContain("receivers.ts");
    expect(dead_letter.payload).toMatchObject({ webhook_id: Number(webhook_id) });
    const times = dead_letter.attempts.flatMap((each: Json) => [each.started_ms, each.ended_ms]);
    expect(times).toEqual(times.toSorted((a: number, b: number) => a - b));
    expect([dead_letter.first_ms, dead_letter.last_ms]).toEqual([times[0], times.at(-1)]);

    receiver.answer("/poison", 200);
    const { jobs } = await api.post("jobs/dead-letters/replay", { job_id: jobId });
    const replayed = await ended(api, jobs[0].job_id);
    expect(replayed).toMatchObject({ attempts: 1, replay_of: jobId, result: { status: 200 } });
    expect((await api.get("jobs/dead-letters/list")).dead_letters).toEqual([]);
    expect((await api.ask("POST", "jobs/dead-letters/replay", { job_id: jobId })).status).toBe(404);
    expect(await api.metric("registry_jobs_dead_total")).toBe(1);
  },
  TIMEOUT_MS,
);

test(
  "replays come at a limited rate, and a purge leaves nothing",
  async () => {
    const api = await withModel({ ...QUICK, JOB_ATTEMPTS: "1" });
    receiver.answer("/all", 500);
    const { webhook_id } = await listening(api, "/all");
    for (let job = 0; job < 30; job += 1) await create(api, { kind: "webhook", webhook_id });
    const dead = () => look.number("SELECT count(*) FROM dead_letters");
    await eventually(async () => (await dead()) === 30);
    expect((await api.ask("POST", "jobs/dead-letters/replay", {})).status).toBe(400);
    const { jobs } = await api.post("jobs/dead-letters/replay", { all: true, kind: "webhook" });
    expect(jobs).toHaveLength(30);
    await eventually(async () => (await dead()) === 30);
    const apart = await look.number(
      "SELECT max(accepted_ms) - min(accepted_ms) FROM jobs WHERE replay_of IS NOT NULL",
    );
    expect(apart).toBe(29 * 20);
    // None was begun before its time.
    const early =
      "SELECT count(*) FROM jobs WHERE replay_of IS NOT NULL AND started_ms < accepted_ms";
    expect(await look.number(early)).toBe(0);
    expect(await api.post("jobs/dead-letters/purge", { all: true })).toEqual({ purged: 30 });
    expect(await dead()).toBe(0);
  },
  TIMEOUT_MS,
);

test(
  "a full queue refuses with Retry-After until it is well below its bound; a write's own jobs wait outside",
  async () => {
    const api = await withModel({ JOB_WORKERS: "0", JOB_QUEUE_LIMIT: "10" });
    await listening(api, "/outside");
    const create = () =>
      fetch(`${api.url}/api/2.0/mlflow/jobs/create`, {
        method: "POST",
        body: JSON.stringify({ kind: "report", name: "m" }),
        headers: { "content-type": "application/json" },
      });
    const answers = await Promise.all(Array.from({ length: 15 }, create));
    // A count that is made in the middle may take a job twice: rather one too few than one too many.
    const accepted = answers.filter(({ status }) => status === 200).length;
    expect(accepted).toBeGreaterThanOrEqual(5);
    expect(accepted).toBeLessThanOrEqual(10);
    const refused = answers.filter(({ status }) => status === 503);
    expect(refused).toHaveLength(15 - accepted);
    for (const { headers } of refused)
      expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(await api.metric("registry_jobs_rejected_total")).toBe(refused.length);
    await api.post("registered-models/alias", { name: "m", alias: "champion", version: 1 });
    await eventually(async () => (await api.metric("registry_jobs", "held")) === 1);
    expect(await api.metric("registry_jobs", "waiting")).toBe(accepted);
    await open({ JOB_QUEUE_LIMIT: "10" });
    await eventually(async () => (await create()).status === 200);
    await eventually(async () => at("/outside").length === 1);
  },
  TIMEOUT_MS,
);

test(
  "classes are served in order, but a job that has aged comes before younger ones",
  async () => {
    const settings = { JOB_PRIORITIES: "true", JOB_AGEING_MS: "300" };
    const api = await withModel({ ...settings, JOB_WORKERS: "0" });
    const ask = (priority: string) => create(api, { kind: "report", name: "m", priority });
    const old = [await ask("low"), await ask("normal")];
    const acceptedMs = Date.now();
    await eventually(async () => Date.now() - acceptedMs > 800);
    const young = [await ask("low"), await ask("normal"), await ask("high")];
    await open({ ...settings, JOB_WORKERS: "1" });
    await eventually(async () => (await look.number("SELECT count(*) FROM reports")) === 5);
    const order = await look.column<string>("SELECT job_id::text FROM reports ORDER BY report_id");
    expect(order).toEqual([...old.toReversed(), ...young.toReversed()]);
  },
  TIMEOUT_MS,
);

test(
  "workers that take several at once end each of them once, and a bad one alone",
  async () => {
    const api = await withModel({ ...QUICK, JOB_WORKERS: "2", JOB_BATCH: "8", JOB_ATTEMPTS: "2" });
    receiver.answer("/bad", 500);
    const { webhook_id } = await listening(api, "/bad");
    const asked = Array.from({ length: 60 }, (_, index) =>
      create(
        api,
        index % 20 === 7 ? { kind: "webhook", webhook_id } : { kind: "report", name: "m" },
      ),
    );
    await Promise.all(asked);
    const count = (state: string) =>
      look.number("SELECT count(*) FROM jobs WHERE state = $1", [state]);
    await eventually(async () => (await count("done")) + (await count("dead")) === 60);
    expect(await count("dead")).toBe(3);
    expect(await look.number("SELECT count(DISTINCT job_id) FROM reports")).toBe(57);
    expect(await look.number("SELECT count(*) FROM reports")).toBe(57);
  },
  TIMEOUT_MS,
);

test(
  "a receiver that keeps failing is left alone for a while, which costs no attempts",
  async () => {
    const api = await withModel({
      JOB_BACKOFF_MS: "10",
      JOB_ATTEMPTS: "5",
      BREAKER_FAILURES: "3",
      BREAKER_RESET_MS: "700",
    });
    receiver.answer("/broken", 500);
    const { webhook_id } = await listening(api, "/broken");
    const ids = await Promise.all(
      Array.from({ length: 8 }, () => create(api, { kind: "webhook", webhook_id })),
    );
    await eventually(async () => (await api.metric("registry_circuit_state")) === 2);
    const tried = at("/broken").length;
    // Failures that were under way when it opened, and no more.
    expect(tried).toBeLessThanOrEqual(3 + 4);
    receiver.answer("/broken", 200);
    for (const id of ids) await ended(api, id);
    expect(await look.number("SELECT count(*) FROM dead_letters")).toBe(0);
    expect(at("/broken").length).toBe(8 + (await api.metric("registry_job_attempts_failed_total")));
    expect(await api.metric("registry_circuit_state")).toBe(0);
  },
  TIMEOUT_MS,
);
