import { expect, test } from "vitest";
import { createScopes } from "../../src/tracer/scopes.ts";

const keyOf = (number: number) => ({ high: number * 7919, low: number * 104_729, bytes: 8 });

test("the keys that are known longest are forgotten when there are too many", () => {
  const scopes = createScopes(3);
  for (let key = 1; key <= 5; key += 1) scopes.depends(keyOf(key), ["all", `key ${key}`]);
  const found: number[] = [];
  scopes.invalidated(["all", "key 1"], ({ high }) => found.push(high));
  expect(found).toEqual([3, 4, 5].map((key) => key * 7919));
});
