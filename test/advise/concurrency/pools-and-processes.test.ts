/** Threads and processes: the least and the most that are worth trying, and the reasons. */
import { expect, test } from "vitest";
import { balancePolicies, healthPolicy } from "../../../src/advise/concurrency/balance/policy.ts";
import type { BalanceSettings } from "../../../src/advise/concurrency/balance/policy.ts";
import {
  limitInWords,
  loopIdleBecause,
  processesMost,
} from "../../../src/advise/concurrency/balance/processes.ts";
import {
  isStarved,
  libuvIdleBecause,
  lifetimeGainlessBecause,
  threadsLeast,
} from "../../../src/advise/concurrency/threads/size.ts";

test.each([
  [{ cores: 2, poolMax: undefined, connections: 100 }, 4],
  [{ cores: 2, poolMax: 15, connections: 97 }, 3],
  [{ cores: 2, poolMax: 90, connections: 97 }, 1],
  [{ cores: 16, poolMax: 5, connections: 1_000 }, 32],
])("%o allows %i processes", (limits, most) => {
  expect(processesMost(limits)).toBe(most);
  expect(limitInWords(limits)).toContain(`at most ${most} process`);
});

test("a loop with time left exonerates the process", () => {
  expect(loopIdleBecause({ "service.eventLoopUtilization": 0.3 }, 1)).toMatch(/busy 30\.0 %/);
  expect(loopIdleBecause({ "service.eventLoopUtilization": 0.8 }, 1)).toBeUndefined();
  expect(loopIdleBecause({}, 1)).toBeUndefined();
  // At 60 % of saturation a loop that is busy 40 % of the time is the one that will be short.
  expect(loopIdleBecause({ "service.eventLoopUtilization": 0.4 }, 1, 0.6)).toBeUndefined();
  expect(loopIdleBecause({ "service.eventLoopUtilization": 0.2 }, 1, 0.6)).toMatch(
    /33\.3 % at saturation/,
  );
});

test("the share of busy threads never asks for fewer threads than cores, latency may", () => {
  expect(threadsLeast("threads.efficiency", 8, 1)).toBe(8);
  expect(threadsLeast("threads.efficiency", 8, 3)).toBe(3);
  expect(threadsLeast("threads.efficiency", 2, 4)).toBe(1);
  expect(threadsLeast("api.latencyP95Ms", 8, 1)).toBe(1);
});

test("a wait for a thread counts when requests feel it and it is longer than now", () => {
  const felt = { "threads.waitMs": 20, "api.latencyP95Ms": 100 };
  expect(isStarved(felt, { "threads.waitMs": 1 })).toBe(true);
  expect(isStarved(felt, { "threads.waitMs": 30 })).toBe(false);
  expect(isStarved({ ...felt, "threads.waitMs": 5 }, {})).toBe(false);
  expect(isStarved({}, {})).toBe(false);
});

test("libuv's threads and idle threads are looked at where the objective can show them", () => {
  expect(libuvIdleBecause("threads.efficiency", {})).toMatch(/not among the threads/);
  expect(libuvIdleBecause("api.latencyP95Ms", {})).toBeUndefined();
  const idle = { "threads.efficiency": 0.1, "threads.alive": 8 };
  const lifetime = lifetimeGainlessBecause;
  expect(lifetime("threads.efficiency", idle, 1)).toBeUndefined();
  expect(lifetime("threads.efficiency", idle, 8)).toMatch(/than are kept anyway/);
  expect(lifetime("api.latencyP95Ms", idle, 1)).toMatch(/does not count them/);
  expect(lifetime("threads.efficiency", {}, 1)).toMatch(/was not measured/);
  expect(lifetime("threads.efficiency", { ...idle, "threads.alive": 1 }, 0)).toMatch(/kept anyway/);
  const busy = { ...idle, "threads.efficiency": 0.7 };
  expect(lifetime("threads.efficiency", busy, 1)).toMatch(/busy 70\.0 %/);
});

const shipped: BalanceSettings = {
  processes: 2,
  balancing: "round-robin",
  algorithms: ["round-robin", "least-connections"],
  sticky: true,
  keepAlive: true,
  healthIntervalMs: 30_000,
  gateway: "embedded",
  gateways: ["embedded", "haproxy"],
};
const presets = {
  balancing: "least-connections",
  sticky: false,
  healthIntervalMs: 15_000,
  gateway: "haproxy",
};
const sets = (settings: Partial<BalanceSettings>) =>
  balancePolicies({ ...shipped, ...settings }, presets, {}).map((each) => each.set);

test("the algorithm goes with what it needs; each further policy is one setting", () => {
  expect(sets({})).toEqual([
    { balancing: "least-connections", "sticky-sessions": false, "health-check-interval": 15_000 },
    { "sticky-sessions": false },
    { gateway: "haproxy" },
  ]);
  expect(sets({ balancing: "least-connections", sticky: false, gateways: ["embedded"] })).toEqual(
    [],
  );
  expect(sets({ algorithms: ["round-robin"], sticky: undefined, keepAlive: false })).toEqual([
    { "keep-alive": true },
    { gateway: "haproxy" },
  ]);
});

test("a health check that is as often as the preset already is nothing to talk about", () => {
  expect(healthPolicy({ ...shipped, healthIntervalMs: 10_000 }, presets)).toBeUndefined();
  expect(healthPolicy(shipped, presets)).toMatch(
    /out after 30\.0 s at most, not 1 min, for 0\.133 checks\/s/,
  );
});
