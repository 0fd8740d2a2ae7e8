import { expect, test } from "vitest";
import { run } from "../../../bench/index-selection.ts";

test("the benchmark of the selection keeps its promise on small worlds, and needs no data for that", async () => {
  const { rows, acceptance } = await run({ tiny: true, dataDir: "/nowhere" });
  expect(rows).toEqual([]);
  expect(acceptance.map(({ ok }) => ok)).toEqual([true]);
});
