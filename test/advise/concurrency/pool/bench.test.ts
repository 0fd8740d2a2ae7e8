import { expect, test } from "vitest";
import { run } from "../../../../bench/pool.ts";

test("the pool benchmark on a few seeds: the law found again, and sizes that are nearly the best", async () => {
  const { rows, acceptance } = await run({ tiny: true, dataDir: undefined });
  expect(rows).toHaveLength(10);
  expect(acceptance.filter(({ ok }) => !ok)).toEqual([]);
}, 60_000);
