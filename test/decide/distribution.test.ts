import * as fc from "../properties.ts";
import { describe, expect, test } from "vitest";
import { normalTail, studentQuantile, studentTail } from "../../src/decide/distribution.ts";

describe("the normal distribution", () => {
  test.each([
    [0, 0.5],
    [1, 0.158655253931457],
    [1.959963984540054, 0.025],
    [-1.644853626951473, 0.95],
    [3.090232306167813, 0.001],
    [5, 2.866515718791939e-7],
  ])("leaves above z = %d the area %d", (z, tail) => {
    expect(Math.abs(normalTail(z) - tail)).toBeLessThan(1e-14);
  });
});

describe("Student's t", () => {
  test.each([0, 1, -0.1, Number.NaN])("has no quantile for a tail of %d", (tail) => {
    expect(() => studentQuantile(tail, 4)).toThrow(RangeError);
  });

  // Printed tables: Fisher and Yates (1963), table III; two-sided 10, 5, 2, 1 and 0.1 %.
  test.each([
    [1, [6.314, 12.706, 31.821, 63.657, 636.619]],
    [2, [2.92, 4.303, 6.965, 9.925, 31.599]],
    [3, [2.353, 3.182, 4.541, 5.841, 12.924]],
    [4, [2.132, 2.776, 3.747, 4.604, 8.61]],
    [6, [1.943, 2.447, 3.143, 3.707, 5.959]],
    [9, [1.833, 2.262, 2.821, 3.25, 4.781]],
    [13, [1.771, 2.16, 2.65, 3.012, 4.221]],
    [19, [1.729, 2.093, 2.539, 2.861, 3.883]],
    [29, [1.699, 2.045, 2.462, 2.756, 3.659]],
    [60, [1.671, 2.0, 2.39, 2.66, 3.46]],
  ])("agrees with the table at %d degrees of freedom", (degrees, values) => {
    const tails = [0.05, 0.025, 0.01, 0.005, 0.0005];
    expect(tails.map((tail) => Number(studentQuantile(tail, degrees).toFixed(3)))).toEqual(values);
  });

  test("the quantile undoes the tail, and both sides are alike", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 30, noNaN: true }),
        fc.integer({ min: 1, max: 60 }),
        (t, degrees) => {
          const tail = studentTail(t, degrees);
          expect(tail + studentTail(-t, degrees)).toBeCloseTo(1, 12);
          // Beyond this the area is below what a double can resolve next to 1.
          if (tail > 1e-10) expect(studentQuantile(tail, degrees)).toBeCloseTo(t, 3);
        },
      ),
    );
  });

  test("nothing lies beyond infinity", () => {
    expect([studentTail(Infinity, 4), studentTail(-Infinity, 4)]).toEqual([0, 1]);
  });
});
