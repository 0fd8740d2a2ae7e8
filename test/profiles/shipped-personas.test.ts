/** The three personas that come with perfopt are whole, and ask for what the bundled target offers. */
import { expect, test } from "vitest";
import { listPersonas, loadPersona } from "../../src/profiles/persona.ts";
import { loadTarget } from "../../src/profiles/target.ts";

const options = {
  profilesDir: "profiles",
  knownTuners: ["micro-cache", "index-advisor", "connection-pool", "redis-memory"],
};
const load = (name: string) => loadPersona(name, options);
const tuners = async (name: string) => (await load(name)).strategies.map((each) => each.tuner);

test("there are three, each with four strategies and a workload of the bundled target", async () => {
  const names = (await listPersonas("profiles")).map((file) => file.name);
  expect(names).toEqual(["data-analyst", "multi-tasker", "speed-runner"]);
  const target = await loadTarget("profiles/targets/model-registry.yaml", { env: {} });
  for (const persona of await Promise.all(names.map(load))) {
    expect(names).toContain(persona.name);
    expect(persona.strategies).toHaveLength(4);
    expect(target.workloads.map((workload) => workload.name)).toContain(persona.workload.name);
    expect(persona.constraints.map((each) => each.metric)).toEqual([
      "api.errorRate",
      "api.latencyP99Ms",
      "service.memoryBytes",
    ]);
  }
});

test("what Speed Runner proposes for a knob, the bundled target has", async () => {
  const { knobs } = await loadTarget("profiles/targets/model-registry.yaml", { env: {} });
  const roles = knobs.map((knob) => knob.role);
  for (const { settings } of (await load("speed-runner")).strategies) {
    for (const name of Object.keys(settings)) expect(roles).toContain(name);
  }
});

test("Speed Runner runs whole; the others say that nothing of theirs runs yet", async () => {
  expect(await tuners("speed-runner")).toEqual(options.knownTuners);
  for (const name of ["multi-tasker", "data-analyst"]) {
    expect(await tuners(name)).toEqual([undefined, undefined, undefined, undefined]);
    expect((await load(name)).plannedObjectives).toHaveLength(3);
  }
});

test("Speed Runner's window is as long as the time to live that it tries first", async () => {
  const { workload, strategies, budget } = await load("speed-runner");
  expect(strategies[0]?.settings["l1-ttl"]).toBe(workload.windowMs);
  expect(workload).toMatchObject({ arrivals: "poisson", warmupMs: 1000, timeoutMs: 10_000 });
  expect(budget).toEqual({ totalMs: 540_000, pairsMax: 14, candidatesMax: 4 });
});
