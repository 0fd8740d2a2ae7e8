/** Worker processes that are killed at random moments and replaced, and a Redis that is emptied once, until all jobs have come to an end. */
import { setTimeout as wait } from "node:timers/promises";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { Pool } from "undici";
import { openRegistry, type TestRegistry } from "../client.ts";
import type { Stores } from "../stores.ts";
import { startProgram, type Program } from "./program.ts";
import { lookInto, startReceiver, uploadArtifact, type Look, type Receiver } from "./world.ts";

export interface CrashOptions {
  readonly name: string;
  readonly jobs: number;
  readonly workers: number;
  /** Between two kills, at random. */
  readonly killsApartMs: readonly [low: number, high: number];
  readonly killsMax: number;
  readonly seed: number;
  readonly timeoutMs: number;
}

/** Counted in the database, and at the receiver of webhooks. */
export interface CrashResult {
  readonly accepted: number;
  readonly done: number;
  readonly dead: number;
  /** Neither done nor a dead letter. */
  readonly lost: number;
  /** Jobs that went to done more than once, or whose effect is there more than once. */
  readonly twice: number;
  /** Done, but without their effect. */
  readonly withoutEffect: number;
  readonly kills: number;
  /** Attempts that a kill cut off. */
  readonly cutOff: number;
  readonly deliveries: number;
  /** Deliveries, each counted once. */
  readonly delivered: number;
  readonly seconds: number;
}

const LEASE_MS = 1_500;
const CLIENTS = 16;
const LOOK_EVERY_MS = 100;
const CONTENT_BYTES = 32 * 1024;

export async function playCrash(stores: Stores, options: CrashOptions): Promise<CrashResult> {
  const databaseUrl = await stores.createDatabase(options.name);
  const environment = {
    DATABASE_URL: databaseUrl,
    REDIS_URL: stores.redisUrl,
    JOB_LEASE_MS: String(LEASE_MS),
    // A job may be unlucky several times.
    JOB_ATTEMPTS: "10",
    JOB_QUEUE_LIMIT: "1000000",
  };
  const [api, receiver, look] = await Promise.all([
    openRegistry({ ...environment, JOB_WORKERS: "0" }),
    startReceiver(),
    lookInto(databaseUrl),
  ]);
  const crew = await hire(options.workers, environment);
  try {
    await prepare(api, look);
    const startedMs = performance.now();
    const create = createJobs(api, receiver, options.jobs);
    const kills = await killUntil(crew, options, stores, async () => {
      const open = "SELECT count(*) FROM jobs WHERE state NOT IN ('done', 'dead')";
      return (await Promise.race([create.then(() => true), wait(0, false)]))
        ? (await look.number(open)) === 0
        : false;
    });
    const accepted = await create;
    const seconds = (performance.now() - startedMs) / 1_000;
    return { ...(await countAll(look, receiver)), accepted, kills, seconds };
  } finally {
    await crew.dismiss();
    await Promise.all([api.close(), receiver.close(), look.close()]);
  }
}

interface Crew {
  readonly kill: (index: number) => Promise<void>;
  readonly dismiss: () => Promise<void>;
}

/** Workers; one that is killed is replaced at once. */
async function hire(size: number, environment: Record<string, string>): Promise<Crew> {
  const start = (): Promise<Program> =>
    startProgram("worker", { THREADS_MAX: "1", ...environment });
  const members = await Promise.all(Array.from({ length: size }, start));
  return {
    async kill(index) {
      await members[index]?.kill();
      members[index] = await start();
    },
    async dismiss() {
      await Promise.all(members.map((member) => member.kill()));
    },
  };
}

async function killUntil(
  crew: Crew,
  { workers, killsApartMs: [low, high], killsMax, seed, timeoutMs }: CrashOptions,
  stores: Stores,
  over: () => Promise<boolean>,
): Promise<number> {
  const random = xoroshiro128plus(seed);
  const deadlineMs = performance.now() + timeoutMs;
  let kills = 0;
  let nextMs = performance.now() + uniformInt(random, low, high);
  while (!(await over()) && performance.now() < deadlineMs) {
    await wait(LOOK_EVERY_MS);
    if (performance.now() < nextMs || kills >= killsMax) continue;
    await crew.kill(uniformInt(random, 0, workers - 1));
    kills += 1;
    if (kills === 1) {
      await stores.stopRedis();
      await stores.startRedis();
    }
    nextMs = performance.now() + uniformInt(random, low, high);
  }
  return kills;
}

/** A model with an artifact, and a count of every time that a job goes to done. */
async function prepare(api: TestRegistry, look: Look): Promise<void> {
  for (const statement of [
    "CREATE TABLE completions (job_id bigint NOT NULL)",
    `CREATE FUNCTION count_completion() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN INSERT INTO completions VALUES (NEW.job_id); RETURN NEW; END'`,
    `CREATE TRIGGER completion AFTER UPDATE ON jobs FOR EACH ROW
      WHEN (NEW.state = 'done') EXECUTE FUNCTION count_completion()`,
  ])
    await look.column(statement);
  await api.post("registered-models/create", { name: "m" });
  await api.post("model-versions/create", { name: "m", source: "s" });
  const content = Buffer.alloc(CONTENT_BYTES, "weights and more weights\n");
  await uploadArtifact(api.url, { name: "m", version: 1 }, content);
}

/** Of ten jobs seven are reports, and one is of each other kind; answers with how many were accepted, the upload's own included. */
async function createJobs(api: TestRegistry, receiver: Receiver, jobs: number): Promise<number> {
  const { webhook } = await api.post("webhooks/create", { url: `${receiver.url}/hook` });
  const { webhook_id } = webhook;
  const kinds = [
    { kind: "scan", name: "m", version: 1 },
    { kind: "validate", name: "m", version: 1 },
    { kind: "webhook", webhook_id },
  ];
  const pool = new Pool(api.url, { connections: CLIENTS });
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < jobs) {
      const body = JSON.stringify(kinds[next++ % 10] ?? { kind: "report", name: "m" });
      const headers = { "content-type": "application/json" };
      const path = "/api/2.0/mlflow/jobs/create";
      const answer = await pool.request({ method: "POST", path, body, headers });
      const text = await answer.body.text();
      if (answer.statusCode !== 200) throw new Error(`${answer.statusCode}: ${text}`);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  await pool.close();
  return jobs + 1;
}

async function countAll(
  look: Look,
  receiver: Receiver,
): Promise<Omit<CrashResult, "accepted" | "kills" | "seconds">> {
  const { number } = look;
  const repeated = (table: string) =>
    number(
      `SELECT count(*) FROM (SELECT job_id FROM ${table} GROUP BY job_id HAVING count(*) > 1) r`,
    );
  const keys = receiver.received.map(({ headers }) => headers["idempotency-key"]);
  return {
    done: await number("SELECT count(*) FROM jobs WHERE state = 'done'"),
    dead: await number("SELECT count(*) FROM dead_letters"),
    lost: await number(
      "SELECT count(*) FROM jobs WHERE state <> 'done' AND job_id NOT IN (SELECT job_id FROM dead_letters)",
    ),
    twice:
      (await repeated("completions")) +
      (await repeated("reports")) +
      (await repeated("webhook_receipts")),
    withoutEffect: await number(
      `SELECT count(*) FROM jobs WHERE state = 'done' AND (kind = 'report' AND job_id NOT IN (SELECT job_id FROM reports)
         OR kind = 'webhook' AND job_id NOT IN (SELECT job_id FROM webhook_receipts))`,
    ),
    cutOff: await number("SELECT coalesce(sum(jsonb_array_length(history)), 0) FROM jobs"),
    deliveries: keys.length,
    delivered: new Set(keys).size,
  };
}
