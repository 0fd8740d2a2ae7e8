import { expect, test } from "vitest";
import { run } from "../../../bench/cache.ts";

test("the cache benchmark on a small input: curves as a plain LRU's, Redis as Redis, a cheap tracer", async () => {
  const { rows, acceptance } = await run({ tiny: true, dataDir: undefined });
  expect(rows.length).toBeGreaterThan(5);
  expect(acceptance.length).toBeGreaterThan(5);
  expect(acceptance.filter(({ ok }) => !ok)).toEqual([]);
}, 90_000);
