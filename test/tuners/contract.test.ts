/** Every tuner of the list keeps the contract, in situations that make it work and in some that should not. */
import { readdirSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { metrics } from "../../src/core/metric.ts";
import { tunerOf, tuners } from "../../src/tuners/index.ts";
import { advice } from "../advice.ts";
import { aggregateKnobs, aggregates } from "../aggregates.ts";
import { tunerContract } from "../contract/tuner.ts";
import type { Situation } from "../contract/tuner.ts";
import { MB, skewedKeys, traceOf, viewOf } from "./views.ts";

const everything = Object.fromEntries(
  metrics.map(({ id, unit }) => [id, unit === "ratio" ? 0.6 : 100]),
);

const views: readonly Situation[] = [
  { title: "a quiet target", view: viewOf({ metrics: {} }) },
  {
    title: "a busy target",
    view: viewOf({
      trace: traceOf(skewedKeys(1_000, 200)),
      metrics: {
        "api.latencyP95Ms": 100,
        "pool.waitMs": 20,
        "pool.useRatio": 0.95,
        "cache.hitRate": 0.5,
        "cache.l1HitRate": 0,
      },
      redis: {
        usedBytes: 127 * MB,
        datasetBytes: 110 * MB,
        evictedInWindow: 500,
        missesInWindow: 3_000,
      },
    }),
  },
  {
    title: "a target at its limits",
    view: viewOf({
      trace: traceOf(skewedKeys(1_000, 200), { responseBytes: 5 * MB }),
      values: {
        connections: 200,
        "connections-least": 200,
        "memory-ttl": 600_000,
        "redis-memory": 8192 * MB,
      },
      redis: { maxmemoryBytes: 8192 * MB, usedBytes: 8191 * MB, evictedInWindow: 500 },
      maxConnections: 20,
    }),
  },
  {
    title: "a service whose every part is measured",
    view: viewOf({ metrics: everything }),
  },
  {
    title: "processes behind a gateway, jobs in classes, failures that pass",
    view: viewOf({
      values: { copies: 2, classes: true, "threads-least": 16 },
      metrics: {
        ...everything,
        "queue.failureRatio": 0.2,
        "queue.deadLetters": 0,
        "queue.waitLowP95Ms": 60_000,
        "threads.efficiency": 0.05,
      },
    }),
  },
  {
    title: "a window that is not valid",
    view: viewOf({ invalidBecause: "the generator was late" }),
  },
];

const overload = {
  objective: "api.goodRatio",
  overload: { factor: 2, windowMs: 4_000, withinMs: 500 },
} as const;

const own: Readonly<Record<string, readonly Situation[]>> = {
  backpressure: [
    {
      title: "overload of which hardly a request is answered in time",
      view: viewOf({ metrics: { ...everything, "api.goodRatio": 0.04 } }),
      strategy: overload,
    },
    {
      title: "overload on a service that has a limit, in two processes",
      view: viewOf({
        values: { "under-way": 12, copies: 2 },
        metrics: { "api.goodRatio": 0.2 },
      }),
      strategy: { ...overload, settings: { "requests-in-flight": 40 } },
    },
  ],
  "index-advisor": [
    { title: "two indexes to gain by", view: viewOf(), observation: advice },
    {
      title: "little to gain",
      view: viewOf(),
      observation: { ...advice, totals: { ...advice.totals, relativeCost: 0.99 } },
    },
  ],
  "aggregate-indexes": [
    {
      title: "indexes, statistics and settings to gain by",
      view: viewOf({ knobs: aggregateKnobs }),
      observation: aggregates,
    },
  ],
};

for (const tuner of tuners) tunerContract(tuner, [...views, ...(own[tuner.id] ?? [])]);

test("ids are unique and name the files", () => {
  const files = readdirSync(resolve(import.meta.dirname, "../../src/tuners"))
    .map((file) => file.replace(/\.ts$/, ""))
    .filter((name) => name !== "index" && name !== "tuner");
  expect(tuners.map((tuner) => tuner.id).toSorted()).toEqual(files.toSorted());
  for (const tuner of tuners) expect(tunerOf(tuner.id)).toBe(tuner);
  expect(tunerOf("no-such-tuner")).toBeUndefined();
});
