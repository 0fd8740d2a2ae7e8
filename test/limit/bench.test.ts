/** The acceptance numbers of the search, on few seeds: `npm run bench -- limit` is the same with 500. */
import { expect, test } from "vitest";
import { run } from "../../bench/limit.ts";

test("limits are found as surely as promised", { timeout: 120_000 }, async () => {
  const { acceptance } = await run({ tiny: true, dataDir: undefined });
  expect(acceptance.length).toBeGreaterThan(5);
  expect(acceptance.filter(({ ok }) => !ok)).toEqual([]);
});
