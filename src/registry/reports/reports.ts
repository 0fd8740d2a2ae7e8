// All reports of this process: so many at a time, over one pool of threads.

import type { RegistryConfig } from "../config.ts";
import type { Database } from "../database.ts";
import { RegistryError, TooBusyError } from "../errors.ts";
import type { ReportMetrics } from "./metrics.ts";
import type { Format } from "./part.ts";
import type { Range } from "./reading.ts";
import { makeReport } from "./report.ts";
import { openReportThreads } from "./threads.ts";

export type Reports = {
  /** The report's bytes. Throws TooBusyError if too many are being made; the iterator must be read or returned, or it counts for ever. */
  readonly make: (format: Format, range: Range, signal: AbortSignal) => AsyncGenerator<Uint8Array>;
  readonly close: () => Promise<void>;
};

// Each holds a connection for as long as its client takes to read it.
const AT_ONCE_MAX = 2;
const RETRY_AFTER_SECONDS_MAX = 60;

export function openReports(
  config: Pick<RegistryConfig, "reports" | "poolMax">,
  database: Database,
  metrics: ReportMetrics,
  threadFailed: (error: Error) => void,
): Reports {
  const threads = openReportThreads(config.reports.workers, threadFailed);
  metrics.watch(threads.state);
  const sources = { database, threads, config: config.reports, observer: metrics };
  // Others need a connection meanwhile.
  const atOnceMax = Math.max(1, Math.min(AT_ONCE_MAX, config.poolMax - 1));
  const closing = new AbortController();
  let underway = 0;
  let lastSeconds = 1;

  async function* counted(
    format: Format,
    range: Range,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const startedMs = performance.now();
    try {
      yield* makeReport(sources, format, range, AbortSignal.any([signal, closing.signal]));
      lastSeconds = (performance.now() - startedMs) / 1000;
      metrics.made(lastSeconds);
    } finally {
      underway -= 1;
    }
  }

  return {
    make(format, range, signal) {
      if (underway >= atOnceMax) {
        metrics.refused();
        throw new TooBusyError(
          `${underway} reports are being made already; try again later.`,
          Math.min(RETRY_AFTER_SECONDS_MAX, Math.ceil(lastSeconds)),
        );
      }
      underway += 1;
      return counted(format, range, signal);
    },
    async close() {
      closing.abort(
        new RegistryError("TEMPORARILY_UNAVAILABLE", "The service is about to end; try again."),
      );
      await threads.close();
    },
  };
}
