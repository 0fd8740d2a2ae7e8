/** The scaffold for a new tuner, in a copy: what it writes compiles, passes its own test, and keeps the contract. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { newTuner } from "../../scripts/new-tuner.ts";

const project = resolve(import.meta.dirname, "../..");
const COMMAND_TIMEOUT_MS = 120_000;
let copy: string;

beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), "perfopt-new-tuner-"));
  const parts = [
    "src/core",
    "src/advise",
    "src/decide",
    "src/limit",
    "src/optimize",
    "src/optimize.ts",
    "src/plan.ts",
    "src/target",
    "src/tuners",
    "test/tuners",
    "test/contract",
    "test/properties.ts",
    "test/samples.ts",
    "test/simulator.ts",
    "test/simulated-overload.ts",
    "test/simulated-tasks.ts",
    "test/aggregates.ts",
    "test/noise.ts",
    "test/advice.ts",
    "package.json",
    "tsconfig.json",
  ];
  for (const part of parts) cpSync(join(project, part), join(copy, part), { recursive: true });
  symlinkSync(join(project, "node_modules"), join(copy, "node_modules"));
});

afterEach(() => rmSync(copy, { recursive: true, force: true }));

const run = (program: string, ...args: string[]) =>
  execFileSync(join(project, "node_modules/.bin", program), args, {
    cwd: copy,
    encoding: "utf8",
    timeout: COMMAND_TIMEOUT_MS,
  });

test(
  "a new tuner compiles, passes its test and keeps the contract",
  () => {
    const written = newTuner(copy, "queue-limit");
    expect(written).toEqual([
      "src/tuners/queue-limit.ts",
      "test/tuners/queue-limit.test.ts",
      "src/tuners/index.ts",
    ]);
    const list = readFileSync(join(copy, "src/tuners/index.ts"), "utf8");
    expect(list).toContain('import { queueLimit } from "./queue-limit.ts";');
    expect(list).toMatch(/, queueLimit\]|,\n {2}queueLimit,\n\]/);
    rmSync(join(copy, "test/tuners/new-tuner.test.ts"));
    expect(run("tsc", "--noEmit", "-p", ".")).toBe("");
    // Fails by its exit code.
    run("vitest", "run", "test/tuners/queue-limit.test.ts");
    // The other tuners keep it in the project itself.
    const output = run("vitest", "run", "test/tuners/contract.test.ts", "-t", "of queue-limit");
    expect(output).toMatch(/[1-9]\d* passed/);
  },
  2 * COMMAND_TIMEOUT_MS,
);

test.each([
  ["a name that is there", "micro-cache", /exists already/],
  ["a name with capitals", "QueueLimit", /lower-case words with dashes/],
  ["a path", "../evil", /lower-case words with dashes/],
  ["no name", "", /lower-case words with dashes/],
  ["the list itself", "index", /cannot name a tuner/],
])("%s is refused, and nothing is written", (_, name, message) => {
  const before = readFileSync(join(copy, "src/tuners/index.ts"), "utf8");
  expect(() => newTuner(copy, name)).toThrow(message);
  expect(readFileSync(join(copy, "src/tuners/index.ts"), "utf8")).toBe(before);
});
