import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RunEvent } from "../../src/core/event.ts";
import type { CacheTrace } from "../../src/core/cache-trace.ts";
import { removeResources } from "../../src/target/recover.ts";
import { exists } from "../../src/target/home.ts";
import { isSocketFolder, openSocketFolder } from "../../src/target/socket-folder.ts";
import type { Undo } from "../../src/target/stand.ts";
import { mergeLines } from "../../src/target/tracer-lines.ts";
import { listenToTracers } from "../../src/target/tracer-sockets.ts";
import { whileTraced, type ReadTrace } from "../../src/target/tracing.ts";
import { neverAborted } from "../integration/stores.ts";

const HEADER = "time,key,prefix,size,op,ttl,cost,outcome,process,keyBytes\n";

let folder: string;
let closing: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "perfopt sockets-"));
});
afterEach(async () => {
  await Promise.all(closing.map((close) => close()));
  closing = [];
  await rm(folder, { recursive: true, force: true });
});

interface FakeProcess {
  /** What clients sent first. */
  readonly asked: string[];
  readonly clients: Set<Socket>;
  readonly write: (text: string) => void;
  readonly kill: () => Promise<void>;
}

/** A process with a tracer: a header to whoever asks, rows when the test says so, and `last` when nobody listens any more. */
async function startProcess(pid: number | string, last = "# gets 1\n"): Promise<FakeProcess> {
  const asked: string[] = [];
  const clients = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    clients.add(socket);
    socket.once("data", (line) => {
      asked.push(String(line));
      socket.write(`# perfopt-cache-trace/1\n${HEADER}`);
    });
    socket.on("end", () => socket.end(last));
    socket.on("close", () => clients.delete(socket));
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(join(folder, `${pid}.sock`), resolve));
  const kill = async () => {
    for (const socket of clients) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  closing.push(kill);
  return {
    asked,
    clients,
    write: (text) => {
      for (const socket of clients) socket.write(text);
    },
    kill,
  };
}

/** What came, as text: by process, and the chunks in order. */
function receiver() {
  const byPid: Record<number, string> = {};
  return {
    byPid,
    onChunk: (pid: number, bytes: Uint8Array) => {
      byPid[pid] = (byPid[pid] ?? "") + new TextDecoder().decode(bytes);
    },
  };
}

const asking = { salt: "s1", share: 0.5, signal: neverAborted };

describe("listening to tracers", () => {
  test("asks every process once, hears each, and gets what they still have at the end", async () => {
    const [one, two] = [await startProcess(11), await startProcess("22-2", "2,b\n# gets 5\n")];
    const { byPid, onChunk } = receiver();
    const listener = await listenToTracers(folder, { ...asking, onChunk });
    await expect.poll(() => one.asked.length + two.asked.length).toBe(2);
    expect([...one.asked, ...two.asked]).toEqual(
      Array.from({ length: 2 }, () => '{"salt":"s1","share":0.5}\n'),
    );
    one.write("1,a\n");
    const heard = await listener.stop();
    expect(heard).toMatchObject({ processes: 2, full: false });
    expect(byPid[11]).toBe(`# perfopt-cache-trace/1\n${HEADER}1,a\n# gets 1\n`);
    expect(byPid[22]).toBe(`# perfopt-cache-trace/1\n${HEADER}2,b\n# gets 5\n`);
    expect(heard.bytes).toBe((byPid[11]?.length ?? 0) + (byPid[22]?.length ?? 0));
    await expect.poll(() => one.clients.size + two.clients.size).toBe(0);
  });

  test("a process that comes later is heard, and one that is replaced under its number too", async () => {
    const { byPid, onChunk } = receiver();
    const connections = new Set<number>();
    const listener = await listenToTracers(folder, {
      ...asking,
      onChunk: (pid, bytes, connection) => {
        connections.add(connection);
        onChunk(pid, bytes);
      },
    });
    const first = await startProcess(7);
    await expect.poll(() => byPid[7]).toContain(HEADER);
    await first.kill();
    byPid[7] = "";
    await startProcess(7);
    await expect.poll(() => byPid[7]).toContain(HEADER);
    await listener.stop();
    expect(connections.size).toBe(2);
  });

  test("without sockets it takes no time; what a killed process left is no process", async () => {
    const { onChunk } = receiver();
    const started = performance.now();
    const empty = await listenToTracers(join(folder, "none"), { ...asking, onChunk });
    expect(await empty.stop()).toEqual({ processes: 0, bytes: 0, full: false });
    // Connection refused: nobody listens on it.
    await writeFile(join(folder, "99.sock"), "");
    await writeFile(join(folder, "notes.txt"), "");
    const stale = await listenToTracers(folder, { ...asking, onChunk });
    expect(await stale.stop()).toEqual({ processes: 0, bytes: 0, full: false });
    expect(performance.now() - started).toBeLessThan(900);
  });

  test("a process that never ends its stream is left after its time", async () => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on("error", () => {});
      socket.resume();
      closing.push(async () => socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(join(folder, "5.sock"), resolve));
    closing.push(() => new Promise((resolve) => server.close(resolve)));
    const { onChunk } = receiver();
    const listener = await listenToTracers(folder, { ...asking, onChunk });
    expect(await listener.stop()).toMatchObject({ processes: 1, bytes: 0 });
  });

  test("more than fits ends it everywhere", async () => {
    const process = await startProcess(3);
    const { byPid, onChunk } = receiver();
    const listener = await listenToTracers(folder, { ...asking, onChunk, bytesMax: 1_000 });
    await expect.poll(() => byPid[3]).toContain(HEADER);
    process.write("1,aaaaaaa\n".repeat(200));
    await expect.poll(() => process.clients.size).toBe(0);
    expect(await listener.stop()).toMatchObject({ processes: 1, full: true });
    expect(byPid[3]?.length).toBeLessThanOrEqual(1_000);
  });
});

function merged(parts: readonly (readonly [number, string])[]) {
  const lines = mergeLines();
  for (const [connection, text] of parts) lines.add(connection, Buffer.from(text));
  return { text: Buffer.concat(lines.chunks()).toString(), rows: lines.rows() };
}

describe("several streams as one", () => {
  test("one header, every row, every comment, wherever chunks end", () => {
    const one = `# x\n${HEADER}1,a\n# gets 1\n3,c\n`;
    const two = `# x\n${HEADER}2,b\n# gets 2\n`;
    for (let at = 0; at <= one.length; at += 1) {
      const { text, rows } = merged([
        [1, one.slice(0, at)],
        [2, two],
        [1, one.slice(at)],
      ]);
      expect(rows).toBe(3);
      expect(text.split(HEADER)).toHaveLength(2);
      // Nothing but comments before it.
      expect(text.split(HEADER)[0]?.replaceAll("# x\n", "")).toBe("");
      expect(text.replace(HEADER, "").split("\n").toSorted().join(" ")).toBe(
        " # gets 1 # gets 2 # x # x 1,a 2,b 3,c",
      );
      expect(text.indexOf("1,a")).toBeLessThan(text.indexOf("3,c"));
    }
  });

  test("half a line of a killed process does not run into another one", () => {
    expect(
      merged([
        [1, `${HEADER}1,a\n2,bro`],
        [2, `${HEADER}3,c\n`],
      ]),
    ).toEqual({
      text: `${HEADER}1,a\n3,c\n`,
      rows: 2,
    });
  });

  test("other columns are left out; nothing is nothing", () => {
    expect(
      merged([
        [1, `${HEADER}1,a\n`],
        [2, "key,when\na,9\n"],
        [2, "b,10\n"],
      ]),
    ).toEqual({
      text: `${HEADER}1,a\n`,
      rows: 1,
    });
    expect(
      merged([
        [1, "# only\n"],
        [2, ""],
      ]).rows,
    ).toBe(0);
  });
});

const traceOf = (text: string): CacheTrace => ({
  source: text,
  rows: 0,
  timeMs: new Float64Array(),
  key: new Uint32Array(),
  keyCount: 0,
  operation: new Uint8Array(),
  valueBytes: new Uint32Array(),
  processes: 1,
  keyBytes: new Uint16Array(),
  prefixOf: new Uint16Array(),
  prefixes: [""],
  sampledShare: 1,
});

const readTrace: ReadTrace = async (chunks, name) => {
  let text = `${name}: `;
  for await (const chunk of chunks) text += new TextDecoder().decode(chunk);
  return traceOf(text);
};

const options = () => ({ folder, readTrace, name: "caches", signal: neverAborted });

describe("a stretch of time that is traced", () => {
  test("is read when it is over", async () => {
    const process = await startProcess(1);
    const { result, cacheTrace, heard } = await whileTraced(options(), async () => {
      await expect.poll(() => process.asked.length).toBe(1);
      process.write("1,a\n");
      return "done";
    });
    expect(result).toBe("done");
    expect(heard.processes).toBe(1);
    expect(cacheTrace?.source).toBe(`caches: # perfopt-cache-trace/1\n${HEADER}1,a\n# gets 1\n`);
  });

  test("is no trace without a tracer, or without a row", async () => {
    expect((await whileTraced(options(), async () => 1)).cacheTrace).toBeUndefined();
    const process = await startProcess(1);
    const { cacheTrace, heard } = await whileTraced(options(), () =>
      expect.poll(() => process.asked.length).toBe(1),
    );
    expect(heard.processes).toBe(1);
    expect(cacheTrace).toBeUndefined();
  });

  test("lets go of the processes when it fails", async () => {
    const process = await startProcess(1);
    await expect(
      whileTraced(options(), () => Promise.reject(new Error("no load"))),
    ).rejects.toThrow("no load");
    await expect.poll(() => process.clients.size).toBe(0);
  });
});

async function open(arm: string) {
  const events: RunEvent[] = [];
  const undo: Undo[] = [];
  const path = await openSocketFolder(
    { folder: arm, id: "run/a", note: async (event) => void events.push(event) },
    undo,
  );
  return { path, events, undo };
}

describe("the folder of the sockets", () => {
  test("is the arm's own", async () => {
    const { path, events, undo } = await open(folder);
    expect(path.startsWith(`${folder}/`)).toBe(true);
    expect(events).toEqual([]);
    // For this user alone.
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    for (const step of undo) await step();
    expect(await exists(path)).toBe(false);
  });

  test("is elsewhere when a socket's path would be too long, listed in the journal, and goes", async () => {
    const long = join(folder, "x".repeat(80));
    const { path, events, undo } = await open(long);
    expect(Buffer.byteLength(`${path}/4194304.sock`)).toBeLessThanOrEqual(103);
    expect(events.map(({ type }) => type)).toEqual(["resource-creating", "resource-created"]);
    expect(await exists(path)).toBe(true);
    for (const step of undo) await step();
    expect(await exists(path)).toBe(false);
    expect(events.at(-1)?.type).toBe("resource-removed");
  });

  test("after a crash, recovery removes it, and nothing else outside of perfopt's home", async () => {
    const { path, events } = await open(join(folder, "x".repeat(80)));
    await writeFile(join(path, "1.sock"), "");
    const [created] = events;
    if (created?.type !== "resource-creating") throw new Error("it is journalled");
    await removeResources([created.resource], { home: folder, adminUrl: undefined });
    expect(await exists(path)).toBe(false);
    expect(isSocketFolder(join(tmpdir(), "perfopt-sockets-0123456789ab"))).toBe(true);
    for (const other of [
      tmpdir(),
      join(tmpdir(), "perfopt-sockets-"),
      join(tmpdir(), "perfopt-sockets-0123456789ab", "below"),
      join(tmpdir(), "perfopt-sockets-0123456789ab", "..", "other"),
      "/perfopt-sockets-0123456789ab",
    ]) {
      expect(isSocketFolder(other)).toBe(false);
    }
  });
});
