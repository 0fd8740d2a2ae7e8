import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createCacheTracer } from "../../src/tracer/index.ts";
import { doings, readWritten } from "./read-rows.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "perfopt tracer-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let files = 0;
function freshFile(): string {
  files += 1;
  return join(folder, `${files}.csv`);
}

describe("a tracer that nobody told anything", () => {
  test("is off, does nothing, and counts nothing", async () => {
    const tracer = createCacheTracer();
    tracer.hit("models:1", 10);
    tracer.miss("models:2");
    tracer.depends("models:1", ["models"]);
    tracer.invalidated(["models"]);
    expect(tracer.active()).toBe(false);
    expect(tracer.sampled("models:1")).toBe(false);
    expect(tracer.counts()).toEqual({ rows: 0, gets: 0, dropped: 0, errors: 0 });
    await tracer.close();
    expect(await readdir(folder)).toEqual([]);
  });

  test("a folder that cannot be written, or a share that is none, switches it off and is counted", async () => {
    for (const options of [
      { file: join(folder, "missing", "trace.csv") },
      { file: freshFile(), share: 2 },
    ]) {
      const tracer = createCacheTracer(options);
      tracer.hit("models:1", 10);
      expect(tracer.active()).toBe(false);
      expect(tracer.counts().errors).toBe(1);
      await tracer.close();
    }
  });
});

describe("rows in a file", () => {
  test("say what was done, and the file is its owner's alone", async () => {
    const file = freshFile();
    const tracer = createCacheTracer({ file, salt: "s" });
    tracer.miss("models:1");
    tracer.loaded("models:1", 120, 60_000, 12.3456);
    tracer.hit("models:1", 120);
    tracer.stored("models:2", 9_007_199_254, 0);
    tracer.expires("models:2", 1_500);
    tracer.wrote("models:1");
    tracer.deleted("models:1");
    tracer.hit("schlüssel:1", Number.NaN);
    await tracer.close();
    tracer.hit("models:1", 1);
    const found = await readWritten(file);
    expect(doings(found)).toEqual([
      "get miss",
      "load 120 60000",
      "get hit 120",
      "set 9007199254 0",
      "expire 1500",
      "write",
      "delete",
      "get hit",
    ]);
    expect(found.rows[1]?.cost).toBe("12.346");
    expect(new Set(found.rows.map((row) => row.key)).size).toBe(3);
    expect(found.rows.every((row) => /^[0-9a-f]{16}$/.test(row.key))).toBe(true);
    expect(found.rows.map((row) => row.keyBytes)).toEqual([
      "8",
      "8",
      "8",
      "8",
      "8",
      "8",
      "8",
      "12",
    ]);
    expect(found.rows.every((row) => row.process === String(process.pid))).toBe(true);
    expect(found.rows.every((row) => Math.abs(row.time - Date.now()) < 60_000)).toBe(true);
    expect(found.comments).toContain("# perfopt-cache-trace/1");
    expect(found.comments).toContain("# gets 3");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  test("numbers of all lengths are written as they are", async () => {
    const file = freshFile();
    const tracer = createCacheTracer({ file });
    const sizes = [0, 1, 9, 10, 99, 100, 999_999_999, 1e9, 1e9 + 7, 123_456_789_012, 2 ** 50];
    const costs = [0, 0.001, 0.9996, 1, 10.01, 999.9999, 123_456.789];
    for (const size of sizes) tracer.stored("a:1", size, 0);
    for (const cost of costs) tracer.loaded("a:1", 1, 0, cost);
    tracer.loaded("a:1", -1, Number.POSITIVE_INFINITY, -3);
    await tracer.close();
    const { rows } = await readWritten(file);
    expect(rows.slice(0, sizes.length).map((row) => Number(row.size))).toEqual(sizes);
    expect(rows.slice(sizes.length, -1).map((row) => Number(row.cost))).toEqual(
      costs.map((cost) => Number(cost.toFixed(3))),
    );
    expect(rows.at(-1)).toMatchObject({ size: "", ttl: "", cost: "" });
  });

  test("%p is the pid, and a second tracer appends", async () => {
    const file = join(folder, "of-%p.csv");
    for (const key of ["a:1", "a:2"]) {
      const tracer = createCacheTracer({ file, salt: "same" });
      tracer.miss(key);
      await tracer.close();
    }
    const found = await readWritten(join(folder, `of-${process.pid}.csv`));
    expect(found.rows.length).toBe(2);
  });

  test("neither keys nor what they name is written; prefixes are, once several keys have one", async () => {
    const file = freshFile();
    const tracer = createCacheTracer({ file });
    for (let id = 0; id < 200; id += 1) tracer.miss(`models/get:${id}:secretword${id}`);
    tracer.miss("session:alicesmith");
    tracer.stored("user:bobjones:profile", 5, 0);
    tracer.miss("wholekeyword");
    await tracer.close();
    const { text, rows } = await readWritten(file);
    for (const word of ["secret", "alice", "bob", "wholekey", "session", "profile"]) {
      expect(text).not.toContain(word);
    }
    expect(rows[0]?.prefix).toBe("");
    expect(rows[199]?.prefix).toBe("models/get");
    expect(new Set(rows.map((row) => row.prefix))).toEqual(new Set(["", "models/get"]));
  });

  test("at most 64 kinds of prefix; those of the user's function are believed at once, made safe for CSV", async () => {
    const file = freshFile();
    const tracer = createCacheTracer({
      file,
      prefixOf: (key) => `kind,${key.slice(0, key.indexOf(":"))}`,
    });
    for (let kind = 0; kind < 100; kind += 1) tracer.miss(`${kind}:1`);
    await tracer.close();
    const { rows } = await readWritten(file);
    const prefixes = new Set(rows.map((row) => row.prefix));
    expect(prefixes.has("kind_0")).toBe(true);
    expect(prefixes.size).toBe(65);
  });

  test("a sample has all rows of its keys, the same keys for the same salt, and all gets are counted", async () => {
    const samples: string[][] = [];
    for (const salt of ["one", "one", "two"]) {
      const file = freshFile();
      const tracer = createCacheTracer({ file, share: 0.1, salt });
      const chosen = [];
      for (let id = 0; id < 5_000; id += 1) {
        const key = `models:${id}`;
        if (tracer.sampled(key)) chosen.push(key);
        tracer.miss(key);
        tracer.loaded(key, 1, 0);
        tracer.hit(key, 1);
      }
      await tracer.close();
      const { rows, comments } = await readWritten(file);
      expect(rows.length).toBe(chosen.length * 3);
      expect(chosen.length).toBeGreaterThan(400);
      expect(chosen.length).toBeLessThan(600);
      expect(comments).toContain("# share 0.1");
      expect(comments).toContain("# gets 10000");
      samples.push([...new Set(rows.map((row) => row.key))]);
    }
    expect(samples[0]).toEqual(samples[1]);
    expect(samples[0]).not.toEqual(samples[2]);
  });

  test("without a salt, every tracer has one of its own", async () => {
    const found = [];
    for (let round = 0; round < 2; round += 1) {
      const file = freshFile();
      const tracer = createCacheTracer({ file });
      tracer.miss("models:1");
      await tracer.close();
      const { rows, comments } = await readWritten(file);
      found.push({ key: rows[0]?.key, salt: comments.find((each) => each.startsWith("# salt")) });
    }
    expect(found[0]?.key).not.toBe(found[1]?.key);
    expect(found[0]?.salt).not.toBe(found[1]?.salt);
  });

  test("ends after so many rows, and after so long", async () => {
    const file = freshFile();
    const few = createCacheTracer({ file, rowsMax: 3 });
    for (let id = 0; id < 10; id += 1) few.miss(`models:${id}`);
    expect(few.active()).toBe(false);
    await few.close();
    expect((await readWritten(file)).rows.length).toBe(3);
    const short = createCacheTracer({ file: freshFile(), durationMsMax: 1 });
    await vi.waitFor(() => expect(short.active()).toBe(false), { timeout: 10_000 });
    await short.close();
  });

  test("what the environment says counts where no option does", async () => {
    const file = freshFile();
    vi.stubEnv("PERFOPT_TRACE_FILE", file);
    vi.stubEnv("PERFOPT_TRACE_SHARE", "0.5");
    vi.stubEnv("PERFOPT_TRACE_SALT", "pepper");
    const tracer = createCacheTracer();
    vi.unstubAllEnvs();
    expect(tracer.active()).toBe(true);
    for (let id = 0; id < 100; id += 1) tracer.miss(`models:${id}`);
    await tracer.close();
    const { comments, rows } = await readWritten(file);
    expect(comments).toContain("# share 0.5");
    expect(rows.length).toBeLessThan(90);
  });

  test("a prefixOf that throws costs the row, not the service", async () => {
    const file = freshFile();
    const tracer = createCacheTracer({
      file,
      prefixOf: () => {
        throw new Error("of the user");
      },
    });
    tracer.miss("models:1");
    expect(tracer.counts().errors).toBe(1);
    await tracer.close();
    expect((await readWritten(file)).rows).toEqual([]);
  });

  test("rows beyond what the disk takes are dropped and told", async () => {
    const file = freshFile();
    const tracer = createCacheTracer({ file });
    // All in one turn of the event loop: nothing can be written meanwhile.
    for (let id = 0; id < 200_000; id += 1) tracer.miss(`models:${id}`);
    const { dropped, rows } = tracer.counts();
    expect(rows).toBe(200_000);
    expect(dropped).toBeGreaterThan(0);
    await delay(300);
    await tracer.close();
    const found = await readWritten(file);
    expect(found.rows.length).toBe(rows - tracer.counts().dropped);
    const told = found.comments
      .filter((each) => each.startsWith("# dropped "))
      .reduce((sum, each) => sum + Number(each.split(" ")[2]), 0);
    expect(told).toBe(tracer.counts().dropped);
  });
});

describe("invalidation by scope", () => {
  test("deletes the keys of the scopes that were read or stored since, once", async () => {
    const file = freshFile();
    const tracer = createCacheTracer({ file });
    tracer.loaded("models:1", 1, 0);
    tracer.depends("models:1", ["models", "model 1"]);
    tracer.loaded("models:2", 1, 0);
    tracer.depends("models:2", ["models", "model 2"]);
    tracer.invalidated(["model 1", "models"]);
    tracer.invalidated(["model 1"]);
    tracer.miss("models:1");
    tracer.invalidated(["model 1", "no such scope"]);
    tracer.deleted("models:1");
    tracer.invalidated(["model 1"]);
    await tracer.close();
    const { rows, text } = await readWritten(file);
    const first = rows[0]?.key;
    const second = rows[1]?.key;
    expect(rows.map(({ op, key }) => [op, key])).toEqual([
      ["load", first],
      ["load", second],
      ["delete", first],
      ["delete", second],
      ["get", first],
      ["delete", first],
      ["delete", first],
    ]);
    expect(text).not.toContain("model 1");
  });
});
