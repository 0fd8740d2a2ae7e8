// The acceptance test of the load engine: a service that stalls 500 ms in every 5 s, and is 10 ms fast otherwise.
import autocannon from "autocannon";
import { afterAll, beforeAll, expect, test } from "vitest";
import { closeLoad, runWindow } from "../../src/load/engine.ts";
import { decodeHistogram, percentileMs } from "../../src/load/histogram.ts";
import { rank, truthOf } from "./stall-truth.ts";
import { loadOf, startStallServer, template, uniqueId, workloadOf } from "./servers.ts";
import type { StallServer } from "./servers.ts";

const DELAY_MS = 10;
const STALL_MS = 500;
const PERIOD_MS = 5_000;
const REQUESTS_PER_SECOND = 1_000;
const WARMUP_MS = 1_000;
// Whole periods, so that a tenth of the requests is due in a stall wherever the window begins.
const WINDOW_MS = 2 * PERIOD_MS;

let server: StallServer;

beforeAll(async () => {
  server = await startStallServer(DELAY_MS, STALL_MS, PERIOD_MS);
});

afterAll(async () => {
  server.stop();
  await closeLoad();
});

test("stall truth: open-loop percentiles agree with what the server itself wrote down", async () => {
  const load = loadOf({
    baseUrl: server.url,
    workload: workloadOf([template({ path: "/${id}" })], [uniqueId]),
    requestsPerSecond: REQUESTS_PER_SECOND,
    warmupMs: WARMUP_MS,
    windowMs: WINDOW_MS,
    // Enough that every request due in a stall reaches the server in it.
    connections: 1_000,
    // The longest that a machine may leave the server waiting.
    timeoutMs: 20_000,
  });
  const result = await runWindow(load, new AbortController().signal);
  const truth = truthOf(await server.answers(), load, DELAY_MS);
  expect(truth).toHaveLength((REQUESTS_PER_SECOND * WINDOW_MS) / 1_000);
  expect(result.requests).toBe(truth.length);
  expect(result.statuses).toEqual({ "200": truth.length });

  // The tolerances. Where the machine kept the generator from running, answers were read late by as much as requests
  // were sent late, which the lag histogram counts: the tolerance grows by that and by nothing else.
  const lag = decodeHistogram(result.histograms.lag);
  const response = decodeHistogram(result.histograms.response);
  const table = [
    { percentile: 50, toleranceMs: 0.5, lagPercentile: 99 },
    { percentile: 99, toleranceMs: 10, lagPercentile: 99.9 },
    { percentile: 99.9, toleranceMs: 6, lagPercentile: 100 },
  ].map(({ percentile, toleranceMs, lagPercentile }) => ({
    percentile,
    trueMs: rank(truth, percentile),
    measuredMs: percentileMs(response, percentile),
    toleranceMs: toleranceMs + percentileMs(lag, lagPercentile),
  }));
  for (const { percentile, trueMs, measuredMs, toleranceMs } of table) {
    const what = `p${percentile}: server ${trueMs.toFixed(2)} ms, measured ${measuredMs.toFixed(2)} ms`;
    // An answer is never read before it was given; the histogram's three digits are the rest.
    expect(measuredMs, what).toBeGreaterThanOrEqual(trueMs * 0.999);
    expect(measuredMs, `${what}, tolerance ${toleranceMs.toFixed(2)} ms`).toBeLessThanOrEqual(
      trueMs + toleranceMs,
    );
  }
  // However slow the machine, the stall is in it: a tenth of the requests waits for its end, evenly from 0 to 500 ms.
  expect(result.latency.p50Ms).toBeGreaterThanOrEqual(DELAY_MS);
  expect(result.latency.p99Ms).toBeGreaterThanOrEqual(450);
  expect(result.latency.p999Ms).toBeGreaterThanOrEqual(495);

  // The negative control: autocannon's closed loop stops sending while it waits, and so hardly sees the stall that it was in.
  const closed = await autocannon({ url: server.url, connections: 10, duration: 6 });
  expect(closed.latency.max).toBeGreaterThanOrEqual(STALL_MS / 2);
  expect(closed.latency.p99).toBeLessThan(result.latency.p99Ms / 2);
}, 60_000);
