// A small HTTP service on PostgreSQL and Redis whose sickness is chosen by FAULT: real work of the wrong kind, no pretence.
import { pbkdf2, pbkdf2Sync } from "node:crypto";
import { createServer } from "node:http";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { Pool } from "pg";
import { instruments } from "./instruments.mjs";

const { PORT, DATABASE_URL, REDIS_URL, UPSTREAM_URL, FAULT = "healthy" } = process.env;
const pool = new Pool({ connectionString: DATABASE_URL, max: Number(process.env.POOL_MAX ?? 10) });
const redis = new Redis(REDIS_URL);
const queueRedis = new Redis(REDIS_URL);
const derive = promisify(pbkdf2);
const meters = instruments({ pool, waitingJobs: () => redis.llen("jobs") });
const PROBE_MS = 50;

async function connected(use) {
  const asked = performance.now();
  const client = await pool.connect();
  meters.poolWait.observe((performance.now() - asked) / 1000);
  try {
    return await use(client);
  } finally {
    client.release();
  }
}

const query = (sql, values) => connected((client) => client.query(sql, values));
const BY_OWNER = (table) =>
  `SELECT id, owner, title FROM ${table} WHERE owner = $1 ORDER BY id LIMIT 5`;

/** As a service should: cached, else by an index. */
async function item(id, padding = "") {
  const key = `item:${id}`;
  const cached = await redis.get(key);
  if (cached !== null) return cached;
  const { rows } = await query(BY_OWNER("items"), [id]);
  const text = JSON.stringify(rows) + padding;
  await redis.set(key, text, "EX", 600);
  return text;
}

/** A report in one transaction, as they are written: everything it needs, one statement after the other. */
function report(id) {
  return connected(async (client) => {
    await client.query("BEGIN READ ONLY");
    const found = [];
    for (let part = 0; part < 8; part += 1) {
      found.push((await client.query(BY_OWNER("items"), [id + part])).rows);
    }
    await client.query("COMMIT");
    return JSON.stringify(found);
  });
}

/** One that keeps its connection while a quick neighbour is told of it. */
function reportTold(id) {
  return connected(async (client) => {
    const { rows } = await client.query(BY_OWNER("items"), [id]);
    await upstream(12);
    return JSON.stringify((await client.query(BY_OWNER("items"), [id + rows.length])).rows);
  });
}

let requests = 0;

async function blocking(id) {
  requests += 1;
  // Every sixth request checks a password the synchronous way.
  if (requests % 6 === 0) pbkdf2Sync(String(id), "salt", 220_000, 64, "sha512");
  return item(id);
}

const recent = [];

/** Builds a large answer of small objects, and keeps the last ones for later. */
async function churning(id) {
  const built = Array.from({ length: 25_000 }, (_, n) => ({ id, n, tags: [n, `tag ${n}`] }));
  recent.push(built);
  if (recent.length > 12) recent.shift();
  return JSON.stringify(built.length);
}

const WORDS = Array.from({ length: 997 }, (_, n) => `w${n}`);

/** JavaScript alone, and hardly any garbage: how often each word comes in a text. */
function counting(id) {
  const words = new Map();
  for (let n = 0; n < 200_000; n += 1) {
    const word = WORDS[(n * 31 + id) % WORDS.length];
    words.set(word, (words.get(word) ?? 0) + 1);
  }
  return JSON.stringify(Object.fromEntries(words));
}

/** Without a number it is slow. */
async function upstream(ms = "") {
  const started = performance.now();
  const text = await (await fetch(`${UPSTREAM_URL}${ms}`)).text();
  meters.outgoing.observe((performance.now() - started) / 1000);
  return text;
}

async function enqueue(id) {
  await redis.rpush("jobs", JSON.stringify({ id, at: Date.now() }));
  meters.accepted.inc();
  return "queued";
}

/** One worker: a job is a report of several pages. */
async function work() {
  for (;;) {
    const taken = await queueRedis.blpop("jobs", 0);
    if (!taken) continue;
    const job = JSON.parse(taken[1]);
    const started = performance.now();
    meters.jobWait.observe(Math.max(0, Date.now() - job.at) / 1000);
    for (let page = 0; page < 6; page += 1) await report(job.id + page);
    meters.jobService.observe((performance.now() - started) / 1000);
    meters.completed.inc();
  }
}

const HANDLERS = {
  healthy: item,
  "pool-starved": reportTold,
  "slow-query": async (id) => JSON.stringify((await query(BY_OWNER("events"), [id])).rows),
  "loop-blocked": blocking,
  gc: churning,
  redis: (id) => item(id, "x".repeat(20_000)),
  libuv: async (id) => (await derive(String(id), "salt", 24_000, 64, "sha512")).toString("hex"),
  "queue-overload": enqueue,
  cpu: async (id) => counting(id),
  "slow-upstream": () => upstream(),
};

const handler = HANDLERS[FAULT];
if (!handler) throw new Error(`there is no fault ${FAULT}`);
if (FAULT === "queue-overload") void work();

meters.probing(PROBE_MS);

async function answer(request, response) {
  try {
    const { pathname } = new URL(request.url, "http://localhost");
    if (pathname === "/metrics") response.end(await meters.page());
    else if (pathname === "/ready") {
      await query("SELECT 1");
      response.end("ok");
    } else response.end(await handler(Number(pathname.split("/").at(-1))));
  } catch (error) {
    response.statusCode = 500;
    response.end(error.message);
  }
}

const server = createServer((request, response) => void answer(request, response));
server.listen(Number(PORT), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
