import { describe, expect, test } from "vitest";
import { GET } from "../../../../src/core/cache-trace.ts";
import { createTraceBuilder } from "../../../../src/advise/cache/trace/builder.ts";
import { createPrefixTable } from "../../../../src/advise/cache/trace/prefix-table.ts";
import { readTrace } from "../../../../src/advise/cache/trace/read.ts";
import { chunksOf } from "./chunks.ts";

/** The prefix of each key, and all prefixes. */
function prefixesOf(keys: readonly string[], given?: (key: string) => string | undefined) {
  const builder = createTraceBuilder("a test");
  keys.forEach((keyText, timeMs) =>
    builder.add({ timeMs, operation: GET, keyText, valueBytes: 1, prefix: given?.(keyText) }),
  );
  const { prefixes, prefixOf } = builder.finish();
  return { prefixes, ofKeys: Array.from(prefixOf, (number) => prefixes[number]) };
}

const many = (count: number, key: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => key(index));
const names = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"];

describe("prefixes that were derived from keys", () => {
  test("are kept from eight different keys on", () => {
    expect(prefixesOf(many(8, (index) => `model:${index}`)).prefixes).toEqual(["", "model"]);
    const seven = many(7, (index) => `model:${index}`);
    expect(prefixesOf([...seven, ...seven]).prefixes).toEqual([""]);
  });

  test("of few keys, which may be names, are counted with what they begin with", () => {
    const { prefixes, ofKeys } = prefixesOf([
      ...names.map((name) => `session:${name}:cart`),
      ...names.slice(1).map((name) => `user/${name}_smith/profile`),
      ...many(9, (index) => `api/v2/models/${index}`),
    ]);
    expect(prefixes).toEqual(["", "session", "api/v2/models"]);
    expect(ofKeys).toEqual([
      ...Array<string>(8).fill("session"),
      ...Array<string>(7).fill(""),
      ...Array<string>(9).fill("api/v2/models"),
    ]);
  });

  test("go as far up as it takes, each level with all that is below it", () => {
    const keys = names.flatMap((name) => [`shop:cart:${name}:a:1`, `shop:order:${name}.b:1`]);
    expect(prefixesOf([...keys.slice(0, 14), "shop:1"]).prefixes).toEqual(["", "shop"]);
    expect(prefixesOf(keys).prefixes).toEqual(["", "shop:cart", "shop:order"]);
  });

  test.each(["session:alice:cart", "user/john_smith/profile", "a::b::c"])(
    "no reader lets %s through",
    async (key) => {
      const texts = [
        `time_s,key,size\n1,${key},1\n2,${key},1\n`,
        `{"time_s":1,"key":"${key}"}\n`,
        `1700000000.0 [0 127.0.0.1:1] "GET" "${key}"\n`,
      ];
      for (const text of texts) {
        expect((await readTrace(chunksOf(text), "f")).prefixes).toEqual([""]);
      }
    },
  );

  test("beyond the thousands are counted with what they begin with too", () => {
    const word = (index: number) =>
      many(4, (place) => String.fromCodePoint(97 + ((index >> (4 * place)) & 15))).join("");
    const { prefixes, ofKeys } = prefixesOf(many(10_000, (index) => `user:${word(index)}:cart`));
    expect(prefixes).toEqual(["", "user"]);
    expect(ofKeys.every((prefix) => prefix === "user")).toBe(true);
  });
});

test("prefixes that the source names are kept, however few keys have them", async () => {
  expect(prefixesOf(["a:1", "b:1"], (key) => (key === "a:1" ? "kind" : undefined))).toEqual({
    prefixes: ["", "kind"],
    ofKeys: ["kind", ""],
  });
  const csv = await readTrace(chunksOf("time_s,key,prefix\n1,a:b:c,mine\n2,a:b:d,\n"), "f");
  expect([csv.prefixes, Array.from(csv.prefixOf)]).toEqual([
    ["", "mine"],
    [1, 0],
  ]);
  const json = await readTrace(chunksOf('{"time_s":1,"key":"a:b","prefix":"mine"}\n'), "f");
  expect(json.prefixes).toEqual(["", "mine"]);
});

test("a derived prefix that the source names elsewhere is kept, and takes in what is below it", () => {
  const table = createPrefixTable();
  const below = table.numberOfDerived("session:alice");
  const given = table.numberOfGiven("session");
  const prefixOf = Uint16Array.of(below, given, 0);
  expect(table.finish(prefixOf)).toEqual(["", "session"]);
  expect(Array.from(prefixOf)).toEqual([1, 1, 0]);
});
