/** The gate's acceptance numbers on few runs: `npm run bench -- gate-simulation` is the same with 5,000 a row. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { run } from "../../bench/gate-simulation.ts";
import { mannWhitneyP } from "../gate-controls.ts";

test("the gate decides about as often rightly as promised", { timeout: 120_000 }, async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "perfopt-gate-"));
  try {
    const lines = [
      "suite,bench,unit,date_ms,commit,value,range",
      'a,one,ns/iter,1,c1,100,"+/- 2,802"',
      "a,one,ns/iter,2,c2,120,+/- 1",
      "a,one,ns/iter,3,c3,119,+/- 1",
      "a,two,iter/sec,1,c1,100,x",
      "a,two,iter/sec,2,c2,150,x",
      "a,two,iter/sec,3,c3,100,x",
    ];
    writeFileSync(join(dataDir, "made-up.csv"), lines.join("\n"));
    const { rows, head, acceptance } = await run({ tiny: true, dataDir });
    expect(rows.every((row) => row.length === head.length)).toBe(true);
    // Of 4 steps one is a slower time and one a lower rate; one is a higher rate; both later runs have one.
    expect(rows.at(-1)).toEqual(
      expect.arrayContaining(["50.0 % (25.0 % are -10 %); of runs 100.0 %"]),
    );
    expect(acceptance.length).toBeGreaterThan(10);
    const valueOf = (what: string) => {
      const found = acceptance.find((each) => each.what === what);
      return Number.parseFloat(found?.value ?? "");
    };
    // Few runs have wide errors; the figures themselves are the full bench's.
    for (const level of ["quiet", "typical CI", "noisy"]) {
      expect(valueOf(`unchanged code fails, ${level}`)).toBeLessThanOrEqual(1);
      expect(valueOf(`the same by the trial alone, ${level}`)).toBeLessThan(3);
    }
    expect(valueOf("+10 % is caught within 30 pairs, typical CI")).toBeGreaterThan(95);
    expect(valueOf("a regression of the margin passes, the worst row")).toBeLessThan(10);
    const controls = acceptance.filter(({ what }) => what.startsWith("negative control"));
    expect(controls).toHaveLength(3);
    expect(controls.filter(({ ok }) => !ok)).toEqual([]);
  } finally {
    rmSync(dataDir, { recursive: true });
  }
});

test("the control's Mann-Whitney test is the textbook's", () => {
  // U is 4 of 25, z is (4 - 12.5) / sqrt(25 * 11 / 12) = -1.776.
  expect(mannWhitneyP([1, 3, 5, 7, 9], [0, 2, 2.5, 4, 0.5])).toBeCloseTo(1 - 0.0379, 3);
  expect(mannWhitneyP([0, 2, 2.5, 4, 0.5], [1, 3, 5, 7, 9])).toBeCloseTo(0.0379, 3);
});
