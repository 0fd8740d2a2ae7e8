/** The capacity block of a persona: what it becomes, and what is said of mistakes in it. */
import { afterAll, describe, expect, test } from "vitest";
import { loadPersona } from "../../src/profiles/persona.ts";
import { edit, openFolder, problemsOf } from "./fixture.ts";
import { BASE } from "./persona-fixture.ts";

const folder = openFolder();
afterAll(() => folder.remove());

const load = (text: string) =>
  loadPersona(folder.write("p.yaml", text), {
    profilesDir: folder.path,
    knownTuners: ["micro-cache"],
  });
const problems = (text: string) => problemsOf(folder, () => load(text));

const CAPACITY = `capacity:
  users:
    think: { exponential: 1s }
    slos: [p95<200ms, "errors<1%"]
    window: 3s
  overload: { window: 5s }
`;

test("a capacity block, with its goals", async () => {
  const goals = "  - { metric: api.usersSustained, goal: 500, weight: 3 }\nstrategies:";
  const persona = await load(
    edit(edit(BASE, "strategies:", goals), "strategies:", `${CAPACITY}strategies:`),
  );
  expect(persona.capacity).toEqual({
    users: {
      think: { kind: "exponential", meanMs: 1_000 },
      slos: [
        { metric: "api.latencyP95Ms", limit: 200, text: "p95<200ms" },
        { metric: "api.errorRate", limit: 0.01, text: "errors<1%" },
      ],
      windowMs: 3_000,
      windowsMax: 24,
    },
    overload: { factor: 2, windowMs: 5_000 },
  });
  expect(persona.capacityObjectives).toEqual([
    { metric: "api.usersSustained", goal: 500, weight: 3 },
  ]);
});

test("an overload whose answers have a time limit, and its goal", async () => {
  const goals = "  - { metric: api.goodputUnderOverload, goal: 90%, weight: 2 }\nstrategies:";
  const block = "capacity: { overload: { window: 5s, within: 500ms } }\nstrategies:";
  const persona = await load(edit(edit(BASE, "strategies:", goals), "strategies:", block));
  expect(persona.capacity).toEqual({ overload: { factor: 2, windowMs: 5_000, withinMs: 500 } });
  expect(persona.capacityObjectives).toEqual([
    { metric: "api.goodputUnderOverload", goal: 0.9, weight: 2 },
  ]);
});

describe("a mistake in a capacity block is named with its place", () => {
  const text = edit(BASE, "strategies:", `${CAPACITY}strategies:`);
  test.each<[what: string, from: string, to: string, message: string]>([
    [
      "an SLO that is none",
      "p95<200ms",
      "p95>200ms",
      "p.yaml:21:12: capacity.users.slos[0]: API p95 is better lower: write p95<200ms",
    ],
    [
      "an SLO of what is varied",
      "p95<200ms",
      "rps>100",
      "p.yaml:21:12: capacity.users.slos[0]: expected a limit of latencies or errors: the load is what is being varied",
    ],
    [
      "a think time without unit",
      "{ exponential: 1s }",
      "{ exponential: 1 }",
      "p.yaml:20:12: capacity.users.think: expected a pause such as 2s, { uniform: [1s, 3s] } or { exponential: 2s }",
    ],
    [
      "no overload at all",
      "{ window: 5s }",
      "{ window: 5s, factor: 0.5 }",
      "p.yaml:23:35: capacity.overload.factor: expected a number above 1, found 0.5",
    ],
    [
      "nothing to measure",
      CAPACITY,
      "capacity: {}\n",
      "p.yaml:18:11: capacity: expected users, overload or both, found neither",
    ],
    [
      "a goal that nothing measures",
      CAPACITY.slice(0, CAPACITY.indexOf("  overload")) + "  overload: { window: 5s }\nstrategies:",
      "  - { metric: api.usersSustained, goal: 500, weight: 3 }\ncapacity: { overload: { window: 5s } }\nstrategies:",
      "p.yaml:18:15: objectives[2].metric: expected a block capacity.users, which measures api.usersSustained, found none",
    ],
    [
      "a goal of goodput without overload",
      `${CAPACITY}strategies:`,
      "  - { metric: api.goodputUnderOverload, goal: 90%, weight: 3 }\nstrategies:",
      "p.yaml:18:15: objectives[2].metric: expected a block capacity.overload, which measures api.goodputUnderOverload, found none",
    ],
    [
      "an answer that never counts",
      "overload: { window: 5s }",
      "overload: { window: 5s, within: 0 }",
      "p.yaml:23:35: capacity.overload.within: expected more than zero",
    ],
    [
      "a goal without any block",
      `${CAPACITY}strategies:`,
      "  - { metric: queue.depthSustained, goal: 500, weight: 3 }\nstrategies:",
      "p.yaml:18:15: objectives[2].metric: expected a block capacity.overload, which measures queue.depthSustained, found none",
    ],
  ])("%s", async (_, from, to, message) => {
    const [found] = await problems(edit(text, from, to));
    expect(found).toContain(message);
  });
});
