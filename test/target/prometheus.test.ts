import { describe, expect, test } from "vitest";
import { seriesValues } from "../../src/target/prometheus.ts";

const page = `
# HELP hits_total Hits by tier
# TYPE hits_total counter
hits_total{tier="l1",path="/a b"} 3
hits_total{tier="l1",path="/c,\\"d\\"}"} 4
hits_total{path="/x",tier="l2"} 10 1700000000000
# TYPE empty_total counter
# TYPE wait_seconds histogram
wait_seconds_bucket{le="0.1"} 2
wait_seconds_bucket{le="+Inf"} 5
wait_seconds_sum 1.25e1
wait_seconds_count 5
# TYPE quiet_seconds histogram
pool_size 15
broken NaN
`;

describe("the metrics page", () => {
  test.each([
    ["hits_total", 17],
    ['hits_total{tier="l1"}', 7],
    ['hits_total{tier="l2"}', 10],
    ['hits_total{tier="l1",path="/a b"}', 3],
    ['hits_total{ path = "/c,\\"d\\"}" }', 4],
    ['hits_total{tier="l3"}', 0],
    ["empty_total", 0],
    ["wait_seconds_sum", 12.5],
    ["wait_seconds_count", 5],
    ["quiet_seconds_count", 0],
    ["pool_size", 15],
  ])("%s is %d", (selector, value) => {
    expect(seriesValues(page, { poolTotal: selector })).toEqual({ poolTotal: value });
  });

  test.each(["unknown", "broken", "hits", "wait_seconds"])("%s has no value", (selector) => {
    const values = seriesValues(page, { poolTotal: selector, poolMax: "pool_size" });
    expect(values.poolMax).toBe(15);
    expect(values.poolTotal ?? 0).toBe(0);
    if (selector !== "wait_seconds") expect(values).not.toHaveProperty("poolTotal");
  });
});
