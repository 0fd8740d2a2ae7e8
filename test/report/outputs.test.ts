import { describe, expect, it } from "vitest";
import type { GateResult, GateVerdict, SloVerdict } from "../../src/core/gate.ts";
import { metricIds } from "../../src/core/metric.ts";
import { annotationLines } from "../../src/report/outputs/annotations.ts";
import type { AnyResult } from "../../src/report/outputs/checks.ts";
import { renderOutput, type OutputKind } from "../../src/report/outputs/outputs.ts";
import { benchResult, limitResult } from "./bench-results.ts";
import { effectOf, sloVerdict } from "./gate-results.ts";
import * as results from "./gate-results.ts";
import { readXml, type XmlElement } from "./xml.ts";

function json(result: AnyResult, kind: OutputKind): unknown {
  return JSON.parse(renderOutput(result, kind) ?? "null");
}

function marker(change: Partial<GateResult>): string | undefined {
  return renderOutput(results.passResult(change), "markdown")?.split("\n")[0];
}

function slos(verdict: GateVerdict, count: number): readonly SloVerdict[] {
  return Array.from({ length: count }, (_, index) => sloVerdict(`p95<${index + 1}ms`, { verdict }));
}

function elements(result: AnyResult): readonly XmlElement[] {
  const xml = renderOutput(result, "junit") ?? "";
  return readXml(xml.replace(/^<\?xml[^>]*\?>/, ""));
}

function named(result: AnyResult, name: string): readonly XmlElement[] {
  return elements(result).filter((element) => element.name === name);
}

describe("the Markdown of a comment", () => {
  it.each([
    results.passResult,
    results.grownStatementResult,
    results.latencyFailResult,
    results.inconclusiveResult,
    results.selfTestRefused,
    benchResult,
  ])("is as agreed: %o", async (make) => {
    await expect(renderOutput(make(), "markdown")).toMatchFileSnapshot(
      `golden/outputs/${make.name}.md`,
    );
  });

  it("begins with a marker of its own for every target and workload", () => {
    expect(marker({})).toBe("<!-- perfopt:gate:model-registry/read-heavy -->");
    expect(marker({ verdict: "fail" })).toBe(marker({}));
    const names = ["a b", "a-b", "a--b", "a%2d;b", "a.b"];
    const markers = new Set(names.map((workload) => marker({ workload })));
    expect(markers.size).toBe(names.length);
  });
});

describe("annotations", () => {
  it("are an error for what failed, a warning for what is not decided, and silence for a pass", () => {
    expect(annotationLines(results.passResult())).toEqual([]);
    expect(annotationLines(benchResult({ slos: [] }))).toEqual([]);
    const failed = annotationLines(results.latencyFailResult());
    expect(failed).toHaveLength(2);
    expect(failed[0]).toMatch(
      /^::error title=perfopt fail%3A API p95 \(model-registry\/read-heavy\)::/,
    );
    expect(failed[0]).toContain("+21.0 %25 (+15.0 %25 to +27.4 %25, 10 pairs)");
    const open = annotationLines(results.inconclusiveResult());
    expect(open).toHaveLength(1);
    expect(open[0]).toMatch(/^::warning title=/);
    const invalid = annotationLines(results.invalidResult());
    expect(invalid.map((line) => line.slice(0, 9))).toEqual(["::warning", "::warning"]);
  });

  it("are one for each counter and endpoint, however many statements grew", () => {
    const result = results.grownStatementResult();
    const [first] = result.counters?.findings ?? [];
    if (!result.counters || !first) throw new Error("no finding");
    const findings = [first, { ...first, subject: "SELECT 2" }, { ...first, endpoint: "other" }];
    const lines = annotationLines({ ...result, counters: { ...result.counters, findings } });
    expect(lines).toHaveLength(2);
    expect(lines[0]).toContain("(and 1 more)");
  });

  it("are at most ten of a kind, the last of which says how many are left", () => {
    const ten = annotationLines(results.passResult({ verdict: "fail", slos: slos("fail", 10) }));
    expect(ten).toHaveLength(10);
    const result = results.passResult({
      verdict: "fail",
      slos: [...slos("fail", 12), ...slos("invalid", 3)],
    });
    const lines = annotationLines(result);
    expect(lines.filter((line) => line.startsWith("::error"))).toHaveLength(10);
    expect(lines.filter((line) => line.startsWith("::warning"))).toHaveLength(3);
    expect(lines[9]).toContain("3 more");
  });

  it("do not lose a verdict that no single check explains", () => {
    const lines = annotationLines(
      results.passResult({ verdict: "invalid", metrics: [], reasons: ["nothing was measured"] }),
    );
    expect(lines).toEqual([expect.stringMatching(/^::warning .*nothing was measured$/)]);
  });

  it("escape what would end them or their title", () => {
    const result = results.passResult({
      verdict: "fail",
      target: "a:b,c%d",
      slos: [sloVerdict("p95<30ms", { verdict: "fail", detail: "50 % worse\r\n::error::no" })],
    });
    expect(annotationLines(result)).toEqual([
      "::error title=perfopt fail%3A p95<30ms (a%3Ab%2Cc%25d/read-heavy)::50 %25 worse ::error::no",
    ]);
  });
});

describe("JUnit", () => {
  it("counts what it holds, and every case has a name of its own", () => {
    for (const make of [results.latencyFailResult, results.invalidResult, benchResult]) {
      const [suite] = named(make(), "testsuite");
      const cases = named(make(), "testcase");
      expect(suite?.attributes.get("tests")).toBe(String(cases.length));
      expect(suite?.attributes.get("failures")).toBe(String(named(make(), "failure").length));
      expect(suite?.attributes.get("skipped")).toBe(String(named(make(), "skipped").length));
      expect(new Set(cases.map((each) => each.attributes.get("name"))).size).toBe(cases.length);
    }
  });

  it("is a failure for fail, skipped with the reason for inconclusive and invalid", () => {
    const [failure] = named(results.latencyFailResult(), "failure");
    expect(failure?.attributes.get("type")).toBe("regression");
    expect(failure?.text).toContain("fresh block");
    const [skipped] = named(results.inconclusiveResult(), "skipped");
    expect(skipped?.attributes.get("message")).toMatch(/^inconclusive: API p95/);
    expect(named(results.invalidResult(), "skipped")).toHaveLength(2);
    expect(named(results.passResult(), "failure")).toHaveLength(0);
    expect(named(results.passResult(), "skipped")).toHaveLength(0);
  });

  it("has a case for each counter that grew, with its statement", () => {
    const result = results.grownStatementResult();
    const names = named(result, "testcase").map((each) => each.attributes.get("name"));
    expect(names).toEqual([
      "counter statements of GET /models/search",
      "counter buffers of GET /models/search",
    ]);
    expect(named(result, "failure")[0]?.text).toContain("SELECT t.key");
  });

  it("has the numbers as properties, finite ones only", () => {
    const numbers = named(results.latencyFailResult(), "property").map(
      ({ attributes }) => `${attributes.get("name")}=${attributes.get("value")}`,
    );
    expect(numbers).toContain("estimate=1.21");
    expect(numbers).toContain("margin=0.05");
    const noise = named(results.selfTestRefused(), "property").map(({ attributes }) =>
      attributes.get("value"),
    );
    expect(noise.join(" ")).not.toMatch(/NaN|Infinity/);
    expect(noise.length).toBeGreaterThan(10);
  });
});

describe("trackers of benchmarks", () => {
  it("get Bencher's format: a value, and an interval where there is one", () => {
    expect(json(benchResult(), "bencher")).toMatchObject({
      "model-registry/read-heavy": {
        "api-latency-p95-ms": { value: 24.8, lower_value: 23.9, upper_value: 26.3 },
        "api-error-rate": { value: 0.0003 },
      },
      "model-registry/read-heavy GET /models/search": { "api-latency-p99-ms": { value: 70.2 } },
    });
  });

  it("get measures whose slugs Bencher takes, each metric its own", () => {
    const metrics = Object.fromEntries(metricIds.map((id) => [id, { value: 1, windows: 3 }]));
    const measures = json(benchResult({ metrics, endpoints: [] }), "bencher");
    const slugs = [...JSON.stringify(measures).matchAll(/"([^"]+)":\{"value"/g)].map(
      ([, slug]) => slug ?? "",
    );
    expect(new Set(slugs).size).toBe(metricIds.length);
    expect(slugs).toHaveLength(metricIds.length);
    expect(slugs.filter((slug) => !/^[a-z0-9-]{1,64}$/.test(slug))).toEqual([]);
  });

  it("get the head of a gate, not its base", () => {
    const measures = json(results.cpuFailResult(), "bencher");
    expect(measures).toMatchObject({
      "model-registry/read-heavy": {
        "service-cpu-ms-per-request": { value: 2.66 },
        "api-latency-p99-ms": { value: 60.2 },
      },
    });
  });

  it("get two files of github-action-benchmark, one for each direction", () => {
    const smaller = json(benchResult(), "benchmark-smaller");
    const bigger = json(benchResult(), "benchmark-bigger");
    expect(bigger).toMatchObject([
      { name: "model-registry/read-heavy: requests/s", unit: "1/s", value: 411.8 },
      { name: "model-registry/read-heavy: cache hit", unit: "ratio", value: 0.91 },
    ]);
    expect(JSON.stringify(smaller)).toContain("GET /models/search: API p95");
    expect(JSON.stringify(smaller)).not.toContain("cache hit");
    expect(smaller).toContainEqual({
      name: "model-registry/read-heavy: API p95",
      unit: "ms",
      value: 24.8,
      range: "23.9 to 26.3",
      extra: "HEAD (9f2c1ab); 4 cores of AMD EPYC 7763; seed 42",
    });
    expect(json(limitResult(), "benchmark-bigger")).toMatchObject([{ value: 1_209.6 }]);
  });

  it("get nothing that was not measured", () => {
    const effect = effectOf("api.latencyP50Ms", [8, Number.NaN], [1, 1, 1]);
    const watched = [effect, effectOf("api.latencyP99Ms", [8, 9], [Number.NaN, 1, 1])];
    expect(json(results.invalidResult(), "bencher")).toEqual({});
    expect(json(results.passResult({ metrics: [], watched }), "bencher")).toEqual({});
    expect(json(results.invalidResult(), "benchmark-smaller")).toEqual([]);
  });

  it("get nothing from a self-test", () => {
    for (const kind of ["bencher", "benchmark-smaller", "benchmark-bigger", "badge"] as const)
      expect(renderOutput(results.selfTestRefused(), kind)).toBeUndefined();
  });
});

describe("a badge", () => {
  it.each([
    [results.passResult(), "pass", "brightgreen"],
    [results.cpuFailResult(), "fail", "red"],
    [results.inconclusiveResult(), "inconclusive", "yellow"],
    [results.invalidResult(), "invalid", "lightgrey"],
    [benchResult(), "24.8 ms", "red"],
    [benchResult({ slos: [] }), "24.8 ms", "blue"],
    [limitResult(), "1,180 requests/s", "blue"],
    [benchResult({ windows: [] }), "invalid", "lightgrey"],
  ])("says what there is to say (%#)", (result, message, color) => {
    expect(json(result, "badge")).toMatchObject({ schemaVersion: 1, message, color });
  });
});
