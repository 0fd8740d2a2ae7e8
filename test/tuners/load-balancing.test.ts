/** Load balancing: how many processes it comes to, and how it has requests shared, on services whose truth is known. */
import { expect, test } from "vitest";
import type { TargetView } from "../../src/core/observation.ts";
import type { MetricValues } from "../../src/core/sample.ts";
import { loadBalancing } from "../../src/tuners/load-balancing.ts";
import type { WorldState } from "../simulator.ts";
import { askOf, candidateOf, decided, reasonOf, valuesOf, viewOf } from "./views.ts";
import { keptShare, keptValues, runPhase } from "./worlds.ts";
import type { World } from "./worlds.ts";

const settings = {
  balancing: "least-connections",
  "health-check-interval": "15s",
  "sticky-sessions": false,
};
const phase = { tuner: loadBalancing, objective: "api.latencyP95Ms", settings } as const;

/** The connections that the database allows; undefined: it does not say. */
function databaseOf(limit: number | undefined): () => Pick<TargetView, "database"> {
  const { database } = viewOf({ maxConnections: limit ?? 0 });
  return () => ({
    database: limit === undefined ? { ...database, query: () => Promise.resolve([]) } : database,
  });
}

/** One busy event loop: a second process halves the wait; beyond the cores they compete. Unevenly used ones gain by least connections. */
function loops(more: (state: WorldState, processes: number) => MetricValues = () => ({})): World {
  return {
    view: databaseOf(200),
    truth: (state: WorldState) => {
      const processes = Number(state.values["copies"]);
      return {
        "api.latencyP95Ms": processes === 1 ? 100 : 60 * (1 + 0.15 * (processes - 2)),
        "service.eventLoopUtilization": processes === 1 ? 0.92 : 0.6,
        ...(processes > 1 && { "balance.jainIndex": 0.99, "balance.p99Spread": 1.1 }),
        ...more(state, processes),
      };
    },
  };
}

test("a busy event loop: a process for each core is kept, and on equal processes the algorithm gains nothing", async () => {
  const outcomes = await Promise.all(
    [1, 2, 3, 4, 5, 6].map((seed) => runPhase(loops(), phase, seed)),
  );
  expect(outcomes.map((each) => keptValues(each)["copies"])).toEqual([2, 2, 2, 2, 2, 2]);
  const ordered = outcomes.filter((each) => keptValues(each)["order"] !== undefined);
  expect(ordered.length).toBeLessThan(2);
  const changed = outcomes[0]?.trials.map(({ candidate }) => candidate.changes.length);
  expect(changed?.slice(0, 3)).toEqual([1, 3, 1]);
});

test("what is left of the machine is said with the number of processes", async () => {
  const world = loops(() => ({
    "service.cpuMsPerRequest": 1.8,
    "db.cpuMsPerRequest": 1.5,
    "api.requestsPerSecond": 360,
  }));
  const { trials } = await runPhase({ ...world, noise: { cv: 0, differenceSd: 0 } }, phase, 1);
  expect(trials[0]?.candidate.evidence.join("; ")).toMatch(
    /event loop busy 92\.0 %; service and database use 1\.19 of 2 cores/,
  );
});

test("a slow process: least connections without stickiness is kept, the health check along with it", async () => {
  const uneven = loops(({ values }, processes) =>
    processes < 2
      ? {}
      : values["order"] === "least-connections" && values["sticky"] === false
        ? { "balance.jainIndex": 0.8, "balance.p99Spread": 1.2 }
        : { "api.latencyP95Ms": 110, "balance.jainIndex": 0.99, "balance.p99Spread": 4 },
  );
  const outcome = await runPhase({ ...uneven, values: { copies: 2 } }, phase, 6);
  expect(keptValues(outcome)).toMatchObject({
    order: "least-connections",
    sticky: false,
    checks: 15_000,
  });
  expect(outcome.trials.map(({ candidate }) => candidate.evidence.join("; ")).join("\n")).toMatch(
    /p99 of the slowest process 4\.\d+ times[^]*a dead process is out after 30\.0 s at most, not 1 min/,
  );
});

test("pools that would not fit into the server are not tried where it tells its limit", async () => {
  for (const [limit, most] of [
    [200, 4],
    [70, 2],
    [20, 1],
  ] as const) {
    const { probes } = await runPhase({ ...loops(), view: databaseOf(limit) }, phase, 1);
    const tried = probes.flatMap(({ changes }) =>
      changes.flatMap((change) =>
        change.kind === "set-knob" && change.knob === "copies" ? [Number(change.to)] : [],
      ),
    );
    expect(Math.max(1, ...tried)).toBeLessThanOrEqual(most);
  }
});

test("a cliff at processes x pool that nobody told of is measured, and nothing beyond it kept", async () => {
  const cliff: World = {
    ...loops((_, processes) => (processes * 15 > 40 ? { "api.latencyP95Ms": 900 } : {})),
    view: databaseOf(undefined),
  };
  for (const seed of [1, 2, 3, 4]) {
    expect(Number(keptValues(await runPhase(cliff, phase, seed))["copies"] ?? 1)).toBeLessThan(3);
  }
});

test("an event loop with time left: no process is added, and with one there is nothing to balance", async () => {
  const idle = loops(() => ({ "service.eventLoopUtilization": 0.3, "api.latencyP95Ms": 100 }));
  const { because, trials, probes } = await runPhase(idle, phase, 1);
  expect([...trials, ...probes]).toEqual([]);
  expect(because).toMatch(
    /busy [23]\d\.\d % of the time[^]*with one process there is nothing to balance/,
  );
});

test("after the algorithm failed: stickiness alone, then the other gateway, then the health check as advice", async () => {
  const view = viewOf({
    metrics: { "api.latencyP95Ms": 100, "service.eventLoopUtilization": 0.2 },
    values: { copies: 2 },
  });
  const observation = await loadBalancing.observe(view);
  const history = [];
  const wanted = [
    { order: "least-connections", sticky: false, checks: 15_000 },
    { sticky: false },
    { front: "haproxy" },
  ];
  for (const values of wanted) {
    const step = loadBalancing.next(
      askOf(observation, { history: [...history], candidatesMax: 4 }),
    );
    expect(valuesOf(step)).toEqual(values);
    history.push(decided(candidateOf(step), "discard"));
  }
  expect(reasonOf(loadBalancing.next(askOf(observation, { history, candidatesMax: 4 })))).toMatch(
    /advised, not applied: health checks every 15\.0 s instead of 30\.0 s/,
  );
});

test("a service on which nothing about its processes matters keeps hardly any change", async () => {
  const flat: World = {
    ...loops((state) => ({ "api.latencyP95Ms": 100, "balance.p99Spread": state ? 1.1 : 1 })),
    values: { copies: 2 },
  };
  const { share, trials } = await keptShare(flat, phase, 40);
  expect(trials).toBeGreaterThan(100);
  expect(share).toBeLessThanOrEqual(0.05);
});
