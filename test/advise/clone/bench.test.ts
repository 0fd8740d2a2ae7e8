import { describe, expect, it } from "vitest";
import { run } from "../../../bench/planner-clone.ts";

describe("bench/planner-clone", () => {
  it("finds the same plans on a small registry as with real indexes", async () => {
    const { rows, acceptance } = await run({ tiny: true, long: false, dataDir: "/nowhere" });
    expect(rows.length).toBeGreaterThanOrEqual(40);
    const value = (what: string) =>
      acceptance.find((each) => each.what === `clone 18: ${what}`)?.value;
    expect(value("same plan")).toBe(`100.0 % of ${rows.length}`);
    expect(value("error of cost without new indexes, worst")).toBe("0.00 %");
    expect(Number.parseFloat(value("error of size, median") ?? "")).toBeLessThan(3);
    expect(acceptance.every(({ ok }) => ok)).toBe(true);
  }, 120_000);
});
