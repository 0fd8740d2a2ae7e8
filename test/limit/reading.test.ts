/** What one window may show: the service's fault, the generator's fault, and values that are missing. */
import { describe, expect, test } from "vitest";
import type { EndpointResult, MetricValues, Sample, ValidityCheck } from "../../src/core/sample.ts";
import { parseSlo } from "../../src/core/slo.ts";
import { readWindow } from "../../src/limit/reading.ts";
import { check, sampleOf, type Counted } from "./service.ts";

const counted: Counted = {
  windowMs: 3_000,
  perSecond: 200,
  count: 600,
  errors: 0,
  answered: 1,
  lagMs: 0.1,
  closed: false,
};

function sample(metrics: MetricValues, changes: Partial<Counted> = {}): Sample {
  return sampleOf(metrics, { ...counted, ...changes });
}

function read(each: Sample, ...texts: readonly string[]) {
  const slos = texts.map((text) => {
    const slo = parseSlo(text);
    if (typeof slo === "string") throw new Error(slo);
    return slo;
  });
  return readWindow({ load: 200, kind: "probe", sample: each }, slos);
}

function withCheck(each: Sample, extra: ValidityCheck): Sample {
  return {
    ...each,
    load: { ...each.load, checks: [...each.load.checks, extra] },
    valid: each.valid && extra.ok,
    invalidBecause: extra.ok ? each.invalidBecause : [...each.invalidBecause, extra.detail],
  };
}

function distanceOf(reading: ReturnType<typeof read>, subject: string) {
  const found = reading.distances.find((each) => each.subject === subject);
  if (!found) throw new Error(`no distance of ${subject}`);
  return found;
}

describe("a valid window", () => {
  test("is as far from a limit as the logarithm of value over limit", () => {
    const reading = read(sample({ "api.latencyP95Ms": 100 }), "p95<200ms");
    expect(reading.use).toBe("full");
    expect(distanceOf(reading, "p95<200ms").distance).toBeCloseTo(-Math.log(2), 10);
  });

  test("is within a metric that is better high by the share that is missing", () => {
    const { distance } = distanceOf(
      read(sample({ "cache.hitRate": 0.95 }), "hits>90%"),
      "hits>90%",
    );
    expect(distance).toBeLessThan(-0.5);
    expect(
      distanceOf(read(sample({ "cache.hitRate": 0.8 }), "hits>90%"), "hits>90%").distance,
    ).toBeGreaterThan(0.5);
  });

  test("of few requests says less than one of many", () => {
    const few = distanceOf(
      read(sample({ "api.errorRate": 0 }, { count: 60 }), "errors<1%"),
      "errors<1%",
    );
    const many = distanceOf(
      read(sample({ "api.errorRate": 0 }, { count: 6_000 }), "errors<1%"),
      "errors<1%",
    );
    expect(Math.abs(few.distance / few.noise)).toBeLessThan(1);
    expect(Math.abs(many.distance / many.noise)).toBeGreaterThan(4);
  });

  test("with a limit of zero errors is within it without, and beyond it with one", () => {
    const none = read(sample({ "api.errorRate": 0 }), "errors<=0");
    const one = read(sample({ "api.errorRate": 1 / 600 }), "errors<=0");
    expect(distanceOf(none, "errors<=0").distance).toBeLessThan(-2);
    expect(distanceOf(one, "errors<=0").distance).toBeGreaterThan(2);
  });

  test("answers for one endpoint", () => {
    const each = sample({ "api.latencyP99Ms": 500 });
    const endpoint: EndpointResult = {
      name: "search",
      requests: 300,
      errors: 0,
      latencyP50Ms: 10,
      latencyP95Ms: 20,
      latencyP99Ms: 50,
      responseBytesMean: 100,
      response: "",
    };
    const reading = read(
      { ...each, load: { ...each.load, endpoints: [endpoint] } },
      "p99[search]<100ms",
    );
    expect(distanceOf(reading, "p99[search]<100ms").distance).toBeCloseTo(-Math.log(2), 10);
    expect(distanceOf(reading, "p99[search]<100ms").words).toBe(
      "API p99 of search 50.0 ms against a limit of 100 ms",
    );
    expect(read(each, "p99[search]<100ms").use).toBe("none");
  });
});

test.each([undefined, Number.NaN, Infinity])("a latency of %s shows nothing", (value) => {
  const reading = read(
    sample(value === undefined ? {} : { "api.latencyP95Ms": value }),
    "p95<200ms",
  );
  expect(reading.use).toBe("none");
  expect(reading.unusable).toContain("p95<200ms could not be measured");
});

describe("a service that falls behind", () => {
  test("is evidence, although the sample is invalid", () => {
    const each = sample({ "api.latencyP95Ms": 100 }, { answered: 0.8 });
    expect(each.valid).toBe(false);
    const reading = read(each, "p95<200ms");
    expect(reading.use).toBe("full");
    expect(distanceOf(reading, "kept up").distance).toBeGreaterThan(1);
  });

  test("is evidence even where a latency could not be measured", () => {
    const reading = read(sample({}, { answered: 0.1 }), "p95<200ms");
    expect(reading.use).toBe("full");
  });

  test("by errors breaks, unless an SLO allows more of them", () => {
    const failing = sample({ "api.latencyP95Ms": 100, "api.errorRate": 0.03 }, { errors: 18 });
    expect(distanceOf(read(failing, "p95<200ms"), "answered").distance).toBeGreaterThan(0.5);
    const allowed = read(failing, "p95<200ms", "errors<5%");
    expect(allowed.distances.map(({ subject }) => subject)).toEqual([
      "kept up",
      "p95<200ms",
      "errors<5%",
    ]);
    expect(distanceOf(allowed, "errors<5%").distance).toBeLessThan(0);
  });
});

describe("a disturbed window", () => {
  test("shows a break only by what the generator's lag cannot explain", () => {
    const late = read(sample({ "api.latencyP95Ms": 230 }, { lagMs: 30 }), "p95<200ms");
    expect(late.use).toBe("one-sided");
    expect(distanceOf(late, "p95<200ms").distance).toBeGreaterThan(0);
    expect(distanceOf(late, "p95<200ms").leastDistance).toBeLessThan(0);
    const slow = read(sample({ "api.latencyP95Ms": 900 }, { lagMs: 30 }), "p95<200ms");
    expect(distanceOf(slow, "p95<200ms").leastDistance).toBeGreaterThan(1);
  });

  test("a generator that cannot send does not make the service fall behind", () => {
    const reading = read(sample({ "api.latencyP95Ms": 700 }, { lagMs: 600 }), "p95<200ms");
    expect(reading.use).toBe("one-sided");
    expect(reading.distances.every(({ leastDistance }) => leastDistance <= 0)).toBe(true);
    expect(reading.unusable).toContain("generator-lag");
  });

  test.each(["host-pressure", "host-steal"] as const)("by %s never shows a break", (id) => {
    const slow = sample({ "api.latencyP95Ms": 2_000 }, { answered: 0.5 });
    const reading = read(withCheck(slow, check(id, 0.9, 0.2, "atMost")), "p95<200ms");
    expect(reading.use).toBe("one-sided");
    expect(reading.distances.every(({ leastDistance }) => leastDistance <= 0)).toBe(true);
  });

  test.each(["littles-law", "all-answered"] as const)("whose %s fails shows nothing", (id) => {
    const slow = sample({ "api.latencyP95Ms": 2_000 }, { answered: 0.5 });
    const reading = read(withCheck(slow, check(id, 9, 0, "atMost")), "p95<200ms");
    expect(reading.use).toBe("none");
    expect(reading.unusable).toContain(id);
  });
});
