// A small shop that can be sick in the same ten ways as service.mjs, each written differently: what no rule was adjusted on.
import { createServer } from "node:http";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { Redis } from "ioredis";
import { Pool } from "pg";
import { instruments } from "./instruments.mjs";

const { PORT, DATABASE_URL, REDIS_URL, UPSTREAM_URL, FAULT = "healthy" } = process.env;
const pool = new Pool({ connectionString: DATABASE_URL, max: Number(process.env.POOL_MAX ?? 8) });
const redis = new Redis(REDIS_URL);
const compress = promisify(gzip);
const line = [];
const meters = instruments({ pool, waitingJobs: () => line.length });

async function borrow() {
  const since = performance.now();
  const client = await pool.connect();
  meters.poolWait.observe((performance.now() - since) / 1000);
  return client;
}

async function rowsOf(sql, values) {
  const client = await borrow();
  try {
    return (await client.query(sql, values)).rows;
  } finally {
    client.release();
  }
}

/** A neighbour that answers after so many milliseconds. */
async function neighbour(ms) {
  const since = performance.now();
  await (await fetch(`${UPSTREAM_URL}${ms}`)).text();
  meters.outgoing.observe((performance.now() - since) / 1000);
}

const OF_CUSTOMER =
  "SELECT id, status, total FROM orders WHERE customer = $1 ORDER BY placed_at DESC LIMIT 10";
const ofCustomer = (id) => rowsOf(OF_CUSTOMER, [id]);

async function order(id) {
  const key = `order:${id}`;
  const cached = await redis.get(key);
  if (cached !== null) return cached;
  const text = JSON.stringify(await rowsOf("SELECT * FROM orders WHERE id = $1", [id]));
  await redis.set(key, text, "EX", 900);
  return text;
}

/** The connection is kept while a neighbour is told of what was found in it. */
async function settle(id) {
  const client = await borrow();
  try {
    await client.query("BEGIN");
    const { rows } = await client.query(OF_CUSTOMER, [id]);
    await neighbour(15);
    await client.query("UPDATE orders SET note = $2 WHERE id = $1", [id, `seen ${rows.length}`]);
    await neighbour(15);
    await client.query("COMMIT");
  } finally {
    client.release();
  }
  return "settled";
}

/** There is an index on the time, along which those of one region are searched. */
const disputed = (id) =>
  rowsOf(
    "SELECT id, total FROM orders WHERE region = $1 AND status = 'disputed' ORDER BY placed_at DESC LIMIT 10",
    [`region ${id % 40}`],
  );

/** What to search in, made anew as a whole. */
function searchIndex() {
  const words = Array.from({ length: 90_000 }, (_, n) => `w${(n * 7919) % 90_001}`);
  return words.toSorted((left, right) => left.localeCompare(right)).length;
}

const sessions = new Map();

/** Sessions that are kept for a while, and replaced: what a request makes lives long enough to be moved twice. */
function visit(id) {
  for (let n = 0; n < 2_500; n += 1) {
    const key = (id * 2_503 + n * 61) % 150_000;
    sessions.set(key, { key, seen: [id, n], trail: [{ at: n }, { at: id }], note: `visit ${n}` });
  }
  return String(sessions.size);
}

/** A page in the cache, else four statements; the pages are of many sizes. */
async function page(id) {
  const key = `page:${id}`;
  const cached = await redis.get(key);
  if (cached !== null) return cached;
  const parts = [];
  for (let part = 0; part < 4; part += 1) parts.push(await ofCustomer(id + part));
  const text = JSON.stringify(parts) + "-".repeat(3_000 + (id % 10) * 3_000);
  await redis.set(key, text, "EX", 900);
  return text;
}

const LEDGER = Array.from({ length: 14_000 }, (_, n) => `${n};${(n * 7919) % 10_007};paid`).join(
  "\n",
);

async function ledger(id) {
  return String((await compress(`${id}\n${LEDGER}`, { level: 9 })).length);
}

async function ship({ id, at }) {
  const since = performance.now();
  meters.jobWait.observe((since - at) / 1000);
  for (let part = 0; part < 4; part += 1) await ofCustomer(id + part);
  await neighbour(25);
  await redis.set(`shipped:${id}`, "yes", "EX", 60);
  meters.jobService.observe((performance.now() - since) / 1000);
  meters.completed.inc();
}

let shipping = 0;

/** Two at a time, out of the process's own line. */
function shipNext() {
  while (shipping < 2 && line.length > 0) {
    shipping += 1;
    void ship(line.shift()).finally(() => {
      shipping -= 1;
      shipNext();
    });
  }
}

function dispatch(id) {
  line.push({ id, at: performance.now() });
  meters.accepted.inc();
  shipNext();
  return "accepted";
}

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
const escape = (text) => text.replaceAll(/[&<>]/g, (character) => ENTITIES[character]);

/** A table as a page. */
function html(id) {
  const rows = [];
  for (let n = 0; n < 9_000; n += 1) {
    rows.push(`<tr><td>${escape(`<${(n * id) % 97}> & more`)}</td></tr>`);
  }
  return String(rows.join("").length);
}

async function quoted(id) {
  await neighbour(60 + (id % 13) * 10);
  return order(id);
}

const SICK = {
  healthy: async (id) => {
    await rowsOf("UPDATE orders SET note = 'read' WHERE id = $1", [id]);
    return "written";
  },
  "pool-starved": settle,
  "slow-query": async (id) => JSON.stringify(await disputed(id)),
  "loop-blocked": order,
  gc: async (id) => visit(id),
  redis: page,
  libuv: ledger,
  "queue-overload": async (id) => dispatch(id),
  cpu: async (id) => html(id),
  "slow-upstream": quoted,
};

const ROUTES = {
  order,
  customer: async (id) => JSON.stringify(await ofCustomer(id)),
  partner: async (id) => {
    await neighbour(12);
    return order(id);
  },
  main: SICK[FAULT],
};
if (!ROUTES.main) throw new Error(`there is no fault ${FAULT}`);
if (FAULT === "loop-blocked") setInterval(searchIndex, 900);
meters.probing(50);

async function answer(request, response) {
  const [, route, id] = request.url.split("/");
  try {
    if (route === "metrics") response.end(await meters.page());
    else if (route === "ready") {
      await rowsOf("SELECT 1");
      response.end("ok");
    } else response.end(await ROUTES[route](Number(id)));
  } catch (error) {
    response.statusCode = 500;
    response.end(error.message);
  }
}

createServer((request, response) => void answer(request, response)).listen(
  Number(PORT),
  "127.0.0.1",
);
process.on("SIGTERM", () => process.exit(0));
