// What the service's metrics page says of reports.

import { Counter, Gauge, Histogram } from "prom-client";
import type { Registry } from "prom-client";
import type { ReportObserver } from "./report.ts";
import type { ReportThreadsState } from "./threads.ts";

export type ReportMetrics = ReportObserver & {
  /** Its last byte was handed over. */
  readonly made: (seconds: number) => void;
  readonly refused: () => void;
  readonly watch: (state: () => ReportThreadsState) => void;
};

const BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

export function createReportMetrics(registry: Registry): ReportMetrics {
  const registers = [registry];
  const parts = new Counter({
    name: "registry_report_parts_total",
    help: "Parts of reports that were made and written",
    registers,
  });
  const reading = new Counter({
    name: "registry_report_read_seconds_total",
    help: "Time of reading parts of reports from PostgreSQL",
    registers,
  });
  const refused = new Counter({
    name: "registry_reports_refused_total",
    help: "Reports refused because too many were being made",
    registers,
  });
  const seconds = new Histogram({
    name: "registry_report_seconds",
    help: "Time from asking for a report until its last byte was handed over; those broken off do not count",
    buckets: BUCKETS,
    registers,
  });
  return {
    partMade: () => parts.inc(),
    partRead: (taken) => reading.inc(taken),
    made: (taken) => seconds.observe(taken),
    refused: () => refused.inc(),
    watch: (state) => addThreads(registry, state),
  };
}

function addThreads(registry: Registry, state: () => ReportThreadsState): void {
  registry.registerMetric(
    new Gauge({
      name: "registry_report_threads_alive",
      help: "Threads for reports that are there",
      registers: [],
      collect() {
        this.set(state().threadsAlive);
      },
    }),
  );
  let seen = 0;
  registry.registerMetric(
    new Counter({
      name: "registry_report_thread_busy_seconds_total",
      help: "Time of work on parts of reports that ended, as the threads timed it",
      registers: [],
      collect() {
        const { busySeconds } = state();
        this.inc(busySeconds - seen);
        seen = busySeconds;
      },
    }),
  );
}
