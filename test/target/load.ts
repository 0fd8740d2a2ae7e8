/** A load for tests of the target: requests one after the other, and a plausible result. */
import type { LoadResult } from "../../src/core/sample.ts";
import type { OrderedResult, OrderedRun, ReplayLoad } from "../../src/target/replay.ts";
import type { LoadRun } from "../../src/target/window.ts";

export function loadResult(changes: Partial<LoadResult> = {}): LoadResult {
  return {
    requestsPerSecondTarget: 100,
    requestsPerSecondReached: 100,
    windowMs: 1_000,
    requests: 100,
    errors: 0,
    timeouts: 0,
    dropped: 0,
    statuses: { "200": 100 },
    latency: { p50Ms: 1, p90Ms: 2, p95Ms: 3, p99Ms: 4, p999Ms: 5, maxMs: 6, meanMs: 1.5 },
    histograms: { response: "", service: "", lag: "" },
    endpoints: [],
    generator: { lagP99Ms: 0, cpuShare: 0 },
    checks: [],
    ...changes,
  };
}

/** Sends `requests` requests for items by ids that the seed chooses, spread over warm-up and window. */
export function loadOf(requests: number) {
  return async (run: LoadRun): Promise<LoadResult> => {
    const pauseMs = (run.warmupMs + run.windowMs) / requests;
    let errors = 0;
    for (let index = 0; index < requests; index += 1) {
      run.signal.throwIfAborted();
      const response = await fetch(`${run.baseUrl}/${(index * 7 + run.seed) % 40}`, {
        signal: run.signal,
      });
      await response.text();
      if (!response.ok) errors += 1;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    const counted = Math.round((requests * run.windowMs) / (run.warmupMs + run.windowMs));
    return loadResult({ requests: counted, errors, windowMs: run.windowMs });
  };
}

/** The fixture service's endpoints, by the beginning of their paths, with numbers that the seed chooses. */
export const fixtureReplay: ReplayLoad = {
  endpoints: ["item", "count", "visit"],
  sendInOrder: async (run: OrderedRun): Promise<OrderedResult> => {
    const folder = run.endpoint === "item" ? "" : `${run.endpoint}/`;
    let errors = 0;
    let responseBytes = 0;
    for (let index = 0; index < run.requests; index += 1) {
      const id = (index * 7 + run.seed) % 40;
      const response = await fetch(`${run.baseUrl}/${folder}${id}`, { signal: run.signal });
      responseBytes += (await response.text()).length;
      if (!response.ok) errors += 1;
    }
    return { requests: run.requests, errors, responseBytes };
  },
};
