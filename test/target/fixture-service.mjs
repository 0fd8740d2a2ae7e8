// A small HTTP service for tests: PostgreSQL and Redis behind it, its knobs in the environment.
import { createServer } from "node:http";
import { Redis } from "ioredis";
import { Pool } from "pg";

const max = Number(process.env.POOL_MAX ?? 5);
if (!(max >= 1)) {
  console.error(`POOL_MAX is ${process.env.POOL_MAX}; DATABASE_URL=${process.env.DATABASE_URL}`);
  process.exit(3);
}
const ttlMs = Number(process.env.CACHE_TTL ?? 0);
const pool = new Pool({ connectionString: process.env.DATABASE_URL, max });
const redis = new Redis(process.env.REDIS_URL);
// The tracer is TypeScript: whoever sets this starts node with tsx.
if (process.env.FIXTURE_TRACED) {
  const { createCacheTracer, traceIoredis } = await import("../../src/tracer/index.ts");
  traceIoredis(redis, createCacheTracer());
}
const counts = { hits: 0, misses: 0, waits: 0, waitSeconds: 0 };

async function query(sql, parameters) {
  const asked = performance.now();
  const client = await pool.connect();
  counts.waits += 1;
  counts.waitSeconds += (performance.now() - asked) / 1000;
  try {
    return (await client.query(sql, parameters)).rows;
  } finally {
    client.release();
  }
}

/** What a version may do besides: a statement and a Redis command that the other version does not have. */
async function extra(id) {
  if (process.env.EXTRA_QUERY) await query("SELECT max(title) FROM items WHERE owner = $1", [id]);
  if (process.env.EXTRA_COMMAND) await redis.incr("asked");
}

async function count(owner) {
  const [row] = await query("SELECT count(*)::int AS items FROM items WHERE owner = $1", [owner]);
  return JSON.stringify(row);
}

/** Writes, and goes on writing after it has answered. */
async function visit(owner) {
  await query(
    "UPDATE items SET title = title || '.' WHERE id = (SELECT min(id) FROM items WHERE owner = $1)",
    [owner],
  );
  setTimeout(() => void redis.incr(`visits:${owner}`), 15);
  return "ok";
}

async function item(id) {
  await extra(id);
  const key = `item:${id}`;
  const cached = ttlMs > 0 ? await redis.get(key) : null;
  if (cached !== null) {
    counts.hits += 1;
    return cached;
  }
  counts.misses += 1;
  const rows = await query(
    "SELECT id, owner, title FROM items WHERE owner = $1 ORDER BY title LIMIT 5",
    [id],
  );
  const text = JSON.stringify(rows);
  if (ttlMs > 0) await redis.set(key, text, "PX", ttlMs);
  return text;
}

function metrics() {
  return [
    "# TYPE cache_hits_total counter",
    `cache_hits_total{tier="l2"} ${counts.hits}`,
    "# TYPE cache_misses_total counter",
    `cache_misses_total{tier="l2"} ${counts.misses}`,
    "# TYPE cache_lookups_total counter",
    `cache_lookups_total ${counts.hits + counts.misses}`,
    "# TYPE pool_connections gauge",
    `pool_connections{state="total"} ${pool.totalCount}`,
    `pool_connections{state="idle"} ${pool.idleCount}`,
    "# TYPE pool_wait_seconds histogram",
    `pool_wait_seconds_sum ${counts.waitSeconds}`,
    `pool_wait_seconds_count ${counts.waits}`,
    "",
  ].join("\n");
}

/** What it was started with, beside variables of its own. */
async function ownProcess() {
  const [row] = await query("SELECT current_setting('work_mem') AS \"workMem\"");
  return JSON.stringify({ nodeOptions: process.env.NODE_OPTIONS, workMem: row?.workMem });
}

async function answer(request, response) {
  try {
    const url = new URL(request.url, "http://localhost");
    if (url.pathname === "/die") process.kill(process.pid, "SIGKILL");
    else if (url.pathname === "/metrics") response.end(metrics());
    else if (url.pathname === "/env") response.end(JSON.stringify(process.env));
    else if (url.pathname === "/process") response.end(await ownProcess());
    else if (url.pathname === "/ready") response.end((await query("SELECT 'ok' AS ok"))[0].ok);
    else if (url.pathname.startsWith("/count/"))
      response.end(await count(Number(url.pathname.slice(7))));
    else if (url.pathname.startsWith("/visit/"))
      response.end(await visit(Number(url.pathname.slice(7))));
    else response.end(await item(Number(url.pathname.slice(1))));
  } catch (error) {
    response.statusCode = 500;
    response.end(error.message);
  }
}

const server = createServer((request, response) => void answer(request, response));
server.listen(Number(process.env.PORT), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
