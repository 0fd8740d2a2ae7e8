import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { givenNodeOptions, nodeOptions, nodeOptionValues } from "../../src/target/node-options.ts";
import { fixtureTarget } from "../integration/stores.ts";
import { semiSpace } from "./knobs.ts";

const MB = 1024 ** 2;
const heap = {
  ...semiSpace,
  id: "heap",
  set: { kind: "node-option", flag: "--max-old-space-size", unit: "mb" },
} as const;
const knobs = [semiSpace, heap];

test.each([
  [
    "a flag is added to what is there",
    "--require ./a.cjs",
    { "semi-space": 64 * MB },
    "--require ./a.cjs --max-semi-space-size=64",
  ],
  [
    "a flag that is there is replaced",
    "--max-semi-space-size=8 --no-warnings",
    { "semi-space": 64 * MB },
    "--no-warnings --max-semi-space-size=64",
  ],
  [
    "underscores are the same flag, twice too",
    "--max_semi_space_size=8 --max-semi-space-size=9",
    { "semi-space": 16 * MB },
    "--max-semi-space-size=16",
  ],
  ["0 takes a flag away", "--max-old-space-size=100", {}, undefined],
  [
    "the values are whole megabytes, and never 0 by rounding",
    undefined,
    { "semi-space": 1, heap: 1.6 * MB },
    "--max-semi-space-size=1 --max-old-space-size=2",
  ],
  [
    "quotes keep blanks and what looks like a flag",
    '--title="a \\" --max-old-space-size=5" --inspect',
    { heap: 4 * MB },
    '--title="a \\" --max-old-space-size=5" --inspect --max-old-space-size=4',
  ],
  [
    "a flag that begins alike is another one",
    "--max-old-space-size-percentage=50",
    { heap: 4 * MB },
    "--max-old-space-size-percentage=50 --max-old-space-size=4",
  ],
])("%s", (_, base, values, expected) => {
  expect(nodeOptions(base, knobs, values)).toBe(expected);
});

test("without such knobs NODE_OPTIONS is left as it is", () => {
  expect(nodeOptions("  --inspect  ", [], {})).toBe("  --inspect  ");
  expect(nodeOptions(undefined, [], {})).toBeUndefined();
});

test("flags of yes and no", () => {
  const trace = {
    ...semiSpace,
    domain: { kind: "bool" },
    set: { kind: "node-option", flag: "--trace-gc" },
  } as const;
  expect(nodeOptions("--trace-gc", [trace], { "semi-space": false })).toBeUndefined();
  expect(nodeOptions(undefined, [trace], { "semi-space": true })).toBe("--trace-gc");
  expect(nodeOptionValues("--trace-gc", [trace])).toEqual({ "semi-space": true });
});

test("present values are read from the target file's NODE_OPTIONS, which hides the inherited one", () => {
  const target = fixtureTarget();
  const inherited = { NODE_OPTIONS: "--max-old-space-size=300" };
  expect(nodeOptionValues(givenNodeOptions(target, inherited), knobs)).toEqual({ heap: 300 * MB });
  const env = { ...target.service.env, NODE_OPTIONS: "--max_semi_space_size=4" };
  const own = fixtureTarget({ service: { ...target.service, env } });
  expect(nodeOptionValues(givenNodeOptions(own, inherited), knobs)).toEqual({
    "semi-space": 4 * MB,
  });
});

test("Node takes both flags from it", () => {
  const options = nodeOptions("--max-old-space-size=900", knobs, {
    "semi-space": 8 * MB,
    heap: 64 * MB,
  });
  const script = "console.log(require('v8').getHeapStatistics().heap_size_limit / 1024 ** 2)";
  const { stdout } = spawnSync(process.execPath, ["-e", script], {
    env: { ...process.env, NODE_OPTIONS: options },
    encoding: "utf8",
  });
  // The old generation, and three times the young one's half.
  expect(Number(stdout)).toBe(64 + 3 * 8);
});
