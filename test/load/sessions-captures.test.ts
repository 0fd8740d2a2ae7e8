import { expect, test } from "vitest";
import { captureReader } from "../../src/load/sessions-captures.ts";
import { json } from "./stage.ts";

test.each<[string, unknown, readonly (string | number)[], unknown]>([
  ["a text", { run: { info: { run_id: "r1" } } }, ["run", "info", "run_id"], "r1"],
  ["an item's number", [{ id: 7 }], [0, "id"], 7],
  ["false", { ok: false }, ["ok"], false],
  ["no such key", { run: {} }, ["run", "id"], undefined],
  ["no such item", { runs: [] }, ["runs", 0], undefined],
  ["null", { id: null }, ["id"], undefined],
  ["a map", { id: {} }, ["id"], undefined],
  ["a name that every map inherits", {}, ["constructor", "name"], undefined],
])("a capture finds %s", (_, body, path, value) => {
  const captured: (string | number | boolean | null)[] = ["before"];
  const reader = captureReader([json("x", ...path)], new Map([["x", 1]]));
  const found = reader.read({ status: 200, headers: {}, body: JSON.stringify(body) }, captured);
  expect(reader.needsBody).toBe(true);
  expect(found).toBe(value !== undefined);
  expect(captured).toEqual(value === undefined ? ["before"] : ["before", value]);
});

test("a body that is no JSON has nothing, and headers need no body", () => {
  const positions = new Map([["x", 0]]);
  const body = captureReader([json("x", "id")], positions);
  expect(body.read({ status: 200, headers: {}, body: "<html>" }, [])).toBe(false);
  const header = captureReader(
    [{ name: "x", from: { kind: "header", header: "ETag" } }],
    positions,
  );
  const captured: (string | number | boolean | null)[] = [];
  expect(header.needsBody).toBe(false);
  expect(
    header.read({ status: 200, headers: { etag: ["a", "b"] }, body: undefined }, captured),
  ).toBe(true);
  expect(captured).toEqual(["a"]);
  expect(header.read({ status: 200, headers: {}, body: undefined }, captured)).toBe(false);
});
