/** A plan for a structure is for people: no change of a target can be made of one. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, expectTypeOf, test } from "vitest";
import type { Change } from "../../../src/core/knob.ts";
import type { Target } from "../../../src/core/ports.ts";
import type { StructurePlan } from "../../../src/core/structure.ts";

const src = resolve(import.meta.dirname, "../../../src");

test("what a target applies is no plan, and no kind of change makes a view or partitions", () => {
  expectTypeOf<StructurePlan>().not.toExtend<Parameters<Target["apply"]>[0]>();
  const kinds: Readonly<Record<Change["kind"], true>> = {
    "set-knob": true,
    "create-index": true,
    "create-statistics": true,
  };
  expect(Object.keys(kinds)).not.toContain("create-structure");
});

test("neither the loop nor the live target knows of plans", () => {
  const files = [
    "optimize.ts",
    "core/knob.ts",
    "target/live.ts",
    "target/arm.ts",
    ...readdirSync(join(src, "optimize")).map((file) => `optimize/${file}`),
  ];
  expect(
    files.filter((file) =>
      /core\/structure|\.\/structure/.test(readFileSync(join(src, file), "utf8")),
    ),
  ).toEqual([]);
});
