import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { createGatewayMetrics } from "../../src/registry/gateway/metrics.ts";
import { openUpstreams } from "../../src/registry/gateway/upstreams.ts";
import { openFor, startFake } from "./gateway-world.ts";
import type { FakeWorker, TestGateway } from "./gateway-world.ts";

const opened: TestGateway[] = [];
const fakes: FakeWorker[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((gateway) => gateway.close(1_000)));
  await Promise.all(fakes.splice(0).map((fake) => fake.kill().catch(() => undefined)));
});

describe("the embedded gateway alone", () => {
  test("a worker that takes connections and says nothing is out, and is asked when no other is left", async () => {
    const worker = await startFake("1");
    fakes.push(worker);
    const gateway = await openFor([worker], { healthIntervalMs: 200 });
    opened.push(gateway);
    worker.silent = true;
    await untilState(gateway, "slow");
    expect(await (await fetch(`${gateway.url}/x`)).text()).toBe("1");
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(503);
    worker.silent = false;
    await untilState(gateway, "up");
  });

  test("a worker that is too busy to be ready is asked when no other is left, and looked at again soon", async () => {
    const worker = await startFake("1");
    fakes.push(worker);
    worker.ready = false;
    // Checks are a minute apart.
    const gateway = await openFor([worker]);
    opened.push(gateway);
    expect((await gateway.workers())[0]?.state).toBe("slow");
    expect(await (await fetch(`${gateway.url}/x`)).text()).toBe("1");
    worker.ready = true;
    await untilState(gateway, "up");
  });

  test("what was wrong with the process before says nothing of the one that replaced it", async () => {
    const [first, second] = await Promise.all([startFake("1"), startFake("1")]);
    fakes.push(first, second);
    const metrics = createGatewayMetrics({
      workers: ["1"],
      inflight: () => 0,
      cpuSeconds: () => 0,
    });
    const upstreams = await openUpstreams(
      {
        balancing: "round-robin",
        healthIntervalMs: 60_000,
        sticky: false,
        keepAlive: true,
        slowStartMs: 0,
        host: "127.0.0.1",
        port: 0,
        answerTimeoutMs: 1_000,
        workers: [{ id: "1", url: first.url }],
      },
      metrics,
    );
    const [upstream] = upstreams.all;
    const before = upstream?.pool;
    if (upstream === undefined || before === undefined) throw new Error("no upstream");
    upstreams.setWorker("1", second.url);
    while (upstreams.eligible().length === 0) await new Promise((resolve) => setImmediate(resolve));
    upstreams.unreachable(upstream, before, "of the old one");
    expect(upstream.state).toBe("up");
    if (upstream.pool !== undefined) upstreams.unreachable(upstream, upstream.pool, "of its own");
    expect(upstream.state).toBe("down");
    await upstreams.close();
  });

  test.each(["keep-alive", "close"])(
    "a worker that answers before it has read an upload is heard (Connection: %s)",
    async (connection) => {
      const worker = await startFake("1", (request, response) => {
        response.writeHead(413, { connection });
        response.write("too ");
        request.once("data", () => response.end("large"));
      });
      fakes.push(worker);
      const gateway = await openFor([worker]);
      opened.push(gateway);
      for (let asked = 0; asked < 5; asked += 1) {
        const body = Buffer.alloc(4 * 1024 * 1024);
        const answer = await upload(gateway.port, body);
        expect(answer).toMatch(/^HTTP\/1\.1 413 [^]*too [^]*large/);
      }
    },
  );

  test("a small chunked body reaches the worker whole, a large one as it comes", async () => {
    const lengths: (string | undefined)[] = [];
    const worker = await startFake("1", (request, response) => {
      lengths.push(request.headers["content-length"]);
      let bytes = 0;
      request.on("data", (chunk: Buffer) => (bytes += chunk.length));
      request.on("end", () => response.end(String(bytes)));
    });
    fakes.push(worker);
    const gateway = await openFor([worker]);
    opened.push(gateway);
    const send = async (pieces: readonly number[]): Promise<string> => {
      async function* parts() {
        for (const bytes of pieces) yield Buffer.alloc(bytes);
      }
      const stream = ReadableStream.from(parts());
      const answer = await fetch(`${gateway.url}/x`, {
        method: "PUT",
        body: stream,
        duplex: "half",
      });
      return answer.text();
    };
    expect(await send([10, 20])).toBe("30");
    expect(await send([40_000, 40_000, 1_000_000, 7])).toBe("1080007");
    expect(await send([])).toBe("0");
    expect(lengths).toEqual(["30", undefined, "0"]);
  });

  test("a worker that breaks off an upload costs the client a 502, and nobody else anything", async () => {
    const worker = await startFake("1", (request, response) => {
      if (request.method === "GET") response.end("well");
      else request.once("data", () => request.socket.destroy());
    });
    fakes.push(worker);
    const gateway = await openFor([worker]);
    opened.push(gateway);
    const said = await new Promise<string>((resolve) => {
      const socket = connect(gateway.port, "127.0.0.1");
      let text = "";
      socket.on("data", (bytes) => (text += bytes.toString()));
      socket.on("error", () => undefined);
      socket.on("close", () => resolve(text));
      socket.write("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
      socket.write(Buffer.alloc(500_000));
    });
    expect(said).toMatch(/^HTTP\/1\.1 502 /);
    expect(said.toLowerCase()).toContain("retry-after: 1");
    expect(await (await fetch(`${gateway.url}/x`)).text()).toBe("well");
  });

  test.each([
    ["an absolute address", "GET http://elsewhere/x HTTP/1.1", 200],
    ["an asterisk", "OPTIONS * HTTP/1.1", 400],
    [
      "a header of one hop named by Connection",
      "GET /x HTTP/1.1\r\nConnection: close, secret\r\nSecret: 1",
      200,
    ],
  ])("%s", async (_, head, status) => {
    let names: readonly string[] = [];
    const worker = await startFake("1", (request, response) => {
      names = Object.keys(request.headers);
      response.end();
    });
    fakes.push(worker);
    const gateway = await openFor([worker]);
    opened.push(gateway);
    const said = await new Promise<string>((resolve) => {
      const socket = connect(gateway.port, "127.0.0.1");
      socket.once("data", (bytes) => {
        resolve(bytes.toString());
        socket.destroy();
      });
      socket.write(`${head}\r\nHost: a\r\n\r\n`);
    });
    expect(said).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(worker.asked).toEqual(status === 200 ? ["/x"] : []);
    expect(names).not.toContain("secret");
  });

  test("a port that is taken is an error, and nothing is left behind", async () => {
    const worker = await startFake("1");
    fakes.push(worker);
    const port = Number(new URL(worker.url).port);
    await expect(openFor([worker], { port })).rejects.toThrow(/EADDRINUSE/);
  });
});

/** Sends a whole request whatever becomes of it, and reads until the answer has ended. */
function upload(port: number, body: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes.toString();
      if (text.endsWith("0\r\n\r\n")) socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(text));
    socket.write(`PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`);
    socket.write(body);
  });
}

async function untilState(gateway: TestGateway, state: string): Promise<void> {
  while ((await gateway.workers())[0]?.state !== state)
    await new Promise((resolve) => setImmediate(resolve));
}
