import { once } from "node:events";
import { request as httpRequest } from "node:http";
import type { IncomingMessage, RequestListener } from "node:http";
import { connect } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import type { GatewayOptions } from "../../src/registry/gateway/gateway.ts";
import { gatewayKinds } from "./gateway-kinds.ts";
import { counts, jain, openFor, startFake } from "./gateway-world.ts";
import type { FakeWorker, TestGateway } from "./gateway-world.ts";

const LOOK_MS = 10;
const opened: TestGateway[] = [];
const fakes: FakeWorker[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((gateway) => gateway.close(1_000)));
  await Promise.all(fakes.splice(0).map((fake) => fake.kill().catch(() => undefined)));
});

async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await wait(LOOK_MS);
}

async function startFakes(count: number, answer?: RequestListener): Promise<FakeWorker[]> {
  const ids = Array.from({ length: count }, (_, index) => String(index + 1));
  const started = await Promise.all(ids.map((id) => startFake(id, answer)));
  fakes.push(...started);
  return started;
}

async function text(url: string, init: RequestInit = {}): Promise<string> {
  return (await fetch(url, init)).text();
}

const stateOf = async (gateway: TestGateway, id: string): Promise<string | undefined> =>
  (await gateway.workers()).find((worker) => worker.id === id)?.state;

describe.each(gatewayKinds)("%s", (kind, open) => {
  const start = async (
    workers: readonly FakeWorker[],
    options: Partial<GatewayOptions> = {},
  ): Promise<TestGateway> => {
    const gateway = await openFor(workers, options, open);
    opened.push(gateway);
    return gateway;
  };

  test("round robin shares requests evenly, also those of one client's one connection", async () => {
    const workers = await startFakes(4);
    const { url } = await start(workers);
    for (let asked = 0; asked < 40; asked += 1) await text(`${url}/x`);
    expect(counts(workers)).toEqual([10, 10, 10, 10]);
  });

  test("least connections: who is idle takes turns, who is held up gets nothing more", async () => {
    const held: (() => void)[] = [];
    const workers = await startFakes(4, (request, response) => {
      if (request.url === "/held") held.push(() => response.end());
      else response.end();
    });
    const { url } = await start(workers, { balancing: "least-connections" });
    const first = text(`${url}/held`);
    await eventually(() => held.length === 1);
    for (let asked = 0; asked < 30; asked += 1) await text(`${url}/x`);
    const asked = workers.map(({ asked }) => asked.filter((path) => path === "/x").length);
    const [least = Number.NaN, ...others] = asked.toSorted((a, b) => a - b);
    expect([least, others.reduce((sum, each) => sum + each, 0)]).toEqual([0, 30]);
    // A gateway may still count a request whose answer is with the client already: then the turn goes to another one.
    expect(Math.min(...others)).toBeGreaterThanOrEqual(7);
    held[0]?.();
    await first;
  });

  test("two choices: everyone gets some, and who is held up gets next to nothing more", async () => {
    const held: (() => void)[] = [];
    const workers = await startFakes(4, (request, response) => {
      if (request.url === "/held") held.push(() => response.end());
      else response.end();
    });
    const { url } = await start(workers, { balancing: "two-choices" });
    for (let asked = 0; asked < 200; asked += 1) await text(`${url}/x`);
    expect(jain(counts(workers))).toBeGreaterThan(0.9);
    const first = text(`${url}/held`);
    await eventually(() => held.length === 1);
    const before = counts(workers);
    for (let asked = 0; asked < 60; asked += 1) await text(`${url}/x`);
    const more = counts(workers).map((count, index) => count - (before[index] ?? 0));
    const busy = workers.findIndex(({ asked }) => asked.includes("/held"));
    // HAProxy may draw the same worker twice, one time in sixteen here.
    if (kind === "embedded") expect(more[busy]).toBe(0);
    else expect(more[busy]).toBeLessThan(15);
    held[0]?.();
    await first;
  });

  test.each([true, false])("connections to the workers are kept: %s", async (keepAlive) => {
    const workers = await startFakes(1);
    const { url } = await start(workers, { keepAlive });
    for (let asked = 0; asked < 10; asked += 1) await text(`${url}/x`);
    expect(workers[0]?.connections.size).toBe(keepAlive ? 1 : 10);
  });

  test("large bodies stream both ways, unchanged", async () => {
    const [worker] = await startFakes(1, (request, response) => {
      response.writeHead(200, { "content-type": "application/octet-stream" });
      request.pipe(response);
    });
    if (worker === undefined) throw new Error("no worker");
    const { url } = await start([worker]);
    const body = Buffer.alloc(8 * 1024 * 1024, "0123456789abcdef");
    const answer = await fetch(`${url}/echo`, { method: "PUT", body });
    expect(Buffer.from(await answer.arrayBuffer()).equals(body)).toBe(true);
  });

  test("an answer begins to arrive before the worker has ended it", async () => {
    let finish: (() => void) | undefined;
    const workers = await startFakes(1, (_request, response) => {
      response.write("first ");
      finish = () => void response.end("second");
    });
    const { url } = await start(workers);
    const reader = (await fetch(`${url}/slow`)).body?.getReader();
    const first = await reader?.read();
    expect(Buffer.from(first?.value ?? []).toString()).toBe("first ");
    finish?.();
    const second = await reader?.read();
    expect(Buffer.from(second?.value ?? []).toString()).toBe("second");
  });

  test("a client that goes away is a request less for the worker", async () => {
    let gone = false;
    const workers = await startFakes(1, (_request, response) => {
      response.on("close", () => (gone = true));
    });
    const { url, workers: states } = await start(workers);
    const abort = new AbortController();
    const answer = fetch(`${url}/never`, { signal: abort.signal }).catch(() => "gone");
    await eventually(() => workers[0]?.asked.length === 1);
    abort.abort();
    expect(await answer).toBe("gone");
    await eventually(() => gone);
    await eventually(async () => (await states()).every(({ inflight }) => inflight === 0));
  });

  test("the worker learns who asked, and nothing of the connection", async () => {
    let seen: IncomingMessage["headers"] = {};
    const workers = await startFakes(1, (request, response) => {
      seen = request.headers;
      response.setHeader("X-Answer", "kept");
      response.setHeader("Set-Cookie", ["a=1", "b=2"]);
      response.end();
    });
    const { url, port } = await start(workers);
    const request = httpRequest(`${url}/headers`, {
      headers: {
        "X-Forwarded-For": "192.0.2.7",
        "X-Forwarded-Proto": "https",
        "X-Real-IP": "192.0.2.8",
        Forwarded: "for=192.0.2.9",
        "Proxy-Authorization": "none",
        "X-Kept": "yes",
      },
    });
    request.end();
    const [answer]: IncomingMessage[] = await once(request, "response");
    answer?.resume();
    expect(seen["x-forwarded-proto"]).toBe("http");
    expect(seen["x-forwarded-host"]).toBe(`127.0.0.1:${port}`);
    expect(seen["x-forwarded-for"]).toBe("192.0.2.7, 127.0.0.1");
    expect(seen["x-real-ip"]).toBe("127.0.0.1");
    expect(seen["forwarded"]).toBeUndefined();
    expect(seen["x-kept"]).toBe("yes");
    expect(answer?.headers["x-answer"]).toBe("kept");
    expect(answer?.headers["set-cookie"]).toEqual(["a=1", "b=2"]);
  });

  test("a GET that a worker dies over goes to another; a POST does not", async () => {
    const workers = await startFakes(2, (request, response) => {
      // The second worker answers everything.
      if (request.socket.localPort === Number(new URL(workers[0]?.url ?? "").port))
        request.socket.destroy();
      else response.end("alive");
    });
    const { url } = await start(workers);
    const statuses: number[] = [];
    for (let asked = 0; asked < 6; asked += 1) statuses.push((await fetch(`${url}/x`)).status);
    expect(new Set(statuses)).toEqual(new Set([200]));
    const posts: (Response | "closed")[] = [];
    for (let asked = 0; asked < 6; asked += 1)
      posts.push(
        await fetch(`${url}/x`, { method: "POST", body: "{}" }).catch(() => "closed" as const),
      );
    const failed = posts.filter((answer) => answer === "closed" || answer.status !== 200);
    expect(failed.length).toBeGreaterThan(0);
    for (const answer of failed) {
      // HAProxy closes the connection of a client that had an answer on it before, without a word.
      if (answer === "closed") expect(kind).toBe("haproxy");
      else expect([answer.status, answer.headers.get("retry-after")]).toEqual([502, "1"]);
    }
    const dead = workers[0]?.asked.length ?? 0;
    const alive = workers[1]?.asked.length ?? 0;
    // Each GET was asked twice at most and each POST once: no POST reached both.
    expect(dead + alive).toBe(6 + 6 + (dead - failed.length));
  });

  test("a POST to a worker that cannot be reached is answered by another", async () => {
    const workers = await startFakes(2);
    const { url } = await start(workers);
    await workers[0]?.kill();
    for (let asked = 0; asked < 4; asked += 1)
      expect(await text(`${url}/x`, { method: "POST", body: "{}" })).toBe("2");
    expect(counts(workers)).toEqual([0, 4]);
  });

  test("with no worker left clients are told when to come back", async () => {
    const workers = await startFakes(1);
    const { url } = await start(workers);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    await workers[0]?.kill();
    await fetch(`${url}/x`);
    const answer = await fetch(`${url}/x`);
    expect(answer.status).toBe(503);
    expect(answer.headers.get("retry-after")).toBe("1");
    expect(await answer.json()).toMatchObject({ error_code: "TEMPORARILY_UNAVAILABLE" });
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  test("who is not ready gets nothing, and gets something again when it is", async () => {
    const workers = await startFakes(2);
    const gateway = await start(workers, { healthIntervalMs: 100 });
    const [first] = workers;
    if (first === undefined) throw new Error("no worker");
    first.ready = false;
    await eventually(async () => (await stateOf(gateway, "1")) !== "up");
    for (let asked = 0; asked < 10; asked += 1) await text(`${gateway.url}/x`);
    expect(counts(workers)).toEqual([0, 10]);
    first.ready = true;
    await eventually(async () => (await stateOf(gateway, "1")) === "up");
    for (let asked = 0; asked < 10; asked += 1) await text(`${gateway.url}/x`);
    expect(first.asked.length).toBeGreaterThanOrEqual(4);
    expect(gateway.events.map(({ type }) => type).slice(-2)).toEqual(["ejected", "returned"]);
  });

  test("a worker that was replaced is found at its new place", async () => {
    const workers = await startFakes(2);
    const gateway = await start(workers);
    const [replacement] = await startFakes(1);
    await workers[0]?.kill();
    gateway.setWorker("1", undefined);
    gateway.setWorker("1", replacement?.url);
    await eventually(async () => {
      await text(`${gateway.url}/x`);
      return (replacement?.asked.length ?? 0) > 0;
    });
  });

  test("a worker's own refusal reaches the client as it is, and is no failure of the worker", async () => {
    const workers = await startFakes(2, (_request, response) => {
      response.writeHead(503, { "Retry-After": "7", "Content-Type": "application/json" });
      response.end('{"error_code":"TEMPORARILY_UNAVAILABLE","message":"too busy"}');
    });
    const gateway = await start(workers);
    for (let asked = 0; asked < 8; asked += 1) {
      const method = asked % 2 === 0 ? "GET" : "POST";
      const answer = await fetch(`${gateway.url}/x`, { method });
      expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "7"]);
      expect(await answer.json()).toMatchObject({ message: "too busy" });
    }
    // Nothing was asked twice, nobody was taken out.
    expect(counts(workers)).toEqual([4, 4]);
    expect((await gateway.workers()).map(({ state }) => state)).toEqual(["up", "up"]);
    const page = await text(`${gateway.url}/metrics`);
    for (const name of ["errors_total", "ejections_total", "retries_total", "refused_total"])
      expect(page).not.toMatch(new RegExp(`^registry_gateway_${name}.* [1-9]`, "m"));
    expect(gateway.events.filter(({ type }) => type !== "returned")).toEqual([]);
  });

  test("sticky: a client stays with its worker while that lives, others are spread", async () => {
    const workers = await startFakes(3);
    const { url } = await start(workers, { sticky: true });
    const first = await fetch(`${url}/x`);
    const [cookie = ""] = (first.headers.get("set-cookie") ?? "").split(";");
    const home = await first.text();
    for (let asked = 0; asked < 6; asked += 1) {
      const answer = await fetch(`${url}/x`, { headers: { cookie: `other=1; ${cookie}` } });
      expect(await answer.text()).toBe(home);
      expect(answer.headers.get("set-cookie")).toBeNull();
    }
    const strangers = new Set<string>();
    for (let asked = 0; asked < 6; asked += 1) strangers.add(await text(`${url}/x`));
    expect(strangers.size).toBe(3);
    await workers.find(({ id }) => id === home)?.kill();
    const moved = await fetch(`${url}/x`, { headers: { cookie } });
    expect(moved.status).toBe(200);
    expect(await moved.text()).not.toBe(home);
    expect(moved.headers.get("set-cookie")).not.toContain(cookie);
  });

  test("the metrics of all workers are one page, with the gateway's own", async () => {
    const workers = await startFakes(2);
    for (const [index, worker] of workers.entries())
      worker.metrics = `# HELP a_total A.\n# TYPE a_total counter\na_total{x="y z"} ${index + 1}\n`;
    const { url, setWorker } = await start(workers);
    const line = async (start: string): Promise<string | undefined> =>
      (await text(`${url}/metrics`)).split("\n").find((each) => each.startsWith(start));
    // Who got nothing is part of how even it is.
    expect(await line('registry_gateway_seconds_count{worker="2"}')).toMatch(/ 0$/);
    for (let asked = 0; asked < 6; asked += 1) await text(`${url}/x`);
    await eventually(
      async () =>
        (await line('registry_gateway_seconds_count{worker="1"}'))?.endsWith(" 3") ?? false,
    );
    expect(await line("a_total")).toBe('a_total{x="y z"} 3');
    expect(await line('registry_gateway_worker_up{worker="2"}')).toMatch(/ 1$/);
    setWorker("1", undefined);
    expect(await line("a_total")).toBe('a_total{x="y z"} 3');
  });

  test("closing lets the request under way end, and takes no other", async () => {
    let finish: (() => void) | undefined;
    const workers = await startFakes(1, (_request, response) => {
      finish = () => void response.end("done");
    });
    const gateway = await start(workers);
    opened.pop();
    const answer = text(`${gateway.url}/held`);
    await eventually(() => workers[0]?.asked.length === 1);
    const closed = gateway.close(20_000);
    await eventually(
      () =>
        new Promise((resolve) => {
          const socket = connect(gateway.port, "127.0.0.1");
          socket.once("connect", () => resolve(false)).once("error", () => resolve(true));
          socket.once("connect", () => socket.destroy());
        }),
    );
    finish?.();
    expect(await answer).toBe("done");
    expect(await closed).toBe(true);
  });

  test("what does not end is cut off when the time to drain is over", async () => {
    const workers = await startFakes(1, () => undefined);
    const gateway = await start(workers);
    opened.pop();
    const answer = text(`${gateway.url}/never`).then(
      () => "answered",
      () => "cut off",
    );
    await eventually(() => workers[0]?.asked.length === 1);
    expect(await gateway.close(50)).toBe(false);
    expect(await answer).toBe("cut off");
  });

  test("a worker that came back gets less at first", async () => {
    const workers = await startFakes(2);
    const gateway = await start(workers, { slowStartMs: 600_000 });
    gateway.setWorker("1", undefined);
    await eventually(async () => (await stateOf(gateway, "1")) === "down");
    gateway.setWorker("1", workers[0]?.url);
    await eventually(async () => (await stateOf(gateway, "1")) === "up");
    for (let asked = 0; asked < 60; asked += 1) await text(`${gateway.url}/x`);
    const [back = 0, steady = 0] = counts(workers);
    expect(back + steady).toBe(60);
    expect(back).toBeLessThan(10);
  });
});
