// The limit on requests under way: what is refused and how, what never is, and that every place is given back whatever ends a request.

import { once } from "node:events";
import { connect } from "node:net";
import { Client as Postgres } from "pg";
import { Client } from "undici";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { API_BASE } from "../../src/registry/endpoint.ts";
import { createRetryAfter } from "../../src/registry/in-flight.ts";
import * as fc from "../properties.ts";
import { eventually, openRegistry } from "./client.ts";
import type { Answer, TestRegistry } from "./client.ts";
import { gatewayKinds } from "./gateway-kinds.ts";
import { openFor } from "./gateway-world.ts";
import { uploadArtifact } from "./jobs/world.ts";
import { startStores } from "./stores.ts";
import type { Stores } from "./stores.ts";

const LIMIT = 2;
const MODEL = "registered-models/get";
const CSV = "text/csv";

let stores: Stores;
let postgres: Postgres;
let api: TestRegistry;

beforeAll(async () => {
  stores = await startStores();
  const databaseUrl = await stores.createDatabase("in_flight");
  postgres = new Postgres({ connectionString: databaseUrl });
  await postgres.connect();
  api = await openRegistry({
    DATABASE_URL: databaseUrl,
    REDIS_URL: stores.redisUrl,
    CACHE_L2_TTL_MS: "0",
    // The validation that an upload causes is not waited for.
    JOB_WORKERS: "0",
    REPORT_WORKERS: "1",
    REQUEST_LIMIT: String(LIMIT),
  });
  await api.post("registered-models/create", { name: "m" });
  await api.post("model-versions/create", { name: "m", source: "s" });
}, 60_000);

afterAll(async () => {
  await postgres?.end();
  await api?.close();
  await stores?.stop();
});

/** Whoever reads a model, a version or a run does not get on until it is let go. */
async function holdReaders(): Promise<void> {
  await postgres.query("BEGIN");
  await postgres.query(
    "LOCK TABLE registered_models, model_versions, runs IN ACCESS EXCLUSIVE MODE",
  );
}
const letGo = (): Promise<unknown> => postgres.query("ROLLBACK");

const inFlight = (): Promise<number> => api.metric("registry_requests_in_flight");
const refused = (): Promise<number> => api.metric("registry_requests_refused_total");
const none = (): Promise<void> => eventually(async () => (await inFlight()) === 0);

async function fill(): Promise<readonly Promise<Answer>[]> {
  await holdReaders();
  const asked = Array.from({ length: LIMIT }, () => api.ask("GET", MODEL, { name: "m" }));
  await eventually(async () => (await inFlight()) === LIMIT);
  return asked;
}

describe("at the limit", () => {
  let asked: readonly Promise<Answer>[] = [];
  beforeEach(async () => {
    asked = await fill();
  });
  afterEach(async () => {
    await letGo();
    await Promise.all(asked);
  });

  test("one more is refused with Retry-After, and those under way are answered", async () => {
    const before = await refused();
    const answer = await fetch(`${api.url}${API_BASE}/${MODEL}?name=m`);
    expect(answer.status).toBe(503);
    expect(answer.headers.get("retry-after")).toMatch(/^[1-9]\d?$/);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(await answer.json()).toEqual({
      error_code: "TEMPORARILY_UNAVAILABLE",
      message: expect.stringContaining("under way"),
    });
    expect((await refused()) - before).toBe(1);
    await letGo();
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([200, 200]);
    await none();
    await api.get(MODEL, { name: "m" });
  });

  test("health, readiness and metrics are never refused", async () => {
    for (const page of ["healthz", "readyz", "metrics"])
      expect((await fetch(`${api.url}/${page}`)).status, page).toBe(200);
  });

  test("a refused request asks neither store anything, and its connection goes on, whatever its body", async () => {
    const client = new Client(api.url);
    let connections = 0;
    client.on("connect", () => (connections += 1));
    const statements = await api.metric("registry_db_statements_total");
    const post = async (body: string): Promise<number> => {
      const headers = { "content-type": "application/json" };
      const path = `${API_BASE}/runs/log-batch`;
      const answer = await client.request({ method: "POST", path, headers, body });
      await answer.body.dump();
      return answer.statusCode;
    };
    expect(await post("no JSON")).toBe(503);
    expect(await post(JSON.stringify({ run_id: "r".repeat(500_000) }))).toBe(503);
    expect(await post("{}")).toBe(503);
    expect(await api.metric("registry_db_statements_total")).toBe(statements);
    await letGo();
    await none();
    expect(await post("{}")).toBe(400);
    expect(connections).toBe(1);
    await client.close();
  });
});

test("a client that goes away leaves its place to the next only when the work for it is over", async () => {
  await holdReaders();
  const connected = once(api.server.server, "connection");
  const asking = connect(api.port, "127.0.0.1");
  asking.write(`GET ${API_BASE}/${MODEL}?name=m HTTP/1.1\r\nHost: x\r\n\r\n`);
  const [connection] = await connected;
  await eventually(async () => (await inFlight()) === 1);
  const closed = once(connection, "close");
  asking.destroy();
  await closed;
  expect(await inFlight()).toBe(1);
  await letGo();
  await none();
});

describe("places are given back", () => {
  afterEach(none, 30_000);

  test("after answers of every kind", async () => {
    await api.get(MODEL, { name: "m" });
    const statuses = [
      await api.ask("GET", MODEL, { name: "nobody" }),
      await api.ask("GET", MODEL),
      await api.ask("POST", "registered-models/create", { name: "x".repeat(2_000_000) }),
      await api.ask("GET", "no/such/endpoint"),
    ].map(({ status }) => status);
    expect(statuses).toEqual([404, 400, 400, 404]);
    await uploadArtifact(api.url, { name: "m", version: 1 }, Buffer.alloc(300_000, 7));
    for (const path of [
      "model-versions/artifact?name=m&version=1",
      "analytics/report?format=csv",
    ]) {
      const answer = await fetch(`${api.url}${API_BASE}/${path}`);
      expect(answer.status).toBe(200);
      await answer.arrayBuffer();
    }
    const imported = await fetch(`${api.url}${API_BASE}/bulk/import?kind=metrics`, {
      method: "POST",
      headers: { "content-type": CSV },
      body: "run_id,key,value,timestamp,step\nnobody,loss,1,1,1\n",
    });
    expect(await imported.json()).toMatchObject({ rejected: 1 });
  });

  test.each([
    ["a body that does not come", "POST", "runs/log-batch", "application/json", "{"],
    [
      "an upload cut off",
      "PUT",
      "model-versions/artifact?name=m&version=1&path=p",
      "application/octet-stream",
      "abc",
    ],
    [
      "an import cut off",
      "POST",
      "bulk/import?kind=metrics",
      CSV,
      "run_id,key,value,timestamp,step\nnobody,loss,1,1,1\n",
    ],
  ])("after %s", async (_what, method, path, type, begun) => {
    const head = `Content-Type: ${type}\r\nContent-Length: 900000\r\n`;
    await breakOff(`${method} ${API_BASE}/${path} HTTP/1.1\r\nHost: x\r\n${head}\r\n${begun}`, 1);
  });

  test("after a connection with several requests in line, an answer of which nobody begins", async () => {
    await holdReaders();
    const get = `GET ${API_BASE}/${MODEL}?name=m HTTP/1.1\r\nHost: x\r\n\r\n`;
    await breakOff(get.repeat(LIMIT), LIMIT);
    await letGo();
  });

  test("after a report that is broken off", async () => {
    await holdReaders();
    const path = `${API_BASE}/analytics/report?format=csv`;
    await breakOff(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`, 1);
    await letGo();
  });
});

/** Sends this much of requests, and goes away once so many are under way. */
async function breakOff(request: string, underWay: number): Promise<void> {
  const socket = connect(api.port, "127.0.0.1");
  await once(socket, "connect");
  socket.write(request);
  await eventually(async () => (await inFlight()) === underWay);
  socket.destroy();
}

test.each(gatewayKinds)(
  "%s passes a refusal on, and holds the worker for up",
  async (_kind, open) => {
    const gateway = await openFor(
      [{ id: "1", url: api.url }],
      { healthIntervalMs: 100, balancing: "least-connections" },
      open,
    );
    const asked = await fill();
    try {
      for (let times = 0; times < 5; times += 1) {
        const answer = await fetch(`${gateway.url}${API_BASE}/${MODEL}?name=m`);
        expect(answer.status).toBe(503);
        expect(answer.headers.get("retry-after")).toMatch(/^[1-9]\d?$/);
        expect(await answer.json()).toMatchObject({
          message: expect.stringContaining("under way"),
        });
      }
      expect(gateway.events.filter(({ type }) => type !== "returned")).toEqual([]);
      const page = await (await fetch(`${gateway.url}/metrics`)).text();
      expect(page).toMatch(/^registry_gateway_worker_up\{worker="1"\} 1$/m);
      expect(page).toMatch(/^registry_gateway_refused_total 0$/m);
      expect(page).toMatch(/^registry_gateway_retries_total 0$/m);
      expect(page).toMatch(/^registry_gateway_errors_total\{worker="1"\} 0$/m);
      expect(page).toMatch(new RegExp(`^registry_requests_in_flight ${LIMIT}$`, "m"));
    } finally {
      await letGo();
      await Promise.all(asked);
      await gateway.close(1_000);
    }
  },
);

describe("Retry-After", () => {
  test("grows with how many are refused for each one that is served", () => {
    const told = [1, 4, 16].map((refusals) => {
      const after = createRetryAfter();
      let last = 0;
      // Three seconds in which a request ends every ten milliseconds.
      for (let ms = 0; ms < 3_000; ms += 10) {
        after.ended();
        for (let each = 0; each < refusals; each += 1) last = after.refused(ms, 10);
      }
      return last;
    });
    // Refused over half a second to one, and ten under way, at a hundred a second.
    expect(told[0]).toBeLessThanOrEqual(2);
    expect(told[1]).toBeGreaterThanOrEqual(2);
    expect(told[1]).toBeLessThanOrEqual(5);
    expect(told[2]).toBeGreaterThanOrEqual(8);
    expect(told[2]).toBeLessThanOrEqual(17);
  });

  test("forgets how fast requests ended while there was room", () => {
    const after = createRetryAfter();
    for (let times = 0; times < 100; times += 1) after.refused(0, 1);
    after.ended();
    expect(after.refused(3_600_000, 1)).toBe(1);
  });

  test("is as long as nothing has ended", () => {
    const after = createRetryAfter();
    let told = 0;
    for (let ms = 0; ms <= 200_000; ms += 1_000) {
      told = after.refused(ms, 1);
      if (ms === 7_000) expect(told).toBe(7);
    }
    expect(told).toBe(60);
  });

  test("is a whole number from 1 to 60 whatever happens", () => {
    const step = fc.record({ afterMs: fc.nat(3_000), ended: fc.nat(50), refused: fc.nat(50) });
    fc.assert(
      fc.property(fc.array(step), fc.nat(10_000), (steps, underWay) => {
        const after = createRetryAfter();
        let nowMs = 0;
        for (const each of steps) {
          nowMs += each.afterMs;
          for (let times = 0; times < each.ended; times += 1) after.ended();
          for (let times = 0; times < each.refused; times += 1) {
            const told = after.refused(nowMs, underWay);
            expect(Number.isInteger(told) && told >= 1 && told <= 60).toBe(true);
          }
        }
      }),
    );
  });
});
