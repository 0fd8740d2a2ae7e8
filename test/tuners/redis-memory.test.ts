/** Redis memory: when evictions make more of it worth trying, how much, and when it cannot help. */
import { expect, test } from "vitest";
import type { Ask } from "../../src/core/observation.ts";
import { redisMemory } from "../../src/tuners/redis-memory.ts";
import {
  askOf,
  candidateOf,
  decided,
  GB,
  knobs,
  MB,
  reasonOf,
  strategyOf,
  valuesOf,
  viewOf,
} from "./views.ts";
import type { ViewSketch } from "./views.ts";

const full = { usedBytes: 127 * MB, datasetBytes: 110 * MB, keys: 50_000, evictedInWindow: 800 };
const withoutTtl = knobs.filter((knob) => knob.role !== "l2-ttl");

async function nextOn(sketch: ViewSketch, ask: Partial<Ask<unknown>> = {}) {
  return redisMemory.next(askOf(await redisMemory.observe(viewOf(sketch)), ask));
}

test("no eviction is a finding: more memory cannot help", async () => {
  expect(reasonOf(await nextOn({}))).toMatch(
    /more memory cannot raise the hit rate: no key was evicted in the window, 20\.0 MB of 128 MB \(15\.0 MB of it data\) used\. 90\.0 % of 1000 look-ups hit/,
  );
});

test("evictions: the preset, where it is not known how long keys live", async () => {
  const { changes, evidence } = candidateOf(await nextOn({ redis: full, knobs: withoutTtl }));
  expect(changes).toEqual([{ kind: "set-knob", knob: "redis-memory", from: 128 * MB, to: GB }]);
  expect(evidence.join("\n")).toMatch(
    /800 keys evicted and 100 expired in 10\.0 s, policy allkeys-lru[^]*50000 keys/,
  );
});

test("evictions: the rung of the ladder that holds misses a second times the time to live", async () => {
  // 2,200 misses in 10 s for 300 s: 66,000 keys instead of 50,000, at 2.3 kB each.
  const step = await nextOn({ redis: { ...full, missesInWindow: 2_200 } });
  expect(valuesOf(step)).toEqual({ "redis-memory": 320 * MB });
  // 6,000 misses: 180,000 keys, 500 MB with headroom; the next rung.
  expect(valuesOf(await nextOn({ redis: { ...full, missesInWindow: 6_000 } }))).toEqual({
    "redis-memory": 800 * MB,
  });
});

test("a rung that did not help is followed by the most, once", async () => {
  const redis = { ...full, missesInWindow: 2_200 };
  const first = candidateOf(await nextOn({ redis }));
  const history = [decided(first, "discard")];
  const second = await nextOn({ redis }, { history });
  expect(valuesOf(second)).toEqual({ "redis-memory": GB });
  const third = await nextOn(
    { redis },
    { history: [...history, decided(candidateOf(second), "inconclusive")] },
  );
  expect(reasonOf(third)).toMatch(/what the memory allows was tried, up to 1\.00 GB/);
});

test("full and about to evict counts as evicting", async () => {
  expect((await nextOn({ redis: { ...full, evictedInWindow: 0 } })).kind).toBe("candidate");
});

test("no more than a quarter of the machine", async () => {
  const strategy = strategyOf("api.latencyP95Ms", { "redis-maxmemory": "6gb" });
  expect(valuesOf(await nextOn({ redis: full, knobs: withoutTtl }, { strategy }))).toEqual({
    "redis-memory": 2 * GB,
  });
});

test.each<[what: string, sketch: ViewSketch, reason: RegExp]>([
  ["there is no such knob", { knobs: [] }, /no knob .* redis-maxmemory/],
  ["there is no Redis", { redis: null }, /the target has no Redis/],
  ["Redis has no limit", { redis: { maxmemoryBytes: 0 } }, /no memory limit; it uses 20\.0 MB/],
  [
    "the limit is as high as may be",
    {
      redis: { ...full, maxmemoryBytes: 2 * GB, usedBytes: 2 * GB },
      values: { "redis-memory": 2 * GB },
    },
    /as much as the strategy, the knob and the machine allow \(1\.00 GB\)/,
  ],
])("is done when %s", async (_, sketch, reason) => {
  expect(reasonOf(await nextOn(sketch))).toMatch(reason);
});
