import { afterAll, describe, expect, test } from "vitest";
import { listPersonas, loadPersona } from "../../src/profiles/persona.ts";
import { edit, openFolder, problemsOf } from "./fixture.ts";
import { BASE } from "./persona-fixture.ts";

const knownTuners = ["micro-cache", "index-advisor", "connection-pool", "redis-memory"];
const folder = openFolder();
afterAll(() => folder.remove());

const load = (text: string) =>
  loadPersona(folder.write("p.yaml", text), { profilesDir: folder.path, knownTuners });
const problems = (text: string) => problemsOf(folder, () => load(text));

test("what people write becomes milliseconds, bytes and ratios", async () => {
  expect(await load(BASE)).toEqual({
    name: "mine",
    title: "Mine",
    description: "For tests.",
    priority: "speed",
    workload: {
      name: "interactive",
      arrivals: "poisson",
      rate: { kind: "share-of-saturation", share: 0.4 },
      warmupMs: 500,
      windowMs: 120_000,
      timeoutMs: 10_000,
    },
    objectives: [
      { metric: "api.latencyP95Ms", goal: 200, stretch: 100, weight: 2 },
      { metric: "cache.hitRate", goal: 0.98, weight: 1 },
    ],
    strategies: [
      {
        name: "micro-cache",
        title: "Cache",
        tuner: "micro-cache",
        objective: "api.latencyP95Ms",
        settings: { "l1-ttl": 5000, "l1-size": 1024 ** 3, "pool-max": 30, label: "fast" },
        preset: { metric: "p95, ms", from: 285, to: 180 },
        morePresets: [{ metric: "hits, %", from: 1, to: 2.5 }],
      },
      { name: "later", title: "Later", objective: "db.queryMeanMs", settings: {} },
    ],
    constraints: [
      { kind: "limit", metric: "api.errorRate", limit: 0.005 },
      { kind: "no-regression", metric: "service.memoryBytes", tolerance: 0.1 },
      { kind: "no-regression", metric: "pool.waitMs", tolerance: 5 },
    ],
    minEffect: { ratio: 0.03, difference: 0.01 },
    budget: { totalMs: 540_000, pairsMax: 14, candidatesMax: 4 },
  });
});

test("a fixed rate and an objective that is not measured yet", async () => {
  const text = edit(BASE, "{ share: 40% }", "{ requestsPerSecond: 120 }");
  const planned = "  - { metric: api.apdex, goal: 94%, weight: 3 }\nstrategies:";
  const persona = await load(edit(text, "strategies:", planned));
  expect(persona.workload.rate).toEqual({ kind: "fixed", requestsPerSecond: 120 });
  expect(persona.objectives.map((each) => each.metric)).toEqual([
    "api.latencyP95Ms",
    "cache.hitRate",
  ]);
  expect(persona.plannedObjectives).toEqual([{ metric: "api.apdex", goal: 0.94, weight: 3 }]);
});

test("goals of bulk work and memory, and which tasks a phase's windows do", async () => {
  const goals = `  - { metric: batch.recordsPerSecond, goal: 10000/s, weight: 1 }
  - { metric: batch.aggregateQueryMs, goal: 2s, weight: 1 }
  - { metric: service.memoryPeakBytes, goal: 416MB, weight: 1 }
  - { metric: service.gcPerMinute, goal: 15, weight: 1 }
strategies:`;
  const named = edit(
    edit(BASE, "strategies:", goals),
    "objective: db.queryMeanMs",
    "objective: batch.reportMs\n    tasks: [import-rows, report]",
  );
  const persona = await load(named);
  expect(persona.objectives.slice(2).map(({ goal }) => goal)).toEqual([
    10_000,
    2_000,
    416 * 1024 ** 2,
    15,
  ]);
  expect(persona.plannedObjectives).toBeUndefined();
  expect(persona.strategies.map(({ tasks }) => tasks)).toEqual([
    undefined,
    ["import-rows", "report"],
  ]);
  const none = await load(edit(named, "[import-rows, report]", "[]"));
  expect(none.strategies[1]?.tasks).toEqual([]);
});

describe("a mistake is named with its line, its column and what was expected", () => {
  test.each<[what: string, from: string, to: string, message: string]>([
    [
      "an unknown key",
      "priority: speed",
      "priorty: speed",
      'p.yaml:4:1: priorty: expected one of the keys name, title, description, priority, workload, objectives, capacity, strategies, constraints, minEffect, budget, found the unknown key "priorty"; did you mean "priority"?',
    ],
    [
      "an unknown key inside of a map in braces",
      "{ share: 40% }",
      "{ share: 40%, of: max }",
      'p.yaml:8:23: workload.rate.of: expected one of the keys share, requestsPerSecond, found the unknown key "of"',
    ],
    [
      "a missing key",
      "  arrivals: poisson\n",
      "",
      "p.yaml:5:1: workload.arrivals: expected one of constant, poisson, found nothing",
    ],
    [
      "a key without a value",
      "title: Mine",
      "title:",
      "p.yaml:2:7: title: expected text, found nothing",
    ],
    [
      "a map where text belongs",
      "title: Mine",
      "title: { a: 1 }",
      "p.yaml:2:8: title: expected text, found a map",
    ],
    [
      "text where a map belongs",
      "rate: { share: 40% }",
      "rate: 40%",
      'p.yaml:8:9: workload.rate: expected a map, found "40%"',
    ],
    [
      "a duration that is none",
      "window: 2m",
      "window: 2 apples",
      'p.yaml:10:11: workload.window: expected a duration such as 250ms, 5s or 2m, found "2 apples"',
    ],
    [
      "a duration without a unit",
      "window: 2m",
      "window: 200",
      "p.yaml:10:11: workload.window: expected a duration such as 250ms, 5s or 2m, found 200",
    ],
    [
      "a window of nothing",
      "window: 2m",
      "window: 0s",
      'p.yaml:10:11: workload.window: expected more than zero, found "0s"',
    ],
    [
      "a share above one",
      "share: 40%",
      "share: 40",
      "p.yaml:8:18: workload.rate.share: expected a share such as 98%, or 0.98, found 40",
    ],
    [
      "neither of two",
      "{ share: 40% }",
      "{}",
      "p.yaml:8:9: workload.rate: expected one of share and requestsPerSecond, found neither",
    ],
    [
      "both of two",
      "limit: 0.5%",
      "limit: 0.5%, noWorseThan: 1%",
      "p.yaml:31:5: constraints[0]: expected one of limit and noWorseThan, found both",
    ],
    [
      "a metric's slip",
      "metric: api.latencyP95Ms",
      "metric: api.latencyP95",
      'p.yaml:13:13: objectives[0].metric: expected a known name such as "api.latencyP95Ms", found "api.latencyP95"',
    ],
    [
      "a goal in another unit than its metric's",
      "goal: 200ms",
      "goal: 98%",
      'p.yaml:14:11: objectives[0].goal: expected a duration such as 250ms, 5s or 2m, found "98%"',
    ],
    [
      "a stretch goal that is easier than the goal",
      "stretch: 0.1s",
      "stretch: 300ms",
      'p.yaml:15:14: objectives[0].stretch: expected a stretch goal as hard as the goal or harder (lower is better), found "300ms"',
    ],
    [
      "a weight of nothing",
      "weight: 2",
      "weight: 0",
      "p.yaml:16:13: objectives[0].weight: expected a number above 0, found 0",
    ],
    [
      "two objectives of one metric",
      "metric: cache.hitRate, goal: 98%",
      "metric: api.latencyP95Ms, goal: 9ms",
      'p.yaml:17:15: objectives[1].metric: expected one objective a metric, found "api.latencyP95Ms" again',
    ],
    [
      "an unknown tuner",
      "tuner: micro-cache",
      "tuner: micro-cahce",
      'p.yaml:21:12: strategies[0].tuner: expected one of the tuners micro-cache, index-advisor, connection-pool, redis-memory, found "micro-cahce"; did you mean "micro-cache"?',
    ],
    [
      "a strategy decided by a metric that is not measured",
      "objective: db.queryMeanMs",
      "objective: api.apdex",
      'p.yaml:29:16: strategies[1].objective: expected a metric that this version measures, found "api.apdex"',
    ],
    [
      "a task that a strategy names twice",
      "objective: db.queryMeanMs",
      "objective: db.queryMeanMs\n    tasks: [report, report]",
      'p.yaml:30:21: strategies[1].tasks[1]: expected each task once, found "report" again',
    ],
    [
      "a strategy decided by what is measured once before and once after",
      "objective: db.queryMeanMs",
      "objective: api.usersSustained",
      'p.yaml:29:16: strategies[1].objective: expected a metric that every window reports, found "api.usersSustained"',
    ],
    [
      "two strategies of one name",
      "name: later",
      "name: micro-cache",
      'p.yaml:27:11: strategies[1].name: expected a name of its own, found "micro-cache" again',
    ],
    [
      "a name with blanks",
      "name: mine",
      "name: My persona",
      'p.yaml:1:7: name: expected a name of lower-case letters, digits and single dashes, found "My persona"',
    ],
    [
      "a setting that is a role, nearly",
      "pool-max: 30",
      "pol-max: 30",
      'p.yaml:23:43: strategies[0].settings.pol-max: expected the knob role "pool-max", found "pol-max"',
    ],
    [
      "a setting in another unit than its role's",
      "l1-ttl: 5s",
      "l1-ttl: 5",
      "p.yaml:23:25: strategies[0].settings.l1-ttl: expected a duration such as 250ms, 5s or 2m, found 5",
    ],
    [
      "an empty list",
      "constraints:\n  - { metric: api.errorRate, limit: 0.5% }\n  - { metric: service.memoryBytes, noWorseThan: 10% }\n  - { metric: pool.waitMs, noWorseThan: 5ms }\nminEffect",
      "constraints: {}\nminEffect",
      "p.yaml:30:14: constraints: expected a list, found a map",
    ],
    [
      "a fraction of pairs",
      "pairsMax: 14",
      "pairsMax: 7.5",
      "p.yaml:35:32: budget.pairsMax: expected a whole number, found 7.5",
    ],
    [
      "fewer pairs than the test's first look",
      "pairsMax: 14",
      "pairsMax: 3",
      "p.yaml:35:32: budget.pairsMax: expected a number of at least 5, found 3",
    ],
    [
      "a key twice",
      "title: Mine\n",
      "title: Mine\ntitle: Yours\n",
      'p.yaml:3:1: expected each key once in a map, found "title" again',
    ],
    [
      "a tab",
      "  name: interactive",
      "\tname: interactive",
      "p.yaml:6:1: expected spaces as indentation, found a tab",
    ],
    [
      "a quote that is not closed",
      "title: Mine",
      'title: "Mine',
      "p.yaml:2:13: expected a closing quote, found none",
    ],
    [
      "a colon too many",
      "title: Mine",
      "title: Mine: all mine",
      "p.yaml:2:8: expected one `key: value` a line, found a second colon or a wrong indentation; put text that holds `: ` in quotes",
    ],
    [
      "a second document",
      "workload:",
      "---\nworkload:",
      "p.yaml:5:1: expected one YAML document a file, found a second one after ---",
    ],
    [
      "an alias of nothing",
      "title: Mine",
      "title: *mine",
      "p.yaml:2:8: expected an anchor &mine above, found none",
    ],
    [
      "an alias inside of its own anchor",
      "settings: { l1-ttl: 5s, l1-size: 1GB, pool-max: 30, label: fast }",
      "settings: &me { l1-ttl: *me }",
      "p.yaml:23:29: expected a value, found *me inside its own anchor",
    ],
    [
      "a map as a key",
      "title: Mine",
      "title: Mine\n{ a: 1 }: x",
      "p.yaml:3:1: expected text as a key, found a map or a list",
    ],
    [
      "a tag",
      "title: Mine",
      "title: !include x",
      "p.yaml:2:8: expected a plain value, found a YAML tag (!...)",
    ],
  ])("%s", async (_, from, to, message) => {
    expect(await problems(edit(BASE, from, to))).toEqual([message]);
  });

  test("all mistakes at once, in the order of the file", async () => {
    const wrong = edit(
      edit(edit(BASE, "title: Mine", "titel: Mine"), "40%", "x"),
      "total: 9m",
      "total: 9",
    );
    expect((await problems(wrong)).map((line) => line.split(": ", 2).join(": "))).toEqual([
      "p.yaml:2:1: titel",
      "p.yaml:8:18: workload.rate.share",
      "p.yaml:35:18: budget.total",
    ]);
  });

  test.each([
    ["", "p.yaml:1:1: expected a map, found nothing"],
    ["# only a comment\n", "p.yaml:1:1: expected a map, found nothing"],
    ["- a\n- b\n", "p.yaml:1:1: expected a map, found a list"],
    ["just text\n", 'p.yaml:1:1: expected a map, found "just text"'],
  ])("a file that is no persona: %j", async (text, message) => {
    expect(await problems(text)).toEqual([message]);
  });
});

test("an anchor saves writing a thing twice", async () => {
  const text = edit(
    edit(BASE, "settings: {", "settings: &s {"),
    "objective: db.queryMeanMs",
    "objective: db.queryMeanMs\n    settings: *s",
  );
  const [one, two] = (await load(text)).strategies;
  expect(two?.settings).toEqual(one?.settings);
  const broken = edit(text, "l1-ttl: 5s", "l1-ttl: 5");
  expect(await problems(broken)).toHaveLength(2);
});

describe("personas by name", () => {
  const named = openFolder();
  afterAll(() => named.remove());
  named.write("mine.yaml", BASE);
  named.write("other.yml", "broken: [");
  named.write("notes.txt", "not a persona");
  const options = { profilesDir: named.path, knownTuners };

  test("a broken file does not hide the others", async () => {
    expect((await listPersonas(named.path)).map((file) => file.name)).toEqual(["mine", "other"]);
    expect((await loadPersona("mine", options)).title).toBe("Mine");
  });

  test("an unknown name says which there are", async () => {
    await expect(loadPersona("mime", options)).rejects.toMatchObject({
      code: "bad-input",
      message: expect.stringContaining('no persona "mime"'),
      hint: "give one of mine, other, or the path of a persona file",
    });
    await expect(loadPersona("mime", options)).rejects.toThrow('did you mean "mine"?');
  });

  test("a path that leads nowhere is named", async () => {
    await expect(loadPersona("nowhere/p.yaml", options)).rejects.toThrow(
      /^cannot read nowhere\/p.yaml: /,
    );
    await expect(listPersonas(`${named.path}/nowhere`)).rejects.toThrow(/^cannot read the folder/);
  });
});
