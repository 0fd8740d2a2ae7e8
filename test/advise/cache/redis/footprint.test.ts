import { describe, expect, test } from "vitest";
import {
  classesOf,
  roundUpOf,
  type ClassesOfAllocator,
} from "../../../../src/advise/cache/redis/allocator.ts";
import {
  calibratedFootprint,
  entryBytesOf,
  formulaFootprint,
  overheadBytes,
  withSizes,
} from "../../../../src/advise/cache/redis/footprint.ts";
import { traceOf } from "../traces.ts";

describe("an allocator's classes", () => {
  const cases: readonly [ClassesOfAllocator, readonly (readonly [number, number])[]][] = [
    [
      "jemalloc-16",
      [
        [1, 8],
        [9, 16],
        [24, 32],
        [128, 128],
        [129, 160],
        [257, 320],
        [5000, 5120],
      ],
    ],
    [
      "jemalloc-8",
      [
        [1, 8],
        [9, 16],
        [17, 24],
        [33, 40],
        [64, 64],
        [65, 80],
        [129, 160],
      ],
    ],
    [
      "libc",
      [
        [1, 24],
        [24, 24],
        [25, 40],
        [100, 104],
      ],
    ],
  ];
  test.each(cases)("%s", (classes, sizes) => {
    for (const [asked, taken] of sizes) expect(roundUpOf[classes](asked)).toBe(taken);
  });

  test("INFO's mem_allocator says which: the bundled copy has steps of 8", () => {
    expect(classesOf("jemalloc-5.3.0")).toBe("jemalloc-16");
    expect(classesOf("jemalloc-5.1.0")).toBe("jemalloc-8");
    expect(classesOf("libc")).toBe("libc");
    expect(classesOf(undefined)).toBe("jemalloc-16");
  });
});

describe("an entry by formula", () => {
  const footprint = formulaFootprint("jemalloc-5.3.0", "7.0.15");
  // Measured on Redis 7.0.15 of Debian, without the slots of the tables.
  test.each([
    [12, 10, false, 80],
    [20, 44, false, 128],
    [20, 45, false, 144],
    [20, 100, false, 192],
    [20, 100, true, 224],
    [20, 300, true, 432],
    [40, 300, true, 448],
    [20, 10_000, false, 10_320],
  ])("key %i, value %i, expires %s: %i", (keyBytes, valueBytes, expires, bytes) => {
    expect(footprint.entryBytes(keyBytes, valueBytes, expires)).toBe(bytes);
  });

  test("tables double, and there is none without keys", () => {
    expect(footprint.tableBytes(0, 0)).toBe(0);
    expect(footprint.tableBytes(1, 0)).toBe(32);
    expect(footprint.tableBytes(1024, 0)).toBe(8 * 1024);
    expect(footprint.tableBytes(1025, 3)).toBe(8 * 2048 + 32);
  });

  test("says that it is one, and what an entry has beside its key and value", () => {
    expect(footprint.facts).toMatchObject({ from: "formula", serverVersion: "7.0.15" });
    expect(footprint.facts.overheadBytesMean).toBe(footprint.entryBytes(24, 300, false) - 324);
  });

  test("more commands and connections leave less for keys", () => {
    const one = overheadBytes({ clientBytes: 0, commands: 1 });
    expect(overheadBytes({ clientBytes: 1000, commands: 3 })).toBe(1000 + 3 * one);
  });
});

function shapesOf(bytesOf: (key: number, value: number, expires: boolean) => number) {
  return [10, 20, 33, 60].flatMap((keyBytes) =>
    [10, 44, 45, 90, 130, 500].flatMap((valueBytes) =>
      [false, true].map((expires) => ({
        keyBytes,
        valueBytes,
        expires,
        bytesMeasured: bytesOf(keyBytes, valueBytes, expires),
      })),
    ),
  );
}

describe("calibrated", () => {
  test("finds the allocator's steps and what the formula lacks", () => {
    const bundled = formulaFootprint("jemalloc-5.1.0");
    const shapes = shapesOf(
      (key, value, expires) => bundled.entryBytes(key, value, expires) + 8 + (expires ? -16 : 0),
    );
    const footprint = calibratedFootprint(shapes, { startupBytes: 123, serverVersion: "6.2.7" });
    expect(footprint.facts).toMatchObject({
      from: "calibrated",
      serverVersion: "6.2.7",
      residual: 0,
    });
    expect(footprint.startupBytes).toBe(123);
    expect(footprint.entryBytes(25, 200, false)).toBe(bundled.entryBytes(25, 200, false) + 8);
    expect(footprint.entryBytes(25, 200, true)).toBe(bundled.entryBytes(25, 200, true) - 8);
  });

  test("one shape that was disturbed is seen in the residual, and moves no other", () => {
    const formula = formulaFootprint();
    const shapes = shapesOf((...shape) => formula.entryBytes(...shape));
    const disturbed = shapes.map((shape, index) =>
      index === 5 ? { ...shape, bytesMeasured: shape.bytesMeasured * 1.5 } : shape,
    );
    const footprint = calibratedFootprint(disturbed);
    expect(footprint.facts.residual).toBeCloseTo(1 / 3, 5);
    expect(footprint.entryBytes(24, 300, false)).toBe(formula.entryBytes(24, 300, false));
  });

  test("without any shape it is the formula, and says so", () => {
    expect(calibratedFootprint([]).facts.from).toBe("formula");
  });
});

test("a trace's entries: rows without a size have what is known of their key, or the mean", () => {
  const footprint = formulaFootprint();
  const trace = traceOf([
    { at: 0, key: "known-key", bytes: 0 },
    { at: 1, key: "known-key", bytes: 500, ttl: 1000 },
    { at: 2, key: "other-key", bytes: 0 },
    { at: 3, key: "third-key", bytes: 300 },
  ]);
  expect([...entryBytesOf(trace, footprint)]).toEqual([
    footprint.entryBytes(9, 500, false),
    footprint.entryBytes(9, 500, true),
    footprint.entryBytes(9, 400, false),
    footprint.entryBytes(9, 300, false),
  ]);
});

test("sizes of values and names that nobody knows are filled in, all others stay", () => {
  const rows = [
    { at: 0, key: "a", bytes: 0 },
    { at: 1, key: "b", bytes: 100 },
  ];
  const unnamed = withSizes(traceOf(rows, { keyBytes: new Uint16Array(2) }));
  expect([...unnamed.valueBytes]).toEqual([100, 100]);
  expect([...unnamed.keyBytes]).toEqual([24, 24]);
  const half = withSizes(traceOf(rows, { keyBytes: Uint16Array.of(0, 40) }));
  expect([...half.keyBytes]).toEqual([40, 40]);
});
