// What the service's metrics page says of bulk imports.

import { Counter, Histogram } from "prom-client";
import type { Registry } from "prom-client";
import type { BulkMethod } from "./config.ts";

export type BulkMetrics = {
  /** Rows that were added or changed, after their commit. */
  readonly written: (kind: string, rows: number) => void;
  readonly batch: (method: BulkMethod, seconds: number) => void;
  readonly statement: () => void;
};

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** `statement` counts what is sent to PostgreSQL, whoever sends it. */
export function createBulkMetrics(registry: Registry, statement: () => void): BulkMetrics {
  const registers = [registry];
  const records = new Counter({
    name: "registry_bulk_records_total",
    help: "Rows that bulk imports added or changed",
    labelNames: ["kind"] as const,
    registers,
  });
  const batches = new Counter({
    name: "registry_bulk_batches_total",
    help: "Batches of bulk imports that were committed",
    labelNames: ["method"] as const,
    registers,
  });
  const seconds = new Histogram({
    name: "registry_bulk_batch_seconds",
    help: "Time to write and commit one batch, the wait for a connection included",
    buckets: BUCKETS,
    registers,
  });
  return {
    written(kind, rows) {
      if (rows > 0) records.inc({ kind }, rows);
    },
    batch(method, took) {
      batches.inc({ method });
      seconds.observe(took);
    },
    statement,
  };
}
