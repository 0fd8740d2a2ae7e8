import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createCacheTracer } from "../../src/tracer/index.ts";
import { doings, readWritten, written } from "./read-rows.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "perfopt-sock-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Client {
  readonly socket: Socket;
  readonly text: () => string;
}

async function connected(path: string, ask?: string): Promise<Client> {
  let text = "";
  const socket = connect(path);
  socket.on("data", (chunk) => {
    text += chunk.toString();
  });
  await once(socket, "connect");
  if (ask !== undefined) socket.write(ask);
  return { socket, text: () => text };
}

async function socketIn(sockets: string): Promise<string> {
  return vi.waitFor(
    async () => {
      const [name] = await readdir(sockets);
      if (name === undefined) throw new Error("there is no socket yet");
      return join(sockets, name);
    },
    { timeout: 20_000 },
  );
}

const ASK = `${JSON.stringify({ salt: "pepper", share: 1 })}\n`;

describe("the socket of a process", () => {
  test("is its owner's alone; rows flow while somebody is connected, and only then", async () => {
    const sockets = join(folder, "one");
    const tracer = createCacheTracer({ socketFolder: sockets });
    const path = await socketIn(sockets);
    await vi.waitFor(async () => expect((await stat(path)).mode & 0o777).toBe(0o600));
    expect((await stat(sockets)).mode & 0o777).toBe(0o700);
    expect(path).toBe(join(sockets, `${process.pid}.sock`));
    tracer.miss("models:before");
    expect(tracer.active()).toBe(false);

    for (let round = 0; round < 2; round += 1) {
      const client = await connected(path, ASK);
      await vi.waitFor(() => expect(tracer.active()).toBe(true));
      tracer.miss("models:1");
      tracer.loaded("models:1", 10, 1_000);
      await vi.waitFor(() => expect(written(client.text()).rows.length).toBe(2));
      expect(doings(written(client.text()))).toEqual(["get miss", "load 10 1000"]);
      expect(client.text().startsWith("# perfopt-cache-trace/1\n")).toBe(true);
      expect(written(client.text()).comments).toContain("# gets 1");
      client.socket.destroy();
      await vi.waitFor(() => expect(tracer.active()).toBe(false));
      tracer.miss("models:between");
    }
    await tracer.close();
    expect(await readdir(sockets)).toEqual([]);
  });

  test("who ends its side gets the rows that are still there", async () => {
    const sockets = join(folder, "ended");
    const tracer = createCacheTracer({ socketFolder: sockets });
    const client = await connected(await socketIn(sockets), ASK);
    await vi.waitFor(() => expect(client.text()).toContain("time,key"));
    for (let id = 0; id < 100; id += 1) tracer.miss(`models:${id}`);
    client.socket.end();
    await once(client.socket, "close");
    expect(written(client.text()).rows.length).toBe(100);
    expect(written(client.text()).comments).toContain("# gets 100");
    expect(tracer.counts()).toEqual({ rows: 100, gets: 100, dropped: 0, errors: 0 });
    await tracer.close();
  });

  test("a share and a salt are the client's; a second client is sent away", async () => {
    const sockets = join(folder, "two");
    const tracer = createCacheTracer({ socketFolder: sockets });
    const path = await socketIn(sockets);
    const first = await connected(path, '{"salt":"x","share":0.5}\n');
    await vi.waitFor(() => expect(tracer.active()).toBe(true));
    for (let id = 0; id < 200; id += 1) tracer.miss(`models:${id}`);
    const second = await connected(path, ASK);
    await once(second.socket, "close");
    expect(second.text()).toMatch(/^# busy/);
    await vi.waitFor(() => expect(written(first.text()).comments).toContain("# gets 200"));
    expect(written(first.text()).rows.length).toBeGreaterThan(60);
    expect(written(first.text()).rows.length).toBeLessThan(140);
    await tracer.close();
    first.socket.destroy();
  });

  test.each(["hello\n", "{}x\n", '{"share":0}\n', '{"salt":5}\n', "x".repeat(5_000)])(
    "who asks for nonsense (%j) is told what is expected",
    async (ask) => {
      const sockets = join(folder, "three");
      const tracer = createCacheTracer({ socketFolder: sockets });
      const client = await connected(await socketIn(sockets), ask);
      await once(client.socket, "close");
      expect(client.text()).toMatch(/^# expected one line like/);
      expect(tracer.active()).toBe(false);
      await tracer.close();
    },
  );

  test("a file of a process that is gone is replaced; two tracers have two sockets", async () => {
    const sockets = join(folder, "four");
    const stale = createCacheTracer({ socketFolder: sockets });
    await stale.close();
    await writeFile(join(sockets, `${process.pid}.sock`), "left behind");
    const tracers = [1, 2].map(() => createCacheTracer({ socketFolder: sockets }));
    await vi.waitFor(async () =>
      expect((await readdir(sockets)).toSorted()).toEqual([
        `${process.pid}-2.sock`,
        `${process.pid}.sock`,
      ]),
    );
    const client = await connected(join(sockets, `${process.pid}.sock`), ASK);
    await vi.waitFor(() => expect(tracers[0]?.active()).toBe(true));
    client.socket.destroy();
    for (const tracer of tracers) await tracer.close();
    expect(tracers.map((tracer) => tracer.counts().errors)).toEqual([0, 0]);
  });

  test("a reader that does not read costs rows, not memory, and is told how many", async () => {
    const sockets = join(folder, "five");
    const tracer = createCacheTracer({ socketFolder: sockets });
    const client = await connected(await socketIn(sockets), ASK);
    await vi.waitFor(() => expect(tracer.active()).toBe(true));
    client.socket.pause();
    for (let id = 0; tracer.counts().dropped === 0 && id < 2_000_000; id += 1) {
      tracer.miss(`models:${id}`);
      if (id % 20_000 === 0) await delay(1);
    }
    expect(tracer.counts().dropped).toBeGreaterThan(0);
    client.socket.resume();
    await vi.waitFor(() => expect(client.text()).toContain("# dropped "), { timeout: 20_000 });
    const { dropped, rows } = tracer.counts();
    await vi.waitFor(() => expect(written(client.text()).rows.length).toBe(rows - dropped), {
      timeout: 20_000,
    });
    client.socket.destroy();
    await tracer.close();
  });

  test("a folder that cannot be made is an error that the service does not see", async () => {
    const file = join(folder, "a file");
    await writeFile(file, "");
    const tracer = createCacheTracer({ socketFolder: join(file, "sockets") });
    expect(tracer.counts().errors).toBe(1);
    tracer.miss("models:1");
    await tracer.close();
  });
});

describe("a process", () => {
  const script = resolve(import.meta.dirname, "fixture-traced-service.mjs");
  const args = (...more: readonly string[]) => ["--import", "tsx", script, ...more];

  test("ends by itself while its socket is open, and leaves no socket behind", async () => {
    const sockets = join(folder, "ends");
    const { stdout } = await promisify(execFile)(process.execPath, args(), {
      env: { ...process.env, PERFOPT_TRACE_SOCKETS: sockets },
      timeout: 30_000,
    });
    expect(stdout.trim()).toMatch(/^\d+$/);
    expect(await readdir(sockets)).toEqual([]);
  });

  test("ends while somebody reads it", async () => {
    const sockets = join(folder, "read");
    const service = spawn(process.execPath, args("stay"), {
      env: { ...process.env, PERFOPT_TRACE_SOCKETS: sockets },
      stdio: ["pipe", "ignore", "inherit"],
    });
    const ended = once(service, "exit");
    const client = await connected(await socketIn(sockets), ASK);
    await vi.waitFor(() => expect(client.text()).toContain("time,key"), { timeout: 10_000 });
    service.stdin.write("x");
    await vi.waitFor(() => expect(doings(written(client.text()))).toEqual(["get hit 10"]), {
      timeout: 10_000,
    });
    service.stdin.end();
    expect(await ended).toEqual([0, null]);
    client.socket.destroy();
  });

  test("that ends at once has its rows in the file", async () => {
    const file = join(folder, "%p.csv");
    const { stdout } = await promisify(execFile)(process.execPath, args("exit"), {
      env: { ...process.env, PERFOPT_TRACE_FILE: file },
      timeout: 30_000,
    });
    const found = await readWritten(file.replace("%p", stdout.trim()));
    expect(found.rows.length).toBe(10);
    expect(found.comments).toContain("# gets 10");
  });
});
