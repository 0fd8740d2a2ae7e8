import * as fc from "../properties.ts";
import { expect, test } from "vitest";
import { PerfoptError } from "../../src/core/errors.ts";
import { hashKey, requestSequence } from "../../src/load/requests.ts";
import type { GeneratedRequest } from "../../src/load/requests.ts";
import type { Json, Parameter, ParameterData } from "../../src/core/workload.ts";
import { template, uniqueId, workloadOf } from "./servers.ts";

const uniform = { kind: "uniform" } as const;
const models: Parameter = {
  name: "model",
  source: { kind: "sql", query: "select name, version from models", limit: 100 },
  distribution: { kind: "zipf", exponent: 1.1 },
};
const data: ParameterData = {
  model: Array.from({ length: 50 }, (_, index) => ({ name: `model ${index}`, version: index })),
};

function take(count: number, next: () => GeneratedRequest): GeneratedRequest[] {
  return Array.from({ length: count }, () => next());
}

function bodyOf(request: GeneratedRequest): unknown {
  return JSON.parse(request.body ?? "null") as unknown;
}

function reads(parameter: Parameter) {
  return workloadOf([template({ path: "/${p}" })], [parameter]);
}

function valuesOf(
  name: string,
  rows: readonly Readonly<Record<string, string | number | boolean | null>>[],
): Parameter {
  return { name, source: { kind: "values", rows }, distribution: uniform };
}

test("the same seed gives the same requests, another seed others", () => {
  const workload = workloadOf(
    [
      template({ name: "read", weight: 3, path: "/models/${model.name}?at=${when}" }),
      template({
        name: "write",
        method: "POST",
        path: "/runs/${id}",
        body: { batch: { $repeat: 3, item: { key: "${model.name}", value: "${value}" } } },
      }),
    ],
    [
      models,
      uniqueId,
      { name: "when", source: { kind: "int", min: 1, max: 1_000_000 }, distribution: uniform },
      { name: "value", source: { kind: "float", min: 0, max: 1 }, distribution: uniform },
    ],
  );
  fc.assert(
    fc.property(fc.integer(), fc.integer(), (seed, other) => {
      const first = take(40, requestSequence(workload, data, seed));
      expect(take(40, requestSequence(workload, data, seed))).toEqual(first);
      fc.pre((seed | 0) !== (other | 0));
      expect(take(40, requestSequence(workload, data, other))).not.toEqual(first);
    }),
  );
});

test("requests come in proportion to their weights", () => {
  const workload = workloadOf([
    template({ name: "often", weight: 7 }),
    template({ name: "never", weight: 0 }),
    template({ name: "rarely", weight: 3 }),
  ]);
  const chosen = take(20_000, requestSequence(workload, {}, 1)).map((each) => each.endpoint);
  expect(chosen.filter((endpoint) => endpoint === 0).length / 20_000).toBeCloseTo(0.7, 1);
  expect(chosen.filter((endpoint) => endpoint === 2).length / 20_000).toBeCloseTo(0.3, 1);
  expect(chosen).not.toContain(1);
});

test("zipf gives rank k the frequency of 1 / k^exponent", () => {
  const workload = workloadOf([template({ path: "/${model.version}" })], [models]);
  const draws = 100_000;
  const counts = new Map<string, number>();
  for (const { path } of take(draws, requestSequence(workload, data, 3))) {
    counts.set(path, (counts.get(path) ?? 0) + 1);
  }
  const weights = Array.from({ length: 50 }, (_, index) => (index + 1) ** -1.1);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  for (const [rank, weight] of weights.entries()) {
    const expected = (draws * weight) / total;
    // Five standard deviations of a count.
    expect(Math.abs((counts.get(`/${rank}`) ?? 0) - expected)).toBeLessThan(
      5 * Math.sqrt(expected),
    );
  }
});

test("whole numbers cover min to max evenly, floats stay inside", () => {
  const workload = workloadOf(
    [template({ path: "/${n}/${x}" })],
    [
      { name: "n", source: { kind: "int", min: -2, max: 2 }, distribution: uniform },
      { name: "x", source: { kind: "float", min: 5, max: 6 }, distribution: uniform },
    ],
  );
  const counts = new Map<number, number>();
  for (const { path } of take(10_000, requestSequence(workload, {}, 1))) {
    const [, n, x] = path.split("/").map(Number);
    counts.set(n!, (counts.get(n!) ?? 0) + 1);
    expect(x).toBeGreaterThanOrEqual(5);
    expect(x).toBeLessThan(6);
  }
  expect([...counts.keys()].toSorted((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2]);
  for (const count of counts.values()) expect(count).toBeGreaterThan(1_750);
});

test("placeholders of one parameter share a row within a request", () => {
  const workload = workloadOf(
    [
      template({
        method: "PUT",
        path: "/${model.name}/${model.version}",
        headers: { "x-version": "v${model.version}" },
        body: { name: "${model.name}" },
      }),
    ],
    [models],
  );
  for (const request of take(200, requestSequence(workload, data, 5))) {
    const version = request.path.split("/").at(-1);
    expect(request.path).toBe(`/model%20${version}/${version}`);
    expect(request.headers["x-version"]).toBe(`v${version}`);
    expect(bodyOf(request)).toEqual({ name: `model ${version}` });
  }
});

test("every item of a $repeat draws a new row, apart from the request's own", () => {
  const workload = workloadOf(
    [
      template({
        method: "POST",
        path: "/${model.version}",
        body: {
          own: "${model.version}",
          items: {
            $repeat: 20,
            item: { step: "${index}", name: "${model.name}", version: "${model.version}" },
          },
          none: { $repeat: 0, item: "${model.name}" },
        },
      }),
    ],
    [{ ...models, distribution: uniform }],
  );
  const [request] = take(1, requestSequence(workload, data, 5));
  const body: {
    own: number;
    items: { step: number; name: string; version: number }[];
    none: unknown[];
  } = JSON.parse(request!.body ?? "");
  expect(request!.path).toBe(`/${body.own}`);
  expect(body.none).toEqual([]);
  expect(body.items.map((item) => item.step)).toEqual(Array.from({ length: 20 }, (_, i) => i));
  for (const item of body.items) expect(item.name).toBe(`model ${item.version}`);
  expect(new Set(body.items.map((item) => item.version)).size).toBeGreaterThan(10);
});

test("$repeat may stand within $repeat", () => {
  const body: Json = { $repeat: 2, item: { $repeat: 2, item: ["${index}", "n${n}"] } };
  const workload = workloadOf([template({ method: "POST", body })], [valuesOf("n", [{ only: 7 }])]);
  const [request] = take(1, requestSequence(workload, {}, 1));
  const inner = [
    [0, "n7"],
    [1, "n7"],
  ];
  expect(bodyOf(request!)).toEqual([inner, inner]);
});

test("any value survives the path's encoding and the body's, in its own type", () => {
  const scalar = fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
  );
  fc.assert(
    fc.property(scalar, (value) => {
      const workload = workloadOf(
        [
          template({
            method: "POST",
            path: "/a/${v}/b?q=${v}",
            body: { whole: "${v.x}", part: "<${v}>", list: ["${v}", 1, null, '"${v}\\'] },
          }),
        ],
        [valuesOf("v", [{ x: value }])],
      );
      const [request] = take(1, requestSequence(workload, {}, 1));
      const text = value === null ? "" : String(value);
      const match = /^\/a\/([^/]*)\/b\?q=([^/&]*)$/.exec(request!.path);
      expect(decodeURIComponent(match?.[1] ?? "no match")).toBe(text);
      expect(match?.[2]).toBe(match?.[1]);
      expect(bodyOf(request!)).toEqual({
        whole: value,
        part: `<${text}>`,
        list: [value, 1, null, `"${text}\\`],
      });
    }),
  );
});

test("a body brings its content type, unless the template names one", () => {
  const next = requestSequence(
    workloadOf([template({ method: "POST", body: {}, headers: { accept: "*/*" } })]),
    {},
    1,
  );
  expect(next().headers).toEqual({ accept: "*/*", "content-type": "application/json" });
  const own = requestSequence(
    workloadOf([template({ method: "POST", body: {}, headers: { "Content-Type": "text/plain" } })]),
    {},
    1,
  );
  expect(own().headers).toEqual({ "Content-Type": "text/plain" });
});

test("unique texts never repeat, not even between seeds, and are letters and digits", () => {
  const workload = workloadOf([template({ path: "/${id}" })], [uniqueId]);
  const seen = new Set<string>();
  for (const seed of [0, 1, -1, 2 ** 31, 12_345]) {
    for (const { path } of take(2_000, requestSequence(workload, {}, seed))) {
      expect(path).toMatch(/^\/[a-z0-9]+$/);
      seen.add(path);
    }
  }
  expect(seen.size).toBe(5 * 2_000);
});

test.each([
  ["an unknown parameter", "/${modle.name}", /"get".*\$\{modle\.name\}.*"modle".*model, pair/],
  ["an unknown column", "/${model.nmae}", /"get".*\$\{model\.nmae\}.*"nmae".*name, version/],
  ["a column that must be named", "/${pair}", /"get".*\$\{pair\}.*a, b/],
  ["a column of a single value", "/${n.x}", /"get".*\$\{n\.x\}.*\$\{n\}/],
  ["an index outside a repeat", "/${index}", /"get".*index.*\$repeat/],
])("%s is bad input that names request and placeholder", (_what, path, message) => {
  const workload = workloadOf(
    [template({ path })],
    [
      models,
      valuesOf("pair", [{ a: 1, b: 2 }]),
      { name: "n", source: { kind: "int", min: 1, max: 2 }, distribution: uniform },
    ],
  );
  expectBadInput(() => requestSequence(workload, data, 1), message);
});

test.each<[string, Json, RegExp]>([
  ["a count that is no whole number", { $repeat: 1.5, item: 1 }, /whole number.*1\.5/],
  ["no item", { $repeat: 2 }, /"item"/],
  ["another member", { $repeat: 2, item: 1, extra: 2 }, /extra/],
])("a $repeat with %s is bad input", (_what, body, message) => {
  const workload = workloadOf([template({ method: "POST", body })]);
  expectBadInput(() => requestSequence(workload, {}, 1), message);
});

test("parameters that cannot be drawn, and mixes without weight, are bad input", () => {
  expectBadInput(
    () => requestSequence(reads({ ...models, name: "p" }), {}, 1),
    /"p".*no rows loaded/,
  );
  expectBadInput(() => requestSequence(reads(valuesOf("p", [])), {}, 1), /"p".*no rows/);
  expectBadInput(
    () => requestSequence(reads(valuesOf("p", [{ x: 1 }, { y: 2 }])), {}, 1),
    /"p".*"x".*row 2/,
  );
  expectBadInput(
    () =>
      requestSequence(
        reads({ name: "p", source: { kind: "int", min: 3, max: 2 }, distribution: uniform }),
        {},
        1,
      ),
    /"p".*min/,
  );
  expectBadInput(
    () => requestSequence(workloadOf([template({ weight: 0 })]), {}, 1),
    /weight above 0/,
  );
  expectBadInput(() => requestSequence(workloadOf([template({ weight: -1 })]), {}, 1), /-1/);
});

test("keys tell requests apart by method, path and body, and fit a double exactly", () => {
  const keys = new Set<number>();
  for (let index = 0; index < 100_000; index += 1) {
    keys.add(hashKey({ method: "GET", path: `/models/${index}`, body: undefined }));
    keys.add(hashKey({ method: "POST", path: "/models", body: `{"id":${index}}` }));
  }
  // At 53 bits the chance of one collision among 200,000 is 2 in a million.
  expect(keys.size).toBe(200_000);
  expect([...keys].every((key) => Number.isSafeInteger(key) && key >= 0)).toBe(true);
  const get = { method: "GET", path: "/a", body: undefined } as const;
  expect(hashKey(get)).toBe(hashKey({ ...get }));
  expect(hashKey(get)).not.toBe(hashKey({ ...get, method: "DELETE" }));
});

function expectBadInput(act: () => unknown, message: RegExp): void {
  expect(act).toThrowError(message);
  expect(act).toThrowError(PerfoptError);
  expect(act).toThrowError(expect.objectContaining({ code: "bad-input" }));
}
