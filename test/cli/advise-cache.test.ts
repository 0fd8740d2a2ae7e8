/** `perfopt advise cache` as a user runs it: from files and from a Redis that is watched; what it writes, and what it refuses. */
import { chmod, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CacheAdvice } from "../../src/core/cache-advice.ts";
import { withScratchRedis } from "../../src/target/scratch-redis.ts";
import { inProcess } from "./in-process.ts";
import { makePlace, type Ended, type Place } from "./perfopt.ts";

let place: Place;

/** 400 keys, the first ones far more often, one get every 20 ms; each key is asked for again and again. */
const rows = Array.from({ length: 8_000 }, (_, index) => {
  const key = Math.floor(400 * ((index * 0.618_033_988_7) % 1) ** 3);
  return `${1_700_000_000_000 + index * 20},item:${key},${200 + (key % 7) * 50},get`;
});
const CSV = ["time,key,size,op", ...rows].join("\n");

beforeAll(async () => {
  place = makePlace();
  // What perfopt's private servers work in has to let other users through.
  await chmod(place.folder, 0o755);
  await writeFile(join(place.folder, "gets.csv"), CSV);
  await writeFile(join(place.folder, "gets.csv.gz"), gzipSync(CSV));
});
afterAll(() => place.remove());

function advise(...args: readonly string[]): Promise<Ended> {
  return inProcess(place.folder, "advise", "cache", "--memory-step", "16kb", ...args);
}

async function adviceOf(...args: readonly string[]): Promise<CacheAdvice> {
  const { code, out, err } = await advise("--json", ...args);
  expect(err).not.toContain("error:");
  expect(code).toBe(0);
  const advice: CacheAdvice = JSON.parse(out);
  return advice;
}

describe("a file", () => {
  test("is advised on, packed or not, as JSON on stdout and progress beside it", async () => {
    const advice = await adviceOf("--trace", "gets.csv", "--goal", "80%");
    expect(advice).toMatchObject({ format: "perfopt-cache-advice/1", verdict: "reachable" });
    expect(advice.trace).toMatchObject({ gets: 8_000, keys: 400 });
    expect(advice.recommended?.low).toBeGreaterThanOrEqual(0.8);
    const packed = await adviceOf("--trace", "gets.csv.gz", "--goal", "80%");
    expect({ ...packed, trace: 0 }).toEqual({ ...advice, trace: 0 });
  });

  test("whose goal no memory reaches says so first", async () => {
    const { code, out } = await advise("--trace", "gets.csv", "--goal", "99.9%");
    expect(code).toBe(0);
    expect(out.split("\n")[0]).toMatch(/cannot be reached with any memory: at most 9\d\.\d+ %/);
  });

  test("is kept without names of keys, and gives the same advice again", async () => {
    const first = await adviceOf(
      "--trace",
      "gets.csv",
      "--goal",
      "80%",
      "--save-trace",
      "k.csv.gz",
    );
    const again = await adviceOf("--trace", "k.csv.gz", "--goal", "80%");
    expect(again.recommended).toEqual(first.recommended);
    await advise("--trace", "gets.csv", "--save-trace", "k.csv");
    expect(await readFile(join(place.folder, "k.csv"), "utf8")).not.toContain("item:");
    expect((await stat(join(place.folder, "k.csv"))).mode & 0o077).toBe(0);
  });

  test("leaves advice, Markdown and charts in a folder", async () => {
    await advise("--trace", "gets.csv", "--goal", "80%", "--output", "advice");
    const files = await readdir(join(place.folder, "advice"));
    expect(files).toEqual(
      expect.arrayContaining(["advice.json", "advice.md", "hit-rate-by-memory.svg"]),
    );
  });

  test("fails a build whose cache does not reach the goal, and passes one whose does", async () => {
    const asked = ["--trace", "gets.csv", "--goal", "80%", "--policy", "allkeys-lru"];
    const small = await advise(...asked, "--maxmemory", "1mb", "--fail-below-goal");
    expect(small.code).toBe(1);
    expect(small.err).toMatch(/below the goal:/);
    expect((await advise(...asked, "--maxmemory", "64mb", "--fail-below-goal")).code).toBe(0);
  });
});

describe("refuses, with exit code 2 and what to do", () => {
  test.each([
    [
      "a file that is not there",
      ["--trace", "none.csv"],
      /none\.csv could not be read.*check that/s,
    ],
    ["two sources", ["--trace", "gets.csv", "--url", "redis://h"], /name two sources/],
    ["a goal that is no rate", ["--trace", "gets.csv", "--goal", "many"], /expected a hit rate/],
    ["no size", ["--trace", "gets.csv", "--memory-max", "0"], /expected a size/],
    ["a URL of something else", ["--url", "http://u:secret@h"], /http:\/\/\*\*\*@h is no URL/],
    ["a judgement without a goal", ["--trace", "gets.csv", "--fail-below-goal"], /needs a goal/],
    [
      "a judgement of what is not known",
      ["--trace", "gets.csv", "--goal", "80%", "--fail-below-goal"],
      /a file does not say.*--maxmemory/s,
    ],
  ])("%s", async (_, args, words) => {
    const { code, err, out } = await advise(...args);
    expect(code).toBe(2);
    expect(err).toMatch(words);
    expect(err).not.toContain("secret");
    expect(out).toBe("");
  });

  test("a trace of nothing but stores, with exit code 3", async () => {
    await writeFile(join(place.folder, "sets.csv"), "time,key,size,op\n1,a,5,set\n2,b,5,set\n");
    const { code, err } = await advise("--trace", "sets.csv");
    expect(code).toBe(3);
    expect(err).toMatch(/no read of a key/);
  });
});

describe("a Redis", () => {
  const signal = new AbortController().signal;

  test("is watched while it is used: what was there before is no miss, and nothing is changed", async () => {
    await withScratchRedis(
      { home: place.home, environment: process.env, signal },
      async (redis) => {
        const client = new Redis(redis.url);
        const keys = Array.from({ length: 300 }, (_, index) => `warm:${index}`);
        await client.mset(Object.fromEntries(keys.map((key) => [key, "x".repeat(100)])));
        let asked = 0;
        const using = setInterval(() => void client.get(keys[(asked += 1) % 300] ?? ""), 2);
        try {
          const advice = await adviceOf("--url", redis.url, "--capture", "4s");
          expect(advice.trace.gets).toBeGreaterThan(300);
          expect(advice.ceiling.hitRate).toBe(1);
          expect(advice.present).toMatchObject({ maxmemoryBytes: 0, policy: "noeviction" });
          expect(advice.recommended?.policy).not.toBe("noeviction");
          expect(JSON.stringify(advice)).not.toContain("warm:1");
          expect(await client.dbsize()).toBe(300);
        } finally {
          clearInterval(using);
          client.disconnect();
        }
      },
    );
  });

  test("that nobody uses, or that is not there, is an error that says so", async () => {
    await withScratchRedis(
      { home: place.home, environment: process.env, signal },
      async (redis) => {
        const { code, err } = await advise("--url", redis.url, "--capture", "1s");
        expect(code).toBe(3);
        expect(err).toMatch(/nobody asked Redis at redis:\/\/\*\*\*@/);
      },
    );
    expect((await advise("--url", "redis://127.0.0.1:1", "--capture", "1s")).code).toBe(3);
  });
});
