/** The cache advice's charts: what they draw, that they stand alone, and that no label covers another. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { redisPolicies } from "../../../src/core/cache-curve.ts";
import { cacheAdviceCharts } from "../../../src/report/cache/charts.ts";
import { boxAround, placeLabels } from "../../../src/report/charts/labels.ts";
import { bytesScale, durationScale, shareScale } from "../../../src/report/charts/scale.ts";
import { formatTtl } from "../../../src/report/cache/words.ts";
import { readXml, type XmlElement } from "../xml.ts";
import { aboveCeiling, adviceOf, bareAdvice, present } from "./fixture.ts";
import { everyNumber, everyText, HOSTILE } from "./spoiled.ts";

const charts = [adviceOf(), adviceOf(aboveCeiling), everyText(adviceOf(), HOSTILE)].flatMap(
  (advice) =>
    cacheAdviceCharts(advice).map((chart) => ({ ...chart, elements: readXml(chart.svg) })),
);

function chartOf(name: string, advice = adviceOf()) {
  const found = cacheAdviceCharts(advice).find((chart) => chart.name === name);
  if (!found) throw new Error(`no chart ${name}`);
  return { ...found, elements: readXml(found.svg) };
}

function number(element: XmlElement | undefined, name: string): number {
  return Number(element?.attributes.get(name));
}

function words(elements: readonly XmlElement[]): string {
  return elements.map(({ text }) => text).join(" ");
}

describe("charts", () => {
  it("are four, each left out where its data is missing", () => {
    expect(cacheAdviceCharts(adviceOf()).map(({ name }) => name)).toEqual([
      "hit-rate-by-memory",
      "memory-against-hit-rate",
      "hit-rate-by-time-to-live",
      "edge-by-max-age",
    ]);
    expect(cacheAdviceCharts(bareAdvice)).toEqual([]);
    const { http: _, ...rest } = adviceOf();
    expect(cacheAdviceCharts({ ...rest, pareto: [], ttl: [] }).map(({ name }) => name)).toEqual([
      "hit-rate-by-memory",
      "memory-against-hit-rate",
    ]);
  });

  it("stand alone on any page, legible and inside", () => {
    for (const { elements, svg } of charts) {
      const [root, background] = elements;
      expect(root?.attributes.get("xmlns")).toBe("http://www.w3.org/2000/svg");
      expect(background?.attributes.get("fill")).toBe("#ffffff");
      expect(svg).not.toMatch(/<script|<style|var\(|currentColor|href|url\(|<foreignObject/);
      expect(svg).not.toContain("hunter2");
      for (const text of elements.filter(({ name }) => name === "text")) {
        const size = number(text, "font-size");
        expect(size).toBeGreaterThanOrEqual(13);
        if (text.attributes.has("transform")) continue;
        const long = text.text.length * size * 0.5;
        const anchor = text.attributes.get("text-anchor") ?? "start";
        const left =
          number(text, "x") - (anchor === "middle" ? long / 2 : anchor === "end" ? long : 0);
        expect(left, text.text).toBeGreaterThanOrEqual(0);
        expect(left + long, text.text).toBeLessThanOrEqual(800);
      }
    }
  });

  it("say how much data they show, and that it is not measured", () => {
    for (const { elements } of charts) expect(words(elements)).toMatch(/n = [\d.]+.*not measured/);
  });

  it("draw nothing of numbers that are none, and never fail", () => {
    for (const value of [Number.NaN, Infinity, -1]) {
      const drawn = cacheAdviceCharts(everyNumber(adviceOf(), value));
      for (const { svg } of drawn) expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    }
    for (const { svg } of cacheAdviceCharts(everyNumber(adviceOf(), 1)))
      expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });
});

describe("hit rate by memory", () => {
  it("has a line for each policy and the exact LRU, a band for the recommended one, ceiling and goal", () => {
    const { elements } = chartOf("hit-rate-by-memory");
    const paths = elements.filter(({ name }) => name === "path");
    const lines = paths.filter(({ attributes }) => attributes.get("fill") === "none");
    expect(paths.filter(({ attributes }) => attributes.has("fill-opacity"))).toHaveLength(1);
    // Five policies, the exact LRU, two crosses of what was measured and one in the legend.
    expect(lines).toHaveLength(5 + 1 + 2 + 1);
    const dashed = elements.filter(
      ({ name, attributes }) =>
        name === "line" && attributes.has("stroke-dasharray") && attributes.get("x1") === "84",
    );
    expect(dashed).toHaveLength(2);
    const text = words(elements);
    for (const each of ["ceiling 95.3 %", "goal 94.5 %", "exact LRU", "volatile-ttl"])
      expect(text).toContain(each);
    expect(text).toContain("recommended: 48 MB, 95.1 %");
    expect(text).toContain("now: 128 MB, 94.6 %");
  });

  it("draws the policies that matter, and says how many it leaves out", () => {
    const [curve] = adviceOf().policies;
    if (!curve) throw new Error("the fixture has policies");
    const policies = redisPolicies.map((policy, index) => ({
      ...curve,
      policy,
      hitRate: curve.hitRate.map((rate) => rate * (0.99 - 0.01 * index)),
    }));
    const text = words(chartOf("hit-rate-by-memory", adviceOf({ policies })).elements);
    expect(text).toContain("allkeys-lfu");
    expect(text).toContain("allkeys-lru");
    expect(text).not.toContain("volatile-ttl");
    expect(text).toContain("3 more policies not drawn");
  });

  it("tells of a cache without a limit instead of drawing it", () => {
    const { elements } = chartOf(
      "hit-rate-by-memory",
      adviceOf({ present: { ...present, maxmemoryBytes: 0 } }),
    );
    expect(words(elements)).toContain("Now, without a limit of memory: 94.6 % (94.2 % to 95.0 %)");
    expect(words(elements)).not.toContain("now: no limit");
  });
});

describe("hit rate by time to live", () => {
  it("starts at zero and has both shares at each time", () => {
    const { elements, alt } = chartOf("hit-rate-by-time-to-live");
    expect(alt).toContain("30 s gives 86.1 %, 0.31 % stale");
    const shapes = elements.filter(({ name }) => name === "circle");
    expect(shapes).toHaveLength(5 + 1);
    expect(words(elements)).not.toContain("does not start at 0");
  });

  it("takes the first prefix where there is none for all, and says so", () => {
    const ttl = adviceOf().ttl.filter(({ prefix }) => prefix !== "");
    const { elements } = chartOf("hit-rate-by-time-to-live", adviceOf({ ttl }));
    expect(words(elements)).toContain("category, memory unbounded");
  });
});

describe("labels", () => {
  const point = fc.tuple(fc.integer({ min: 84, max: 772 }), fc.integer({ min: 116, max: 372 }));

  it("cover neither each other nor a mark", () => {
    fc.assert(
      fc.property(fc.array(point, { maxLength: 20 }), (points) => {
        const taken = points.map((each) => boxAround(each));
        const { marks, hidden } = placeLabels(
          points.map((at, index) => ({
            at,
            text: `label ${index}`,
            sides: ["above", "below", "left", "right"] as const,
            stepsAway: index % 3,
          })),
          taken,
        );
        const texts = marks.flatMap((mark) => readXml(mark)).filter(({ name }) => name === "text");
        expect(texts.length + hidden).toBe(points.length);
        const boxes = texts.map((each) => {
          const long = each.text.length * 6.5;
          const anchor = each.attributes.get("text-anchor");
          const x = number(each, "x");
          const left = anchor === "middle" ? x - long / 2 : anchor === "end" ? x - long : x;
          const y = number(each, "y");
          return { left, right: left + long, top: y - 10, bottom: y };
        });
        for (const [index, box] of boxes.entries())
          for (const other of [...taken, ...boxes.slice(index + 1)])
            expect(
              box.left < other.right &&
                other.left < box.right &&
                box.top < other.bottom &&
                other.top < box.bottom,
            ).toBe(false);
      }),
      { numRuns: 200, seed: 1 },
    );
  });
});

describe("scales", () => {
  const inPixels = [84, 772] as const;

  it("of sizes have ticks at powers of two, apart and inside", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1, max: 2 ** 45, noNaN: true }), { minLength: 1, maxLength: 9 }),
        (sizes) => {
          const { ticks, at } = bytesScale(sizes, inPixels);
          expect(ticks.length).toBeGreaterThan(0);
          for (const [index, { position }] of ticks.entries()) {
            expect(position).toBeGreaterThanOrEqual(84 - 1e-6);
            expect(position).toBeLessThanOrEqual(772 + 1e-6);
            if (index > 0)
              expect(position - (ticks[index - 1]?.position ?? 0)).toBeGreaterThanOrEqual(40);
          }
          for (const size of sizes) expect(Number.isFinite(at(size))).toBe(true);
        },
      ),
      { numRuns: 300, seed: 1 },
    );
    const labels = bytesScale([2 ** 20, 2 ** 27], inPixels).ticks.map(({ label }) => label);
    expect(labels).toEqual(["1 MB", "2 MB", "4 MB", "8 MB", "16 MB", "32 MB", "64 MB", "128 MB"]);
  });

  it("of durations have ticks where people count", () => {
    const { ticks } = durationScale([1_000, 600_000], inPixels, formatTtl);
    expect(ticks.map(({ label }) => label)).toContain("1 min");
    expect(durationScale([3_000, 4_000], inPixels, formatTtl).ticks.length).toBeGreaterThan(1);
  });

  it("of shares stay between 0 and 100 %", () => {
    const { ticks, note } = shareScale([0.9, 0.999], [372, 116]);
    for (const { label } of ticks) expect(Number(label)).toBeLessThanOrEqual(100);
    expect(note).toMatch(/does not start at 0/);
    expect(shareScale([0.01, 0.9], [372, 116]).note).toBeUndefined();
    expect(shareScale([0, 0], [372, 116]).ticks.length).toBeGreaterThan(1);
  });
});
