/** Result files: what is written can be read, what is wrong is named with its place, and the schemas are those of the core types. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { PerfoptError } from "../../src/core/errors.ts";
import type { GateResult, SelfTestResult } from "../../src/core/gate.ts";
import type { HistoryRecord } from "../../src/core/history.ts";
import type { BenchResult } from "../../src/core/result.ts";
import { benchSchema, historySchema } from "../../src/results/bench-schema.ts";
import {
  BENCH,
  GATE,
  parseResult,
  readResult,
  resultSchemaFiles,
  SELF_TEST,
  writeResult,
} from "../../src/results/document.ts";
import { gateSchema, selfTestSchema } from "../../src/results/gate-schema.ts";
import { benchResult, limitResult } from "../report/bench-results.ts";
import { cpuFailResult, passResult, selfTestRefused } from "../report/gate-results.ts";

let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "perfopt results "));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** With every property readonly and written out, so that two types are the same when their keys and values are. */
type Plain<T> = T extends readonly (infer Item)[]
  ? readonly Plain<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Plain<T[Key]> }
    : T;

test("the schemas describe the core's types, no key more and none less", () => {
  expectTypeOf<Plain<z.output<ReturnType<typeof benchSchema>>>>().toEqualTypeOf<
    Plain<BenchResult>
  >();
  expectTypeOf<Plain<z.output<ReturnType<typeof historySchema>>>>().toEqualTypeOf<
    Plain<HistoryRecord>
  >();
  expectTypeOf<Plain<z.output<ReturnType<typeof gateSchema>>>>().toEqualTypeOf<Plain<GateResult>>();
  expectTypeOf<Plain<z.output<ReturnType<typeof selfTestSchema>>>>().toEqualTypeOf<
    Plain<SelfTestResult>
  >();
});

test("what is written is read again, whole", async () => {
  const path = join(folder, "deep", "er", "result.json");
  for (const result of [benchResult({ scale: "small" }), limitResult()]) {
    await writeResult(path, result);
    expect(await readResult(path, BENCH)).toEqual(result);
  }
  await writeResult(path, cpuFailResult());
  expect(await readResult(path, GATE)).toEqual(cpuFailResult());
  const selfTest = selfTestRefused();
  const metrics = selfTest.metrics.filter(({ noise }) => Number.isFinite(noise));
  expect(metrics.length).toBeGreaterThan(0);
  await writeResult(path, { ...selfTest, metrics });
  expect(await readResult(path, SELF_TEST)).toEqual({ ...selfTest, metrics });
  expect(await readdir(join(folder, "deep", "er"))).toEqual(["result.json"]);
});

test("what could not be had is read as no number, not as zero", async () => {
  const path = join(folder, "self-test.json");
  const selfTest = selfTestRefused();
  const metrics = selfTest.metrics.map((each) => ({ ...each, detectable: Infinity }));
  await writeResult(path, { ...selfTest, metrics });
  const read = await readResult(path, SELF_TEST);
  expect(read.metrics.map(({ detectable }) => detectable)).toEqual(metrics.map(() => Number.NaN));
});

test("a result that cannot be written leaves nothing half done", async () => {
  const path = join(folder, "taken");
  await writeFile(join(folder, "taken-file"), "");
  await expect(writeResult(join(folder, "taken-file", "x.json"), benchResult())).rejects.toThrow();
  await writeResult(join(path, "inner.json"), benchResult());
  // The name is a folder's, so that the last step fails.
  await expect(writeResult(path, benchResult())).rejects.toThrow(PerfoptError);
  expect((await readdir(folder)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
});

test("secrets of URLs are not written", async () => {
  const path = join(folder, "secret.json");
  await writeResult(path, benchResult({ side: { label: "http://me:hunter2@host/" } }));
  expect(await readFile(path, "utf8")).not.toContain("hunter2");
});

function text(change: object): string {
  return JSON.stringify({ ...benchResult(), ...change });
}

function refusal(given: string): PerfoptError {
  try {
    parseResult(given, "old.json", BENCH);
  } catch (error) {
    if (error instanceof PerfoptError) return error;
  }
  throw new Error("it was not refused");
}

describe("what is wrong is said with its place", () => {
  test.each([
    ["no JSON", "{", /^old\.json is not JSON: /],
    ["no object", "[1]", /^old\.json has no "schema"/],
    ["somebody else's", '{"schema":"bmf"}', /"bmf", which perfopt does not know/],
    [
      "a later version",
      text({ schema: "perfopt-result/v2" }),
      /"perfopt-result\/v2".*reads v1 only/,
    ],
    ["a gate's", JSON.stringify(passResult()), /written by perfopt gate, not by perfopt bench/],
    [
      "a key too few",
      text({ target: undefined }),
      /^old\.json: target: expected string, received undefined$/,
    ],
    [
      "a wrong value deep inside",
      text({ windows: [{ ...benchResult().windows[0], metrics: { "api.latencyP50Ms": "8" } }] }),
      /^old\.json: windows\[0\]\.metrics\.api\.latencyP50Ms: expected number, received string$/,
    ],
    // JSON has no infinity: what was not finite became null.
    [
      "a number that was not finite",
      text({ metrics: { "api.latencyP50Ms": { value: null, windows: 3 } } }),
      /metrics\.api\.latencyP50Ms\.value: expected number, received null/,
    ],
    ["a time that is none", text({ startedAt: "yesterday" }), /^old\.json: startedAt: /],
  ])("%s", (_, given, message) => {
    const error = refusal(given);
    expect(error.message).toMatch(message);
    expect(error.code).toBe("bad-input");
    expect(error.hint).not.toBe("");
  });

  test("of many problems the first are shown", () => {
    const windows = Array.from({ length: 40 }, () => ({}));
    const { message } = refusal(text({ windows }));
    expect(message.split("\n")).toHaveLength(11);
    expect(message).toMatch(/and \d+ more$/);
  });

  test("a missing file says which", async () => {
    await expect(readResult("/nowhere/result.json", BENCH)).rejects.toThrow(
      /\/nowhere\/result\.json cannot be read/,
    );
  });
});

test("keys and metrics of later versions are left out, not refused", () => {
  const given = {
    ...benchResult(),
    newKey: 1,
    metrics: { ...benchResult().metrics, "gpu.heat": { value: 1, windows: 3 } },
  };
  expect(parseResult(JSON.stringify(given), "new.json", BENCH)).toEqual(benchResult());
});

test("the published JSON Schemas are those of the code", async () => {
  const files = resultSchemaFiles();
  const published = join(import.meta.dirname, "../../schema");
  expect((await readdir(published)).toSorted()).toEqual(Object.keys(files).toSorted());
  for (const [name, contents] of Object.entries(files)) {
    expect(await readFile(join(published, name), "utf8")).toBe(contents);
    const schema: unknown = JSON.parse(contents);
    expect(schema).toMatchObject({ type: "object", properties: { schema: { type: "string" } } });
    // Later versions may add keys: a schema that forbids them would refuse their files.
    expect(contents).not.toContain('"additionalProperties": false');
  }
});
