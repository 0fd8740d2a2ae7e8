/** The window for idle connections after a sweep: what it says, and that the sweep is never lost for it. */
import { expect, test } from "vitest";
import { lookAtIdle } from "../../src/cli/pool-idle.ts";
import { PerfoptError } from "../../src/core/errors.ts";
import { makeSample } from "../samples.ts";

const pool = {
  size: 10,
  processes: 2,
  windowMs: 10_000,
  reconnectsPerMinuteMax: 6,
  idleTimeoutMs: 5_000,
};

function window(invalidBecause?: string) {
  const options = { windowMs: 1_000, requestsPerSecond: 100 };
  const sample = makeSample(
    { "pool.useRatio": 0.25 },
    invalidBecause === undefined ? options : { ...options, invalidBecause },
  );
  const entry = { endpoint: "get", method: "GET", key: 1, responseBytes: 1 };
  const trace = [
    { ...entry, atMs: 3 },
    { ...entry, atMs: 8 },
  ];
  // Asked for 100 a second, and 50 came.
  return { sample: { ...sample, load: { ...sample.load, trace, requestsPerSecondReached: 50 } } };
}

test("connections in use over the requests a second that were reached are how long one is held", async () => {
  const { idle, caveat } = await lookAtIdle(() => Promise.resolve(window()), pool);
  expect(caveat).toBeUndefined();
  expect(idle).toEqual({
    arrivalsMs: [3, 8],
    observedMs: 10_000,
    holdMs: 100,
    poolMax: 20,
    reconnectsPerMinuteMax: 6,
    presentTimeoutMs: 5_000,
  });
});

test("a window of less than ten seconds says nothing", async () => {
  const look = await lookAtIdle(() => Promise.resolve(window()), { ...pool, windowMs: 3_000 });
  expect(look).toEqual({ caveat: expect.stringContaining("3.00 s of arrivals are less than") });
});

test("a window that is invalid or cannot be measured is a caveat, and nothing else", async () => {
  const invalid = await lookAtIdle(() => Promise.resolve(window("the rate was missed")), pool);
  expect(invalid).toEqual({ caveat: expect.stringContaining("the rate was missed") });
  const failure = new PerfoptError("cannot-measure", "it did not start", "try again");
  const failed = await lookAtIdle(() => Promise.reject(failure), pool);
  expect(failed).toEqual({ caveat: expect.stringContaining("it did not start") });
});

test("Ctrl-C is none", async () => {
  const stop = new PerfoptError("interrupted", "stopped", "");
  await expect(lookAtIdle(() => Promise.reject(stop), pool)).rejects.toBe(stop);
});
