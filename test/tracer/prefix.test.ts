import { expect, test } from "vitest";
import { prefixOfKey } from "../../src/advise/cache/trace/prefix.ts";
import { derivedPrefix } from "../../src/tracer/prefix.ts";

test("the library and the readers of traces derive the same prefixes", () => {
  const parts = ["models", "get", "v2", "v123", "42", "deadbeef", "ünï", "a_b", "x".repeat(21), ""];
  const delimiters = [":", "/", ".", "-", "::"];
  for (const first of parts) {
    for (const second of parts) {
      for (const delimiter of delimiters) {
        const key = `${first}${delimiter}${second}:last`;
        expect(derivedPrefix(key), key).toBe(prefixOfKey(key));
      }
    }
  }
  expect(derivedPrefix("models/get:42:full")).toBe("models/get");
});
