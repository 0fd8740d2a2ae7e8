/** How the pool advice reads: the verdict first, only columns that have numbers, nothing that a name could break, a chart without holes. */
import { describe, expect, test } from "vitest";
import { advisePool, type PoolQuestion } from "../../../src/advise/concurrency/pool/advise.ts";
import type { PoolMeasurement } from "../../../src/core/pool-advice.ts";
import { poolChart } from "../../../src/report/pool/chart.ts";
import { poolAdviceDocument, poolAdviceMarkdown } from "../../../src/report/pool/document.ts";
import { drawSweep, measurementsOf, readOnly } from "../../advise/concurrency/pool/sweeps.ts";

function adviceOf(measurements: readonly PoolMeasurement[], question: Partial<PoolQuestion> = {}) {
  return advisePool({
    source: "a sweep",
    subject: "pool",
    measurements,
    seed: 42,
    caveats: [],
    ...question,
  });
}

const read = measurementsOf(readOnly);

describe("the document", () => {
  test.each([
    [8, "AS IT SHOULD BE"],
    [64, "SMALLER"],
    [2, "LARGER"],
    [undefined, "SIZED"],
  ])("with a present pool of %s says %s", (present, word) => {
    const advice = adviceOf(read, present === undefined ? {} : { present });
    expect(poolAdviceDocument(advice).word.text).toBe(word);
  });

  test("has no column that nothing was measured for", () => {
    const plain = poolAdviceMarkdown(adviceOf(read));
    expect(plain).not.toMatch(/pool wait|p99|least to most/);
    const rich = read.map((each) => ({ ...each, latencyP99Ms: 5, inside: { waitMs: 0.5 } }));
    expect(poolAdviceMarkdown(adviceOf([...rich, ...rich]))).toMatch(
      /\| connections \| per second \| least to most \| of best \| fitted \| p99 \| pool wait \|/,
    );
  });

  test("is safe from what a file is called, and small enough for a comment", () => {
    const markdown = poolAdviceMarkdown(
      adviceOf(read, { source: "<script> | `x` @everyone".repeat(99) }),
    );
    expect(markdown).not.toMatch(/(?<!\\)<script>/);
    expect(markdown.length).toBeLessThan(65_536);
  });

  test("lists what was left out, and says what is missing for the law", () => {
    const bad = { size: 3, throughput: 5, underWay: 3, responseMs: 1, from: "line 77" };
    const markdown = poolAdviceMarkdown(adviceOf([...read.slice(0, 3), bad]));
    expect(markdown).toMatch(/\| line 77 \| 3 \| 5\.00 \| Little's law/);
    expect(markdown).toMatch(/Too few points for the law: 3 points at 3 sizes/);
  });
});

describe("the chart", () => {
  test("shows the points, the curve, N* and what was chosen", () => {
    const chart = poolChart(adviceOf(read, { present: 64 }));
    expect(chart?.svg).toMatch(/chosen: 8.*scalability law.*N\* 9\.76 \(8\.\d+ to 10\.\d+\)/s);
    expect(chart?.svg).toContain(">now<");
    expect(chart?.alt).toMatch(/8 gives 17399\/s/);
    expect(chart?.svg.match(/<circle/g)).toHaveLength(7 + 2);
  });

  test("of a law that does not fit says so, and draws no N*", () => {
    const cliff = read.map((each) => ({
      ...each,
      throughput: each.size < 20 ? each.size * 99 : 300,
    }));
    const svg = poolChart(adviceOf(cliff))?.svg ?? "";
    expect(svg).toContain("does not fit");
    expect(svg).not.toMatch(/N\* \d/);
  });

  test("needs two sizes, and no law", () => {
    expect(poolChart(adviceOf(read.slice(0, 1)))).toBeUndefined();
    expect(poolChart(adviceOf(read.slice(0, 2)))?.svg).not.toContain("scalability law");
  });

  test("stays finite where the curve never turns down", () => {
    const linear = drawSweep({ lambda: 10, sigma: 0, kappa: 0 }, [1, 2, 3, 4, 5, 6, 7], 0, 1);
    expect(poolChart(adviceOf(measurementsOf(linear)))?.svg).toContain("scalability law");
  });
});
