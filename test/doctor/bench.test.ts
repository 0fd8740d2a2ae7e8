/** The doctor's bench on the healthy one of the ten: `npm run bench -- doctor` has all of them, and a quiet machine to name them on. */
import { expect, test } from "vitest";
import { run } from "../../bench/doctor.ts";

test(
  "the tiny bench examines one service, and what it names is right or refused",
  { timeout: 400_000 },
  async () => {
    const { head, rows, acceptance } = await run({ tiny: true, dataDir: undefined });
    expect(rows.map(([fault]) => fault)).toEqual(["healthy"]);
    const cell = (row: readonly string[], column: string) => row[head.indexOf(column)] ?? "";
    for (const row of rows) {
      // Beside other tests the machine is noisy, which is said instead of a diagnosis.
      expect([cell(row, "expected"), "host", "unknown"]).toContain(cell(row, "named first"));
      expect(cell(row, "evidence") === "").toBe(cell(row, "named first") === "none");
    }
    expect(acceptance).toHaveLength(2);
  },
);
