import { describe, expect, it } from "vitest";
import { renderReport } from "../../src/report/report.ts";
import { linearScale, logScale, settingScale, trimmed } from "../../src/report/charts/scale.ts";
import { element, label, shorten, wrap } from "../../src/report/charts/svg.ts";
import { SECRET } from "./journal-fixture.ts";
import * as runs from "./runs.ts";
import { readXml, type XmlElement } from "./xml.ts";

const options = { journalFile: "run.jsonl", rollbackCommand: "npx perfopt rollback the-run" };
const charts = Object.entries(runs).flatMap(([run, make]) =>
  renderReport(make(), options).charts.map((chart) => ({
    run,
    ...chart,
    elements: readXml(chart.svg),
  })),
);

const runNames = Object.keys(runs);

function chartsOf(name: string) {
  return charts.filter(({ run }) => run === name);
}

function number(element: XmlElement, name: string): number {
  return Number(element.attributes.get(name));
}

describe("charts", () => {
  it("are drawn for the confirmation, the ladder, every trial with pairs, every probed knob, and time", () => {
    const files = charts.filter(({ run }) => run === "completeRun").map(({ file }) => file);
    expect(files).toEqual([
      "confirm-api-latencyp95ms.svg",
      "confirm-db-querymeanms.svg",
      "confirm-cache-hitrate.svg",
      "confirm-db-indexhitrate.svg",
      "latency-ladder.svg",
      "curve-1-l1-ttl.svg",
      "trial-01-l1-ttl-5s.svg",
      "trial-02-l1-ttl-20s.svg",
      "trial-03-index-runs.svg",
      "curve-3-pool-max.svg",
      "trial-05-pool-8.svg",
      "trial-06-pool-30.svg",
      "trial-07-maxmemory-1gb.svg",
      "timeline.svg",
    ]);
  });

  it.each(runNames)("of %s stand alone on any page", (name) => {
    for (const { elements, svg } of chartsOf(name)) {
      const [root, background] = elements;
      expect(root?.name).toBe("svg");
      expect(root?.attributes.get("xmlns")).toBe("http://www.w3.org/2000/svg");
      expect(background?.name).toBe("rect");
      expect(background?.attributes.get("fill")).toBe("#ffffff");
      expect(number(background!, "width")).toBeGreaterThanOrEqual(number(root!, "width") - 1);
      expect(svg).not.toMatch(/<script|<style|var\(|currentColor|href|url\(|<foreignObject/);
    }
  });

  it.each(runNames)("of %s keep their text legible and inside", (name) => {
    for (const { elements } of chartsOf(name)) {
      const [root] = elements;
      const width = number(root!, "width");
      const height = number(root!, "height");
      expect(width).toBe(800);
      for (const text of elements.filter(({ name }) => name === "text")) {
        const size = number(text, "font-size");
        expect(size).toBeGreaterThanOrEqual(13);
        if (text.attributes.has("transform")) continue;
        const long = text.text.length * size * 0.5;
        const anchor = text.attributes.get("text-anchor") ?? "start";
        const left =
          number(text, "x") - (anchor === "middle" ? long / 2 : anchor === "end" ? long : 0);
        expect(left, text.text).toBeGreaterThanOrEqual(0);
        expect(left + long, text.text).toBeLessThanOrEqual(width);
        expect(number(text, "y"), text.text).toBeLessThanOrEqual(height);
      }
    }
  });

  it.each(runNames)("of %s say how much data they show", (name) => {
    for (const { elements } of chartsOf(name)) {
      const words = elements.map(({ text }) => text).join(" ");
      expect(words).toMatch(/n = \d+ .*journal \d+/);
    }
  });

  it("draw two marks and one line for each pair", () => {
    const chart = charts.find(
      ({ run, file }) => run === "completeRun" && file === "trial-02-l1-ttl-20s.svg",
    )!;
    const circles = chart.elements.filter(({ name }) => name === "circle");
    const diamonds = chart.elements.filter(({ name }) => name === "path");
    expect(circles).toHaveLength(10 + 1);
    expect(diamonds).toHaveLength(10 + 1);
    expect(chart.svg).toContain("1 invalid window not shown");
  });

  it("mark windows that failed a check apart on the time line", () => {
    const chart = charts.find(({ run, file }) => run === "completeRun" && file === "timeline.svg")!;
    const crosses = chart.elements.filter(
      ({ name, attributes }) => name === "path" && attributes.get("fill") === "none",
    );
    expect(crosses).toHaveLength(2 + 1);
  });
});

describe("scales", () => {
  it("start at zero unless the values are far from it, and say which", () => {
    expect(linearScale([0, 10], [100, 0], trimmed)).toMatchObject({ note: undefined });
    expect(linearScale([90, 92], [100, 0], trimmed).note).toMatch(/does not start at 0/);
    expect(linearScale([0, 10], [100, 0], trimmed).at(0)).toBe(100);
  });

  it.each([[[200, 226]], [[0, 13.6]], [[0.912, 0.958]], [[0, 0]], [[7]], [[1_000_000, 3_000_000]]])(
    "have at least four ticks inside the axis for %j",
    (values) => {
      const { ticks } = linearScale(values, [372, 116], trimmed);
      expect(ticks.length).toBeGreaterThanOrEqual(4);
      expect(ticks.length).toBeLessThanOrEqual(12);
      for (const { position } of ticks) {
        expect(position).toBeGreaterThanOrEqual(115.9);
        expect(position).toBeLessThanOrEqual(372.1);
      }
      expect(new Set(ticks.map((tick) => tick.label)).size).toBe(ticks.length);
    },
  );

  it.each([[[48, 980]], [[1, 1.2]], [[0.4, 30_000]]])(
    "have ticks on a logarithmic axis for %j",
    (values) => {
      const { ticks, at } = logScale(values, [372, 116], trimmed);
      expect(ticks.length).toBeGreaterThanOrEqual(3);
      expect(at(values[0]!)).toBeGreaterThan(at(values[1]!));
    },
  );

  it("place settings in order, zero too, and far apart when they span a lot", () => {
    const { at, logarithmic } = settingScale([0, 1_000, 60_000], [0, 700]);
    expect(logarithmic).toBe(true);
    expect(at(1_000) - at(0)).toBeGreaterThan(30);
    expect(at(60_000)).toBeGreaterThan(at(1_000));
    expect(settingScale([10, 20], [0, 700]).logarithmic).toBe(false);
  });
});

describe("SVG text", () => {
  it("is escaped, without the characters that XML cannot hold", () => {
    const text = label(0, 0, 'a < b & "c" \u0000\u0007', { class: '"><script>' });
    expect(readXml(text)).toHaveLength(1);
    expect(text).not.toContain("<script>");
  });

  it("refuses a coordinate that is not finite", () => {
    expect(() => element("circle", { cx: Number.NaN })).toThrow(/not finite/);
  });

  it("is wrapped and shortened without letting half a secret through", () => {
    const secret = `postgres://someone:${SECRET}${"x".repeat(200)}@db.example/registry`;
    expect(wrap(secret, 200, 13).join("")).not.toContain(SECRET);
    expect(shorten(secret, 200, 13)).not.toContain(SECRET);
    expect(wrap("one two three", 60, 13)).toEqual(["one two", "three"]);
  });
});
