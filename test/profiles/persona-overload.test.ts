/** A strategy whose windows are overload: what it becomes, and what is said of mistakes in it. */
import { afterAll, describe, expect, test } from "vitest";
import { loadPersona } from "../../src/profiles/persona.ts";
import { edit, openFolder, problemsOf } from "./fixture.ts";
import { BASE } from "./persona-fixture.ts";

const folder = openFolder();
afterAll(() => folder.remove());

const load = (text: string) =>
  loadPersona(folder.write("p.yaml", text), {
    profilesDir: folder.path,
    knownTuners: ["micro-cache", "backpressure"],
  });
const problems = (text: string) => problemsOf(folder, () => load(text));

const LATER = `  - name: later
    title: Later
    objective: db.queryMeanMs
`;
const OVERLOADED = `  - name: later
    title: Later
    tuner: backpressure
    objective: api.goodRatio
    overload: { factor: 2.5, window: 4s, within: 500ms }
    settings: { requests-in-flight: 200 }
`;
const text = edit(BASE, LATER, OVERLOADED);

test("a strategy under overload", async () => {
  const { strategies } = await load(text);
  expect(strategies[1]).toEqual({
    name: "later",
    title: "Later",
    tuner: "backpressure",
    objective: "api.goodRatio",
    overload: { factor: 2.5, windowMs: 4_000, withinMs: 500 },
    settings: { "requests-in-flight": 200 },
  });
  expect(strategies[0]).not.toHaveProperty("overload");
});

test("any metric may be what overload is decided by, and no task is none", async () => {
  const other = edit(
    text,
    "objective: api.goodRatio",
    "objective: api.goodputPerSecond\n    tasks: []",
  );
  expect((await load(other)).strategies[1]).toMatchObject({
    objective: "api.goodputPerSecond",
    tasks: [],
  });
});

describe("a mistake is named with its place", () => {
  const OVERLOAD = "overload: { factor: 2.5, window: 4s, within: 500ms }";
  test.each<[what: string, from: string, to: string, message: string]>([
    [
      "a metric that only overload shows, without it",
      `    ${OVERLOAD}\n`,
      "",
      "strategies[1].objective: expected a block overload beside it, whose windows alone show api.goodRatio, found none",
    ],
    [
      "tasks beside overload",
      OVERLOAD,
      `${OVERLOAD}\n    tasks: [import]`,
      "strategies[1].tasks: expected none beside overload, whose windows are of requests alone",
    ],
    [
      "a load that is none",
      "factor: 2.5",
      "factor: 1",
      "strategies[1].overload.factor: expected a number above 1, found 1",
    ],
    ["no window", "window: 4s, ", "", "strategies[1].overload.window: "],
    ["no time limit", ", within: 500ms", "", "strategies[1].overload.within: "],
    [
      "a time limit of nothing",
      "within: 500ms",
      "within: 0",
      "strategies[1].overload.within: expected more than zero",
    ],
    [
      "a number of requests that is none",
      "requests-in-flight: 200",
      "requests-in-flight: 2.5",
      "strategies[1].settings.requests-in-flight: expected a whole number",
    ],
    [
      "a goal that the usual windows do not show",
      "metric: cache.hitRate, goal: 98%",
      "metric: api.goodRatio, goal: 98%",
      "objectives[1].metric: expected a metric that windows at the workload's own rate show; of overload, api.goodputUnderOverload is a goal",
    ],
    [
      "a constraint that the usual windows do not show",
      "metric: api.errorRate, limit: 0.5%",
      "metric: api.goodRatio, limit: 0.5%",
      "constraints[0].metric: expected a metric that windows at the workload's own rate show; of overload, api.goodputUnderOverload is a goal",
    ],
  ])("%s", async (_, from, to, message) => {
    const [found] = await problems(edit(text, from, to));
    expect(found).toContain(message);
  });
});
