import { expect, test } from "vitest";
import { drawnTimes } from "../../src/advise/indexes/drawn-times.ts";
import type { WorkloadStatement } from "../../src/advise/indexes/statement.ts";
import type { Verification } from "../../src/core/advice.ts";

const statement: WorkloadStatement = {
  id: "q1",
  sql: "SELECT 1",
  planSql: "SELECT 1",
  valuesFrom: "statistics",
  calls: 8,
  totalMs: 9_600,
  rows: 8,
  joined: [],
};

function timed(withoutMs: number): Verification {
  const measured = { factor: 0.2, low: 0.1, high: 0.3, withoutMs, withMs: withoutMs / 5 };
  return {
    design: "",
    repetitions: 9,
    statements: [{ id: "q1", estimated: 0.2, measured, verdict: "faster" }],
    removed: [],
    total: undefined,
    covered: 1,
    sizes: [],
  };
}

test("a statement that takes another time with drawn values than in the workload is told", () => {
  expect(drawnTimes([statement], timed(92))[0]).toMatch(/takes 92\.0 ms with them and 1\.20 s in/);
  expect(drawnTimes([statement], timed(600))).toEqual([]);
  expect(drawnTimes([{ ...statement, valuesFrom: "statement" }], timed(92))).toEqual([]);
  expect(drawnTimes([statement], undefined)).toEqual([]);
});
