/**
 * The hold-out set: the same ten sicknesses, each in another shape, beside healthy requests, with a second mild weakness where services
 * have one. No rule and no threshold of the doctor was adjusted on it (docs/doctor.md has the score as it was first seen).
 */
import type { Fault, FaultSet } from "./faults.ts";

/** Weights of the sick request, an order from the cache, a customer's orders, and a call of a quick neighbour. */
const MIXES: Readonly<Record<string, readonly [number, number, number, number]>> = {
  healthy: [10, 50, 30, 10],
  "pool-starved": [60, 25, 15, 0],
  "slow-query": [30, 40, 25, 5],
  "loop-blocked": [30, 20, 30, 20],
  gc: [70, 20, 10, 0],
  redis: [60, 20, 20, 0],
  libuv: [40, 30, 15, 15],
  "queue-overload": [50, 30, 20, 0],
  cpu: [70, 20, 10, 0],
  "slow-upstream": [65, 20, 15, 0],
};

/** A share is one of what the service completes in a closed loop, where that is the sick part's own limit. */
const holdoutFaults: readonly Fault[] = [
  { name: "healthy", expected: "none", rate: "90" },
  { name: "pool-starved", expected: "pool-starved", rate: "75%", env: { POOL_MAX: "3" } },
  { name: "slow-query", expected: "slow-query", rate: "40", env: { POOL_MAX: "4" } },
  { name: "loop-blocked", expected: "loop-blocked", rate: "70" },
  { name: "gc", expected: "gc", rate: "90" },
  { name: "redis", expected: "redis", rate: "100", redisMemory: "6mb" },
  { name: "libuv", expected: "libuv", rate: "75%", env: { UV_THREADPOOL_SIZE: "1" } },
  { name: "queue-overload", expected: "queue-overload", rate: "200" },
  { name: "cpu", expected: "cpu", rate: "500" },
  { name: "slow-upstream", expected: "slow-upstream", rate: "45", env: { POOL_MAX: "2" } },
];

const ORDERS = { few: 400, many: 8_000 };

export const holdout: FaultSet = {
  name: "doctor-holdout",
  service: "holdout-service.mjs",
  seed: "holdout-seed.mjs",
  redisPolicy: "allkeys-random",
  faults: holdoutFaults,
  workload: ({ name }) => {
    const weights = MIXES[name] ?? [];
    return {
      parameters: {
        few: { int: { min: 1, max: ORDERS.few } },
        id: { int: { min: 1, max: name === "redis" ? ORDERS.many : ORDERS.few } },
      },
      requests: ["main/${id}", "order/${few}", "customer/${id}", "partner/${few}"].flatMap(
        (path, at) => {
          const weight = weights[at] ?? 0;
          const named = path.replace(/\/.*/, "");
          return weight > 0 ? [{ name: named, weight, method: "GET", path: `/${path}` }] : [];
        },
      ),
    };
  },
};
