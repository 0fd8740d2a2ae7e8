import { describe, expect, test } from "vitest";
import { differenceOf, type ResultRows } from "../../src/target/same-rows.ts";

const TEXT = 25;
const DOUBLE = 701;
const BIGINT = 20;

function result(
  types: readonly number[],
  ...rows: readonly (readonly (string | null)[])[]
): ResultRows {
  return { columns: types.map((type, at) => ({ name: `c${at}`, type })), rows };
}

describe("rows are the same", () => {
  test("whatever their order, as often as they are there", () => {
    expect(
      differenceOf(result([TEXT], ["a"], ["b"], ["a"]), result([TEXT], ["b"], ["a"], ["a"])),
    ).toBeUndefined();
    expect(differenceOf(result([TEXT], ["a"], ["a"]), result([TEXT], ["a"], ["b"]))).toMatch(
      /c0 is a, then b/,
    );
  });

  test("where sums of doubles differ in their last digits, and only there", () => {
    const sums = (value: string): ResultRows => result([DOUBLE, TEXT], [value, "x"], ["1", "y"]);
    expect(differenceOf(sums("1000.0000000001"), sums("1000.0000000002"))).toBeUndefined();
    expect(differenceOf(sums("1000.00001"), sums("1000.00002"))).toMatch(/c0 is 1000.00001/);
    expect(
      differenceOf(result([BIGINT], ["9007199254740993"]), result([BIGINT], ["9007199254740992"])),
    ).toMatch(/c0/);
  });

  test("with NULL and NaN, each only like itself", () => {
    const odd = result([DOUBLE], [null], ["NaN"], ["Infinity"]);
    expect(differenceOf(odd, result([DOUBLE], ["Infinity"], ["NaN"], [null]))).toBeUndefined();
    expect(differenceOf(result([DOUBLE], ["Infinity"]), result([DOUBLE], ["5"]))).toMatch(/then 5/);
    expect(differenceOf(result([DOUBLE], [null]), result([DOUBLE], ["0"]))).toMatch(/NULL, then 0/);
  });

  test("only under the same names and types, and in the same number", () => {
    expect(differenceOf(result([BIGINT], ["1"]), result([1700], ["1"]))).toMatch(/another type/);
    expect(differenceOf(result([TEXT]), result([TEXT, TEXT]))).toMatch(/1 columns, then 2/);
    expect(differenceOf(result([TEXT], ["a"]), result([TEXT]))).toMatch(/1 rows, then 0/);
    const renamed: ResultRows = { columns: [{ name: "n", type: TEXT }], rows: [] };
    expect(differenceOf(renamed, result([TEXT]))).toMatch(/n is then called c0/);
  });
});
