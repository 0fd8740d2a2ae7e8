/** The rows that a bench has for bulk work: of valid windows alone, with what each kind of task is measured in. */
import { expect, test } from "vitest";
import { renderText } from "../../src/report/outputs/outputs.ts";
import { benchResult } from "./bench-results.ts";

const plain = (text: string): string => text;
const paint = { good: plain, bad: plain, warn: plain, dim: plain, strong: plain };

function textOf(tasks: boolean): string {
  const [first, second, invalid] = benchResult().windows;
  if (!first || !second || !invalid) throw new Error("the result has three windows");
  const task = { records: 0, responseBytes: 0, failed: 0 };
  const done = {
    tasks: [
      {
        ...task,
        name: "import",
        kind: "ingest",
        durationsMs: [2_000],
        records: 20_000,
      },
      { ...task, name: "sums", kind: "query", durationsMs: [200, 400] },
      { ...task, name: "report", kind: "report", durationsMs: [4_000], responseBytes: 4e6 },
      { ...task, name: "odd", kind: "query", durationsMs: [], failed: 1, failure: "status 500" },
    ],
  } as const;
  const windows = tasks
    ? [
        { ...first, ...done },
        { ...second, ...done },
        { ...invalid, ...done },
      ]
    : [first, second, invalid];
  return renderText(benchResult({ windows }), paint);
}

test("each task with its times and what it is measured in", () => {
  const text = textOf(true);
  const rowOf = (name: string) =>
    text
      .split("\n")
      .find((line) => line.includes(`│ ${name} `))
      ?.split("│")
      .map((cell) => cell.trim())
      .slice(1, -1);
  expect(rowOf("import")).toEqual([
    "import",
    "ingest",
    "2",
    "0",
    "2.00 s",
    "2.00 s",
    "2.00 s",
    "10000 records/s",
  ]);
  expect(rowOf("sums")).toEqual(["sums", "query", "4", "0", "300 ms", "200 ms", "400 ms", "-"]);
  expect(rowOf("report")?.at(-1)).toBe("977 kB/s");
  expect(rowOf("odd")).toEqual(["odd", "query", "0", "2", "-", "-", "-", "-"]);
});

test("without tasks there is no such section", () => {
  expect(textOf(false)).not.toContain("Bulk work");
});
