// Opens what every process of this service works with, the one that answers requests and the one that only works on jobs.

import pino from "pino";
import type { Logger } from "pino";
import { createCacheTracer } from "../tracer/tracer.ts";
import { artifactOf } from "./artifacts/store.ts";
import type { BulkParts } from "./bulk/import.ts";
import { createBulkMetrics } from "./bulk/metrics.ts";
import { entityPrefix } from "./cache/keys.ts";
import { openCache } from "./cache/read-through.ts";
import { traceReads } from "./cache/trace.ts";
import { probeFiles } from "./compute/file-probe.ts";
import { openCompute } from "./compute/pool.ts";
import { createBudget } from "./compute/turns.ts";
import type { Budget } from "./compute/turns.ts";
import type { RegistryConfig } from "./config.ts";
import { openDatabase } from "./database.ts";
import type { Backend } from "./endpoint.ts";
import { WEBHOOKS } from "./jobs/endpoints.ts";
import { createJobs } from "./jobs/jobs.ts";
import type { Jobs } from "./jobs/jobs.ts";
import { createJobMetrics } from "./jobs/metrics.ts";
import { createMetrics } from "./metrics.ts";
import type { RegistryMetrics } from "./metrics.ts";
import { createReportMetrics } from "./reports/metrics.ts";
import { openReports } from "./reports/reports.ts";
import { observeRuntime } from "./runtime-metrics.ts";

export type Parts = {
  readonly backend: Backend & { readonly jobs: Jobs };
  readonly metrics: RegistryMetrics;
  readonly log: Logger;
  /** In the order in which they need each other. */
  readonly close: () => Promise<void>;
};

// A Redis that is down fails every request's lookup; saying so once in a while is enough.
const REPEATED_WARNING_MS = 10_000;

/** Connects when it is first used; the schema is not applied yet, and jobs are not begun. */
export function openParts(config: RegistryConfig): Parts {
  const log = pino({ level: config.logLevel });
  const warnSometimes = rateLimited(REPEATED_WARNING_MS, (error: unknown) => {
    log.warn(
      { err: error },
      "the cache, the job queue or an idle database connection failed; requests go on without it",
    );
  });
  const metrics = createMetrics();
  const database = openDatabase(config, { ...metrics.database, connectionFailed: warnSometimes });
  const tracer = createCacheTracer({ prefixOf: entityPrefix });
  const tiers = openCache(config, database, {
    ...metrics.cache,
    written(scopes) {
      tracer.invalidated(scopes);
      if (scopes.includes(WEBHOOKS)) jobs.webhooksChanged().catch(warnSometimes);
    },
    failed: warnSometimes,
  });
  const cache = traceReads(tiers, tracer, config.cacheL2TtlMs);
  const compute = openCompute(config.compute, {
    ...metrics.compute,
    threadFailed: (error) => log.error({ err: error }, "a CPU thread failed"),
  });
  const jobs = createJobs(config, {
    database,
    compute,
    artifactOf,
    invalidate: cache.invalidate,
    metrics: createJobMetrics(metrics.registry),
    failed: warnSometimes,
  });
  // Imports that are refused whole and reports hold one each; others need a connection meanwhile.
  const longHeld = createBudget(Math.max(1, config.poolMax - 1));
  const reports = openReports(config.reports, {
    database,
    longHeld,
    metrics: createReportMetrics(metrics.registry),
    threadFailed: (error) => log.error({ err: error }, "a thread for reports failed"),
  });
  const stopObserving = observeRuntime(metrics.registry);
  const stopProbing = probeFiles(metrics.compute.fileProbed);
  metrics.watch({
    poolState: database.poolState,
    memoryBytes: cache.memoryBytes,
    untold: cache.untold,
    compute: compute.state,
  });
  const bulk = bulkParts(config, metrics, longHeld);
  return {
    backend: { database, cache, compute, jobs, bulk, reports, batchSizeRows: config.batchSizeRows },
    metrics,
    log,
    async close() {
      stopObserving();
      stopProbing();
      await jobs.close();
      // Batches that are being written when their clients are cut off.
      await Promise.allSettled(bulk.underWay);
      await reports.close();
      await compute.close();
      await cache.close();
      await tracer.close();
      await database.close();
    },
  };
}

function bulkParts(
  { bulk, statementTimeoutMs }: RegistryConfig,
  { registry, database }: RegistryMetrics,
  longHeld: Budget,
): BulkParts {
  return {
    config: bulk,
    statementTimeoutMs,
    metrics: createBulkMetrics(registry, database.statement),
    longHeld,
    underWay: new Set(),
  };
}

function rateLimited<T>(everyMs: number, action: (value: T) => void): (value: T) => void {
  let nextMs = 0;
  return (value) => {
    if (performance.now() < nextMs) return;
    nextMs = performance.now() + everyMs;
    action(value);
  };
}
