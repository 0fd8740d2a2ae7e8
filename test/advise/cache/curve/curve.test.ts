import { describe, expect, test } from "vitest";
import type { Accesses } from "../../../../src/advise/cache/curve/accesses.ts";
import { exactCurve, hitCurve, sampledCurve } from "../../../../src/advise/cache/curve/curve.ts";
import { logSizes } from "../../../../src/advise/cache/curve/log-sizes.ts";
import { drawnTrace } from "../traces.ts";
import { bruteForce, drawnAccesses, type Drawn } from "./brute-force.ts";

const drawn: Drawn = { seed: 1, rows: 5000, keys: 300, bytesMax: 100 };

describe("the exact curve is that of an LRU cache of each size", () => {
  test.each<[string, Partial<Drawn>, number]>([
    ["of gets alone", {}, 100],
    ["with other operations", { otherOf10: 4 }, 100],
    ["where entries change their size", { resized: true }, 100],
    ["where entries are larger than the cache", {}, 10],
    ["where they are, with other operations", { otherOf10: 2 }, 10],
  ])("%s", (_, changes, smallest) => {
    const accesses = drawnAccesses({ ...drawn, ...changes });
    const sizes = logSizes(smallest, 20_000, 20);
    const curve = exactCurve(accesses, sizes);
    expect(curve.method).toBe("exact");
    for (const [at, size] of sizes.entries()) {
      const [brute] = bruteForce(accesses, size);
      expect(curve.hitRate[at]).toBe((brute?.hits ?? 0) / (brute?.gets ?? 0));
      expect(curve.byteHitRate[at]).toBe((brute?.hitBytes ?? 0) / (brute?.bytes ?? 0));
    }
  });

  test("distances and caches size by size count the same", () => {
    const plain = drawnAccesses({ ...drawn, bytesMax: 60 });
    // A key that comes once, larger than the smallest size: it is a miss at every size that matters.
    const odd: Accesses = {
      key: Uint32Array.from([drawn.keys, ...plain.key]),
      bytes: Float64Array.from([1e9, ...plain.bytes]),
      keyCount: drawn.keys + 1,
    };
    const sizes = logSizes(60, 20_000, 20);
    const [a, b] = [exactCurve(plain, sizes), exactCurve(odd, sizes)];
    expect(b.hitRate.map((rate) => Math.round(rate * 5001))).toEqual(
      a.hitRate.map((rate) => Math.round(rate * 5000)),
    );
  });
});

describe("operations", () => {
  test("what is set is there, and is no get", () => {
    expect(hitRateOf("s1 g1 g2")).toBe(1 / 2);
    expect(hitRateOf("g1 g2 s1 g3 g1")).toBe(1 / 4);
  });

  test("what is deleted is gone, and its room is free", () => {
    expect(hitRateOf("g1 d1 g1")).toBe(0);
    expect(hitRateOf("g1 g2 d2 g3 g1")).toBe(1 / 4);
    expect(hitRateOf("g1 g2 g3 d3 g1")).toBe(0);
  });

  test("what is written elsewhere stays", () => {
    expect(hitRateOf("g1 w1 g1 w2 g2")).toBe(1 / 3);
  });

  test("nothing asked: no hit rate above 0", () => {
    expect(hitRateOf("s1")).toBe(0);
    expect(hitRateOf("")).toBe(0);
  });
});

describe("samples", () => {
  const trace = drawnTrace({
    rows: 150_000,
    keys: 20_000,
    zipf: 0.8,
    getsPerSecond: 1000,
    seed: 4,
  });
  const accesses: Accesses = { ...trace, bytes: trace.valueBytes };
  const sizes = logSizes(100_000, 10_000_000, 25);
  const exact = exactCurve(accesses, sizes);

  test("are close to all keys, and say how close", () => {
    const curve = sampledCurve(accesses, sizes, { keysMax: 8192, samples: 4, seed: 1 });
    expect(curve.method).toBe("sampled");
    expect(curve.samples).toBe(4);
    expect(errorOf(curve.hitRate, exact.hitRate)).toBeLessThan(0.01);
    expect(errorOf(curve.byteHitRate, exact.byteHitRate)).toBeLessThan(0.02);
    const spread = curve.spread ?? [];
    expect(spread).toHaveLength(sizes.length);
    const within = sizes.filter(
      (_, at) =>
        Math.abs((curve.hitRate[at] ?? 0) - (exact.hitRate[at] ?? 0)) <= 1.5 * (spread[at] ?? 0),
    );
    expect(within.length).toBeGreaterThan(sizes.length / 2);
  });

  test("get closer the more keys they have", () => {
    const errors = [500, 4000, 16_000].map((keysMax) => {
      const each = [1, 2, 3].map((seed) =>
        errorOf(
          sampledCurve(accesses, sizes, { keysMax, samples: 1, seed }).hitRate,
          exact.hitRate,
        ),
      );
      return each.reduce((sum, error) => sum + error, 0);
    });
    expect(errors).toEqual(errors.toSorted((a, b) => b - a));
  });

  test("that hold all keys are exact", () => {
    const all = sampledCurve(accesses, sizes, { keysMax: 20_000, samples: 2, seed: 1 });
    expect(all.hitRate).toEqual(exact.hitRate);
    expect(all.spread).toEqual(sizes.map(() => 0));
  });

  test("are the same for the same seed, and of one alone there is no spread", () => {
    const options = { keysMax: 1000, samples: 1, seed: 9 };
    const curve = sampledCurve(accesses, sizes, options);
    expect(curve).toEqual(sampledCurve(accesses, sizes, options));
    expect(curve.spread).toBeUndefined();
  });

  test("are taken when there are too many keys", () => {
    expect(hitCurve(accesses, sizes).method).toBe("exact");
    const sampled = hitCurve(accesses, sizes, { keysExactMax: 19_999, seed: 2 });
    expect(sampled.method).toBe("sampled");
    expect(sampled.samples).toBe(4);
  });

  test("operations that are no gets", () => {
    const mixed = drawnTrace({
      rows: 150_000,
      keys: 20_000,
      zipf: 0.8,
      getsPerSecond: 1000,
      seed: 4,
      writes: { share: 0.1, op: "set" },
    });
    const of = { ...mixed, bytes: mixed.valueBytes };
    const options = { keysMax: 8192, samples: 4, seed: 1 };
    expect(
      errorOf(sampledCurve(of, sizes, options).hitRate, exactCurve(of, sizes).hitRate),
    ).toBeLessThan(0.01);
  });

  test.each<[string, number | undefined, number, number]>([
    ["corrected by the number of all gets", 150_000, 0.015, 0.05],
    ["alone", undefined, 0.1, 0.2],
  ])("a trace of every fifth key stands for the whole, %s", (_, getsOfAll, error, bytesError) => {
    const curves = [0, 1, 2].map((remainder) => {
      const part = everyFifth(accesses, remainder, getsOfAll);
      return [
        exactCurve(part, sizes),
        sampledCurve(part, sizes, { keysMax: 4000, samples: 2, seed: 1 }),
      ];
    });
    for (const curve of curves.flat()) {
      expect(curve.method).toBe("sampled");
      expect(errorOf(curve.hitRate, exact.hitRate)).toBeLessThan(error);
      expect(errorOf(curve.byteHitRate, exact.byteHitRate)).toBeLessThan(bytesError);
    }
    const offs = curves.flatMap(([{ hitRate, spread = [] } = exact]) =>
      spread.map((each, at) => Math.abs((hitRate[at] ?? 0) - (exact.hitRate[at] ?? 0)) / each),
    );
    expect(offs).toHaveLength(3 * sizes.length);
    expect(offs.filter((off) => off <= 1).length / offs.length).toBeGreaterThan(0.6);
  });
});

/** Keys by their place in the order of popularity would not be a fair sample; a multiplication mixes them. */
function everyFifth(
  accesses: Accesses,
  remainder: number,
  getsOfAll: number | undefined,
): Accesses {
  const rows = [...accesses.key.keys()].filter(
    (row) => (Math.imul(accesses.key[row] ?? 0, 0x9e3779b1) >>> 8) % 5 === remainder,
  );
  return {
    key: Uint32Array.from(rows, (row) => accesses.key[row] ?? 0),
    bytes: Uint32Array.from(rows, (row) => accesses.bytes[row] ?? 0),
    keyCount: accesses.keyCount,
    sampledShare: 0.2,
    ...(getsOfAll === undefined ? {} : { getsOfAll }),
  };
}

/** Of a cache with room for two: g, s, d, w for the operation, and the key. */
function hitRateOf(text: string): number | undefined {
  const rows = text.split(" ").filter(Boolean);
  const accesses = {
    key: Uint32Array.from(rows, (row) => Number(row.slice(1))),
    bytes: new Uint32Array(rows.length).fill(40),
    keyCount: 9,
    operation: Uint8Array.from(rows, (row) => "gsdw".indexOf(row[0] ?? "")),
  };
  return exactCurve(accesses, [100]).hitRate[0];
}

function errorOf(rates: readonly number[], of: readonly number[]): number {
  return rates.reduce((sum, rate, at) => sum + Math.abs(rate - (of[at] ?? 0)), 0) / rates.length;
}
