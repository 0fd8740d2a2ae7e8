/** Micro-cache: what it proposes from a trace, what it follows up with, and when it has nothing to offer. */
import { expect, test } from "vitest";
import type { Ask } from "../../src/core/observation.ts";
import { microCache } from "../../src/tuners/micro-cache.ts";
import {
  candidateOf,
  decided,
  knobs,
  MB,
  reasonOf,
  skewedKeys,
  strategyOf,
  traceOf,
  valuesOf,
  viewOf,
} from "./views.ts";
import { askOf } from "./views.ts";
import type { ViewSketch } from "./views.ts";

const repeating = traceOf(skewedKeys(1_000, 150));

async function nextOn(sketch: ViewSketch, ask: Partial<Ask<unknown>> = {}) {
  return microCache.next(askOf(await microCache.observe(viewOf(sketch)), ask));
}

test("proposes five seconds where requests repeat, with the predicted share and how it was found", async () => {
  const { hypothesis, changes, evidence } = candidateOf(await nextOn({ trace: repeating }));
  expect(changes).toEqual([{ kind: "set-knob", knob: "memory-ttl", from: 0, to: 5_000 }]);
  expect(hypothesis).toMatch(
    /for 5\.00 s takes \d+\.\d % of the requests off the stores \(now 0 %\)/,
  );
  expect(evidence.join("\n")).toMatch(
    /1000 of 1000 requests .* get-thing[^]*the window drawn again over a trial's windows[^]*working set/,
  );
});

test("takes the strategy's preset, in words or milliseconds", async () => {
  for (const preset of ["2s", 2_000]) {
    const strategy = strategyOf("api.latencyP95Ms", { "l1-ttl": preset });
    expect(valuesOf(await nextOn({ trace: repeating }, { strategy }))).toEqual({
      "memory-ttl": 2_000,
    });
  }
});

test("enlarges the cache where the working set does not fit", async () => {
  const trace = traceOf(skewedKeys(1_000, 150), { responseBytes: MB });
  const { "memory-size": size } = valuesOf(await nextOn({ trace }));
  expect(size).toBeGreaterThan(100 * MB);
  expect(Math.log2(Number(size)) % 1).toBe(0);
});

test("never gives the cache more than its share of the machine", async () => {
  const trace = traceOf(skewedKeys(1_000, 150), { responseBytes: 50 * MB });
  expect(valuesOf(await nextOn({ trace }))["memory-size"]).toBe(512 * MB);
});

test("tries a longer time only within the staleness allowed, and only for two points more", async () => {
  const kept = { trace: repeating, values: { "memory-ttl": 5_000 } };
  expect(reasonOf(await nextOn(kept))).toMatch(
    /points more within 5\.00 s \(the most staleness allowed\)/,
  );
  const stale = strategyOf("api.latencyP95Ms", { stalenessMaxMs: 60_000 });
  const step = await nextOn(kept, { strategy: stale });
  expect(valuesOf(step)["memory-ttl"]).toBeGreaterThan(5_000);
  expect(valuesOf(step)["memory-ttl"]).toBeLessThanOrEqual(60_000);
  const few = {
    trace: traceOf(Array.from({ length: 1_000 }, (_, index) => index % 5)),
    values: { "memory-ttl": 5_000 },
  };
  expect(reasonOf(await nextOn(few, { strategy: stale }))).toMatch(/at most 0\.\d points more/);
});

test("is done when the preset was discarded and nothing else is allowed", async () => {
  const candidate = candidateOf(await nextOn({ trace: repeating }));
  const step = await nextOn({ trace: repeating }, { history: [decided(candidate, "discard")] });
  expect(reasonOf(step)).toMatch(/^what was worth trying was tried/);
});

test("asks for room alone when the present entries go before their time", async () => {
  const trace = traceOf(skewedKeys(1_000, 150), { responseBytes: MB });
  const step = await nextOn({ trace, values: { "memory-ttl": 5_000 } });
  expect(Object.keys(valuesOf(step))).toEqual(["memory-size"]);
  expect(candidateOf(step).hypothesis).toMatch(
    /larger in-process cache keeps what is evicted .* would hit, not/,
  );
});

test.each<[what: string, sketch: ViewSketch, reason: RegExp]>([
  [
    "every request is different",
    { trace: traceOf(Array.from({ length: 1_000 }, (_, index) => index)) },
    /requests repeat too little: of 1000 requests, 0\.\d+ %/,
  ],
  [
    "only writes repeat",
    { trace: traceOf(skewedKeys(1_000, 10), { method: "PUT" }) },
    /requests repeat too little/,
  ],
  ["the window has too few requests", { trace: repeating.slice(0, 50) }, /50 requests, too few/],
  [
    "there is no such knob",
    { trace: repeating, knobs: knobs.filter((knob) => knob.role !== "l1-ttl") },
    /no knob .* l1-ttl/,
  ],
])("is done when %s", async (_, sketch, reason) => {
  expect(reasonOf(await nextOn(sketch))).toMatch(reason);
});
