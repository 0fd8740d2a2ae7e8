// What the embedded gateway makes of a worker's bytes: whole answers, in whatever pieces, and those that are none.

import { once } from "node:events";
import { createServer } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import type { Server, Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { beginAnswer, endAnswer, readAnswer } from "../../src/registry/gateway/answer.ts";
import { array, assert, nat, property } from "../properties.ts";
import { openFor, startFake } from "./gateway-world.ts";
import type { FakeWorker, TestGateway } from "./gateway-world.ts";

const opened: TestGateway[] = [];
const closers: (() => unknown)[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((gateway) => gateway.close(1_000)));
  for (const close of closers.splice(0)) await close();
});

type Read = {
  readonly events: readonly string[];
  readonly body: string;
  readonly whole: boolean;
  readonly alone: boolean;
  readonly lasts: boolean;
};

/** The answer in pieces cut at the places given; `toHead`: to a HEAD. */
function readIn(text: string, cuts: readonly number[], toHead = false): Read {
  const bytes = Buffer.from(text, "latin1");
  const places = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length];
  const events: string[] = [];
  let body = "";
  let alone = true;
  let start = 0;
  const reading = beginAnswer(toHead);
  const sink = {
    head: (head: { status: number; headers: readonly string[] }) =>
      events.push(`${head.status} ${head.headers.join("|")}`),
    data: (piece: Buffer) => (body += piece.toString("latin1")),
    end: () => events.push("end"),
  };
  for (const place of places.toSorted((a, b) => a - b)) {
    if (place > start) alone = readAnswer(reading, bytes.subarray(start, place), sink) && alone;
    start = Math.max(start, place);
  }
  const whole = endAnswer(reading, sink);
  return { events, body, whole, alone, lasts: reading.lasts };
}

const CHUNKED =
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\xe9 c\r\n\r\n5;x=1\r\nhello\r\nB\r\n, beautiful\r\n0\r\nTrailer: gone\r\n\r\n";
const COUNTED = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nKeep-Alive: timeout=7\r\n\r\nbody";
const UNTIL_CLOSE = "HTTP/1.0 200 OK\r\n\r\nuntil the end";

describe("reading an answer", () => {
  test.each([
    ["chunked", CHUNKED, "hello, beautiful", "200 Transfer-Encoding|chunked|X-A|b\xe9 c", true],
    ["counted", COUNTED, "body", "404 Content-Length|4|Keep-Alive|timeout=7", true],
    ["until the connection ends", UNTIL_CLOSE, "until the end", "200 ", false],
  ])("%s, whatever pieces it comes in", (_, text, body, head, lasts) => {
    assert(
      property(array(nat({ max: 400 }), { maxLength: 12 }), (cuts) => {
        const read = readIn(text, cuts);
        expect(read).toEqual({ events: [head, "end"], body, whole: true, alone: true, lasts });
      }),
    );
  });

  test.each([
    ["to HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true],
    ["304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", false],
    ["204", "HTTP/1.1 204 No Content\r\n\r\n", false],
    ["of length 0", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", false],
  ])("an answer %s has no body", (_, text, toHead) => {
    const read = readIn(text, [], toHead);
    expect([read.events.at(-1), read.body, read.whole]).toEqual(["end", "", true]);
    // What follows belongs to nobody: such a connection is not used again.
    expect(readIn(`${text}HTTP/1.1 200 OK\r\n\r\n`, [], toHead).alone).toBe(false);
  });

  test("one that breaks off is not whole", () => {
    for (const text of [CHUNKED, COUNTED])
      for (let bytes = 1; bytes < text.length; bytes += 1)
        expect(readIn(text.slice(0, bytes), []).whole).toBe(false);
  });

  test.each([
    ["another protocol", "SSH-2.0-x\r\n\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"],
    ["a length that is none", "HTTP/1.1 200 OK\r\nContent-Length: 0x10\r\n\r\n"],
    ["an unknown encoding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"],
    ["a header that goes on", "HTTP/1.1 200 OK\r\nA: b\r\n c: d\r\n\r\n"],
    ["a change of protocol", "HTTP/1.1 101 Switching Protocols\r\n\r\n"],
    ["a chunk without a size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"],
    ["a chunk too long", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n"],
    ["no end of the head", `HTTP/1.1 200 OK\r\nA: ${"b".repeat(70_000)}`],
  ])("%s is no answer", (_, text) => {
    expect(() => readIn(text, [])).toThrow(/answer/);
  });
});

/** A worker that writes what it is told, byte for byte; `more` once it was asked. */
async function startRaw(answer: string, more?: (socket: Socket) => void): Promise<FakeWorker> {
  const fake = await startFake("1");
  const port = Number(new URL(fake.url).port);
  await fake.kill();
  const server: Server = createTcpServer((socket) => {
    closers.push(() => socket.destroy());
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => {
      const check = bytes.toString().startsWith("GET /readyz");
      socket.write(check ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" : answer, "latin1");
      if (!check) more?.(socket);
    });
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close());
  return fake;
}

async function gatewayFor(
  worker: FakeWorker,
  options: Parameters<typeof openFor>[1] = {},
): Promise<TestGateway> {
  const gateway = await openFor([worker], options);
  opened.push(gateway);
  return gateway;
}

/** All that the gateway says to these bytes, until it closes. */
function say(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let said = "";
    socket.on("data", (bytes) => (said += bytes.toString("latin1")));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(said));
    socket.write(text);
  });
}

const GET = "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

describe("the embedded gateway passes on", () => {
  test("an answer that ends with its connection", async () => {
    const worker = await startRaw(UNTIL_CLOSE, (socket) => socket.end());
    const { url } = await gatewayFor(worker);
    expect(await (await fetch(`${url}/x`)).text()).toBe("until the end");
  });

  test.each([
    ["what is no answer", "nonsense\r\n\r\n", /^HTTP\/1\.1 502 /],
    ["a header that none may send on", "HTTP/1.1 200 OK\r\nA: \x01\r\n\r\n", /^HTTP\/1\.1 502 /],
    [
      "a body that stops in the middle",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nx\r\n",
      /^HTTP\/1\.1 200 (?!.*\r\n0\r\n\r\n$)/s,
    ],
  ])("%s, so that it cannot be taken for a whole one", async (_, answer, said) => {
    const worker = await startRaw(answer);
    const { port } = await gatewayFor(worker);
    expect(await say(port, GET)).toMatch(said);
  });

  test("that a worker is silent: 504 before the answer, a broken one in it", async () => {
    const silent = await startFake("1", () => undefined);
    closers.push(silent.kill);
    const options = { answerTimeoutMs: 200 };
    const before = await gatewayFor(silent, options);
    expect(await say(before.port, GET)).toMatch(/^HTTP\/1\.1 504 [^]*DEADLINE_EXCEEDED/);
    const stuck = await startRaw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    const after = await gatewayFor(stuck, options);
    expect(await say(after.port, GET)).toMatch(/^HTTP\/1\.1 200 [^]*half$/);
  });

  test("all of a large answer to a client that is slower than workers may be silent", async () => {
    const bytes = 24 * 1024 * 1024;
    const worker = await startFake(
      "1",
      (_request, response) => void response.end(Buffer.alloc(bytes)),
    );
    closers.push(worker.kill);
    const { port } = await gatewayFor(worker, { answerTimeoutMs: 100 });
    const socket = connect(port, "127.0.0.1");
    closers.push(() => socket.destroy());
    let got = 0;
    socket.write(GET);
    await once(socket, "readable");
    // Three times what a worker may be silent for.
    const pausedMs = performance.now();
    while (performance.now() - pausedMs < 300)
      await new Promise((resolve) => setImmediate(resolve));
    socket.on("data", (piece: Buffer) => (got += piece.length));
    await once(socket, "close");
    expect(got).toBeGreaterThan(bytes);
  });

  test("requests on connections that the worker will not close meanwhile", async () => {
    let connections = 0;
    const server = createServer((_request, response) => void response.end("x"));
    server.keepAliveTimeout = 1_000;
    server.on("connection", () => (connections += 1));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    closers.push(
      () => server.closeAllConnections(),
      () => server.close(),
    );
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const worker = { id: "1", url: `http://127.0.0.1:${port}` };
    const fake = await startFake("1");
    closers.push(fake.kill);
    const gateway = await gatewayFor({ ...fake, ...worker });
    const checks = connections;
    for (let asked = 0; asked < 3; asked += 1) await (await fetch(`${gateway.url}/x`)).text();
    // A second is less than the margin that is kept.
    expect(connections - checks).toBe(3);
  });

  test("that a request has no body, and the host of one that named none or two", async () => {
    const seen: (string | undefined)[][] = [];
    const worker = await startFake("1", ({ headers, method }, response) => {
      seen.push([method, headers["content-length"], headers.host]);
      response.end();
    });
    closers.push(worker.kill);
    const { port } = await gatewayFor(worker);
    await say(port, "POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    await say(port, "GET /x HTTP/1.0\r\n\r\n");
    const two = await say(
      port,
      "GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
    );
    expect(two).toMatch(/^HTTP\/1\.1 400 /);
    expect(seen).toEqual([
      ["POST", "0", "a"],
      ["GET", undefined, "gateway"],
    ]);
  });
});
