/** The load bench on a small input: `npm run bench -- load` has the acceptance numbers, which need a quiet machine. */
import { expect, test } from "vitest";
import { run } from "../../bench/load.ts";

test(
  "the load bench measures everything it promises, and sees the stall",
  { timeout: 60_000 },
  async () => {
    const { head, rows, acceptance } = await run({ tiny: true, dataDir: undefined });
    expect(rows.map(([what]) => what)).toEqual([
      "truth",
      "perfopt, 1 worker",
      "the same by the server's clock",
      "perfopt, 2 workers",
      "the same by the server's clock",
      "autocannon, closed loop",
      "autocannon, rate mode",
      "one core, window 1",
    ]);
    const value = (row: number, column: string) => Number(rows[row]?.[head.indexOf(column)]);
    expect([value(0, "p50"), value(0, "p99"), value(0, "p99.9"), value(0, "max")]).toEqual([
      10, 100, 109, 110,
    ]);
    for (const row of [1, 3]) {
      // However slow the machine is, nothing can be faster than the service.
      expect(value(row, "p50")).toBeGreaterThanOrEqual(10);
      expect(value(row, "p99")).toBeGreaterThanOrEqual(90);
      expect(value(row, "max")).toBeGreaterThanOrEqual(value(row + 1, "max") * 0.999);
    }
    expect(acceptance).toHaveLength(6 + 2 + 2);
    expect(acceptance.every(({ value: measured }) => !measured.includes("NaN"))).toBe(true);
  },
);
