import { expect, test } from "vitest";
import { exactCurve } from "../../../../src/advise/cache/curve/curve.ts";
import { logSizes } from "../../../../src/advise/cache/curve/log-sizes.ts";
import { prefixCurves } from "../../../../src/advise/cache/curve/prefix-curves.ts";
import { drawnTrace, traceOf } from "../traces.ts";

test.each([0, 0.2])("prefixes sum to the whole, deletes %s", (share) => {
  const drawn = drawnTrace({
    rows: 20_000,
    keys: 2000,
    zipf: 0.7,
    getsPerSecond: 100,
    seed: 2,
    writes: { share, op: "delete" },
  });
  const prefixes = ["a", "b", "never asked"];
  const trace = { ...drawn, prefixes, prefixOf: drawn.prefixOf.map((_, key) => key % 2) };
  const sizes = logSizes(1000, 1_000_000, 12);
  const whole = exactCurve({ ...trace, bytes: trace.valueBytes }, sizes);
  const parts = prefixCurves(trace, trace.valueBytes, sizes);
  expect(parts.map(({ prefix }) => prefix)).toEqual(prefixes);
  const gets = parts.reduce((sum, part) => sum + part.gets, 0);
  expect(gets).toBe(trace.operation.filter((operation) => operation === 0).length);
  for (const at of sizes.keys()) {
    const hits = parts.reduce((sum, part) => sum + part.gets * (part.hitRate[at] ?? 0), 0);
    expect(hits / gets).toBeCloseTo(whole.hitRate[at] ?? -1, 10);
  }
  expect(parts[2]).toMatchObject({ gets: 0, hitRate: sizes.map(() => 0) });
});

test("a prefix is pushed out by another one", () => {
  const at = 0;
  const trace = traceOf([
    { at, key: "user:1" },
    { at, key: "user:1" },
    { at, key: "list:1", bytes: 900 },
    { at, key: "user:1" },
    { at, key: "list:1", bytes: 900 },
  ]);
  const [user, list] = prefixCurves(trace, trace.valueBytes, [900, 1000]);
  expect(user?.hitRate).toEqual([1 / 3, 2 / 3]);
  expect(list?.hitRate).toEqual([0, 1 / 2]);
  expect(list?.byteHitRate).toEqual([0, 1 / 2]);
});
