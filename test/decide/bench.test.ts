/** The acceptance numbers of trials, on few seeds: `npm run bench -- decide` is the same with 2,000. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { run } from "../../bench/decide.ts";

test("trials decide as often rightly as promised", { timeout: 120_000 }, async () => {
  const { acceptance } = await run({ tiny: true, dataDir: undefined });
  expect(acceptance.length).toBeGreaterThan(5);
  expect(acceptance.filter(({ ok }) => !ok)).toEqual([]);
});

test("an unknown benchmark is bad usage, and the names are listed", { timeout: 60_000 }, () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    ["--import", "tsx", "bench/run.ts", "nope"],
    {
      encoding: "utf8",
      timeout: 50_000,
    },
  );
  expect(stderr).toContain("there is no benchmark nope; choose one of: ");
  expect(stderr).toMatch(/\bdecide\b/);
  expect(status).toBe(2);
});
