import { describe, expect, test } from "vitest";
import { parseSlo, type Slo } from "../../src/core/slo.ts";
import type { EndpointResult, MetricValues, Sample } from "../../src/core/sample.ts";
import { judgeSlo } from "../../src/decide/slo.ts";
import { makeSample } from "../samples.ts";
import { spoilt } from "./gate-pairs.ts";

function slo(text: string): Slo {
  const parsed = parseSlo(text);
  if (typeof parsed === "string") throw new Error(parsed);
  return parsed;
}

const windows = (metric: keyof MetricValues, ...values: number[]) =>
  values.map((value) => makeSample({ [metric]: value }));
const p95 = (...values: number[]) => windows("api.latencyP95Ms", ...values);

const endpoint = (latencyP95Ms: number, requests = 100, errors = 0): EndpointResult => ({
  name: "search",
  requests,
  errors,
  latencyP50Ms: latencyP95Ms / 2,
  latencyP95Ms,
  latencyP99Ms: latencyP95Ms * 2,
  responseBytesMean: 10,
  response: "",
});
const sample = (...endpoints: EndpointResult[]): Sample => {
  const made = makeSample({ "api.latencyP95Ms": 1, "api.errorRate": 0 });
  return { ...made, load: { ...made.load, endpoints } };
};

describe("a limit", () => {
  test.each<[string, string, readonly Sample[], string]>([
    ["far above 5 windows", "p95<200ms", p95(95, 102, 99, 110, 97), "pass"],
    ["far below", "p95<50ms", p95(95, 102, 99, 110, 97), "fail"],
    ["amid the windows", "p95<100ms", p95(95, 102, 99, 110, 97), "inconclusive"],
    ["exactly kept", "p95<=100ms", p95(100, 100, 100), "pass"],
    ["kept by one window", "p95<200ms", p95(150), "pass"],
    ["broken by one window", "p95<200ms", p95(250), "fail"],
    ["kept by one of two", "p95<200ms", p95(150, 250), "inconclusive"],
    ["of errors, without any", "errors<1%", windows("api.errorRate", 0, 0, 0), "pass"],
    [
      "of a rate that is better high",
      "rps>90",
      windows("api.requestsPerSecond", 99, 100, 101),
      "pass",
    ],
    ["of the same, missed", "rps>110", windows("api.requestsPerSecond", 99, 100, 101), "fail"],
  ])("%s: %s", (_, text, samples, verdict) => {
    expect(judgeSlo(slo(text), samples).verdict).toBe(verdict);
  });

  test("is told with value, interval and windows", () => {
    const { value, low, high, windows, detail } = judgeSlo(
      slo("p95<200ms"),
      p95(95, 102, 99, 110, 97),
    );
    expect(value).toBe(99);
    expect(low).toBeLessThan(95);
    expect(high).toBeGreaterThan(104);
    expect(windows).toBe(5);
    expect(detail).toMatch(
      /^API p95 99\.0 ms \(95 % interval \d+\.\d ms to 1\d\d ms, 5 windows\) keeps the limit of 200 ms\.$/,
    );
    expect(judgeSlo(slo("p95<200ms"), p95(95)).detail).toContain(
      "(1 window, too few for an interval, so that only values are compared) keeps",
    );
  });
});

describe("windows that cannot be used", () => {
  test("do not count, and none at all is invalid", () => {
    const good = p95(95, 102, 99);
    const bad = p95(500, 600).map((sample) => spoilt(sample, "generator-lag"));
    expect(judgeSlo(slo("p95<200ms"), [...good, ...bad])).toMatchObject({
      verdict: "pass",
      windows: 3,
    });
    const none = judgeSlo(slo("p95<200ms"), bad);
    expect(none).toMatchObject({ verdict: "invalid", windows: 0 });
    expect(none.value).toBeUndefined();
    expect(none.detail).toContain("none of 2 windows can be used (the check generator-lag failed)");
    expect(judgeSlo(slo("p95<200ms"), []).verdict).toBe("invalid");
  });

  test("by their errors, count for the error rate", () => {
    const failing = windows("api.errorRate", 0.2, 0.25, 0.22).map((sample) =>
      spoilt(sample, "errors"),
    );
    expect(judgeSlo(slo("errors<1%"), failing).verdict).toBe("fail");
    expect(judgeSlo(slo("p95<1s"), failing).verdict).toBe("invalid");
  });

  test("a metric that one window lacks is never a pass", () => {
    const some = [...p95(95, 102, 99), makeSample({})];
    expect(judgeSlo(slo("p95<200ms"), some)).toMatchObject({ verdict: "invalid" });
    expect(judgeSlo(slo("p95<200ms"), p95(95, Number.NaN, 99)).detail).toBe(
      "p95<200ms cannot be judged: API p95 is missing in 1 of 3 windows.",
    );
  });
});

describe("a limit of one endpoint", () => {
  test("is judged by that endpoint", () => {
    const samples = [sample(endpoint(300)), sample(endpoint(310)), sample(endpoint(305))];
    expect(judgeSlo(slo("p95[search]<200ms"), samples)).toMatchObject({
      verdict: "fail",
      value: 305,
    });
    expect(judgeSlo(slo("p50[search]<200ms"), samples).verdict).toBe("pass");
    expect(judgeSlo(slo("p99[search]<200ms"), samples).verdict).toBe("fail");
    expect(judgeSlo(slo("p95[list]<200ms"), samples)).toMatchObject({ verdict: "invalid" });
  });

  test("counts its own errors, in windows that asked it", () => {
    const samples = [
      sample(endpoint(1, 100, 10)),
      sample(endpoint(0, 0)),
      sample(endpoint(1, 100, 11)),
      sample(endpoint(1, 100, 12)),
    ];
    expect(judgeSlo(slo("errors[search]<1%"), samples)).toMatchObject({
      verdict: "fail",
      windows: 3,
      value: 0.11,
    });
  });
});
