/** The three personas that come with perfopt are whole, and ask for what the bundled target offers. */
import { expect, test } from "vitest";
import { domainError } from "../../src/core/knob.ts";
import { listPersonas, loadPersona } from "../../src/profiles/persona.ts";
import { loadTarget } from "../../src/profiles/target.ts";
import { tuners as tunerList } from "../../src/tuners/index.ts";

const options = {
  profilesDir: "profiles",
  knownTuners: tunerList.map((tuner) => tuner.id),
};
const load = (name: string) => loadPersona(name, options);
const tuners = async (name: string) => (await load(name)).strategies.map((each) => each.tuner);

test("there are three, each with its strategies and a workload of the bundled target", async () => {
  const names = (await listPersonas("profiles")).map((file) => file.name);
  expect(names).toEqual(["data-analyst", "multi-tasker", "speed-runner"]);
  const target = await loadTarget("profiles/targets/model-registry.yaml", { env: {} });
  for (const persona of await Promise.all(names.map(load))) {
    expect(names).toContain(persona.name);
    // The founding report's first strategy of the Multi-Tasker is two phases.
    expect(persona.strategies).toHaveLength(persona.name === "multi-tasker" ? 5 : 4);
    expect(target.workloads.map((workload) => workload.name)).toContain(persona.workload.name);
    expect(persona.constraints.map((each) => each.metric)).toEqual([
      "api.errorRate",
      // Windows with bulk work have few requests: their p99 is one of the slowest few. Beside the tolerance there is a limit.
      ...(persona.name === "data-analyst"
        ? ["api.latencyP95Ms", "api.latencyP95Ms"]
        : ["api.latencyP99Ms"]),
      "service.memoryBytes",
    ]);
  }
});

test("what Speed Runner and Multi-Tasker propose for a knob, the bundled target has", async () => {
  const { knobs } = await loadTarget("profiles/targets/model-registry.yaml", { env: {} });
  const roles = knobs.map((knob) => knob.role);
  for (const { settings } of (await load("speed-runner")).strategies) {
    for (const name of Object.keys(settings)) expect(roles).toContain(name);
  }
  for (const { settings, tuner } of (await load("multi-tasker")).strategies) {
    for (const [name, value] of Object.entries(settings)) {
      // The one setting that is no knob: what the queue's bound follows from.
      if (name === "wait-target") continue;
      const knob = knobs.find((each) => each.role === name);
      expect(tunerList.find((each) => each.id === tuner)?.roles).toContain(name);
      expect(knob && domainError(knob.domain, value)).toBeUndefined();
    }
  }
});

test("all three run whole", async () => {
  expect(await tuners("speed-runner")).toEqual([
    "micro-cache",
    "index-advisor",
    "connection-pool",
    "redis-memory",
  ]);
  expect(await tuners("multi-tasker")).toEqual([
    "backpressure",
    "async-processing",
    "thread-pool",
    "job-queue",
    "load-balancing",
  ]);
  expect(await tuners("data-analyst")).toEqual([
    "batch",
    "aggregate-indexes",
    "memory",
    "parallelism",
  ]);
  expect((await load("data-analyst")).plannedObjectives).toBeUndefined();
});

test("Data Analyst's phases name bulk work that the bundled target has, of the kind that they are decided by", async () => {
  const { workloads } = await loadTarget("profiles/targets/model-registry.yaml", { env: {} });
  const { workload, strategies } = await load("data-analyst");
  const tasks = workloads.find(({ name }) => name === workload.name)?.tasks ?? [];
  const kinds: Record<string, string> = {
    "batch.recordsPerSecond": "ingest",
    "batch.aggregateQueryMs": "query",
    "batch.reportMs": "report",
  };
  for (const { objective, tasks: named = [] } of strategies) {
    const done = tasks.filter(({ name }) => named.includes(name));
    expect(done).toHaveLength(named.length);
    const kind = kinds[objective];
    if (kind !== undefined) expect(done.map((task) => task.kind)).toContain(kind);
  }
});

test("Multi-Tasker's goals of capacity are measured by its capacity block", async () => {
  const { capacityObjectives, capacity, plannedObjectives, budget } = await load("multi-tasker");
  expect(plannedObjectives).toBeUndefined();
  expect(capacityObjectives?.map((each) => each.metric)).toEqual([
    "api.usersSustained",
    "queue.depthSustained",
    "api.goodputUnderOverload",
  ]);
  expect(capacity?.users).toBeDefined();
  expect(capacity?.overload).toBeDefined();
  expect(budget.totalMs).toBeLessThanOrEqual(1_800_000);
});

test("Multi-Tasker's limit of requests under way is searched under overload, by the same time as its goal of goodput", async () => {
  const { strategies, capacity } = await load("multi-tasker");
  const overloaded = strategies.filter(({ overload }) => overload !== undefined);
  expect(overloaded.map(({ tuner, objective }) => [tuner, objective])).toEqual([
    ["backpressure", "api.goodRatio"],
  ]);
  expect(overloaded[0]?.overload).toMatchObject({
    factor: capacity?.overload?.factor,
    withinMs: capacity?.overload?.withinMs,
  });
});

test("Speed Runner's window is as long as the time to live that it tries first", async () => {
  const { workload, strategies, budget } = await load("speed-runner");
  expect(strategies[0]?.settings["l1-ttl"]).toBe(workload.windowMs);
  expect(workload).toMatchObject({ arrivals: "poisson", warmupMs: 1000, timeoutMs: 10_000 });
  expect(budget).toEqual({ totalMs: 540_000, pairsMax: 14, candidatesMax: 4 });
});
