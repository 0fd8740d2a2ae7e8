import { assert, double, property } from "../properties.ts";
import { expect, test } from "vitest";
import { hopeOf } from "../../src/decide/curtail.ts";
import { looksFor } from "../../src/decide/sequential.ts";

function lastLook(pairsMax: number) {
  const last = looksFor(pairsMax).at(-1);
  if (!last) throw new Error("a trial has a last look");
  return last;
}

test.each([
  ["nothing seen in 5 of 14 pairs", 0, 5, 14, false],
  ["nothing seen in 5 of 30 pairs: much can still come", 0, 5, 30, true],
  ["nothing seen in 20 of 30 pairs", 0, 20, 30, false],
  ["two standard errors in 5 of 14 pairs", 2, 5, 14, true],
  ["two standard errors worse in 5 of 30 pairs", -2, 5, 30, false],
])("%s", (_, errors, count, pairsMax, hopeful) => {
  const hope = hopeOf({ count, mean: errors * 0.02, standardError: 0.02 }, lastLook(pairsMax));
  expect(hope >= 0.1).toBe(hopeful);
});

test("pairs without any spread are never given up", () => {
  expect(hopeOf({ count: 5, mean: 0, standardError: 0 }, lastLook(14))).toBe(1);
});

test("a better mean never has less hope", () => {
  assert(
    property(
      double({ min: -0.2, max: 0.2, noNaN: true }),
      double({ min: 0, max: 0.2, noNaN: true }),
      double({ min: 0.001, max: 0.1, noNaN: true }),
      (mean, more, standardError) => {
        const last = lastLook(20);
        const less = hopeOf({ count: 7, mean, standardError }, last);
        expect(hopeOf({ count: 7, mean: mean + more, standardError }, last)).toBeGreaterThanOrEqual(
          less - 1e-9,
        );
      },
    ),
  );
});
