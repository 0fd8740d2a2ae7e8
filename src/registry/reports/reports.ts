// All reports of this process: so many at a time, over one pool of threads.

import type { Budget } from "../compute/turns.ts";
import type { Database } from "../database.ts";
import { RegistryError, TooBusyError } from "../errors.ts";
import type { ReportsConfig } from "./config.ts";
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

export type ReportParts = {
  readonly database: Database;
  /** Connections that may be held for as long as a client likes. */
  readonly longHeld: Budget;
  readonly metrics: ReportMetrics;
  readonly threadFailed: (error: Error) => void;
};

export function openReports(
  config: ReportsConfig,
  { database, longHeld, metrics, threadFailed }: ReportParts,
): Reports {
  const threads = openReportThreads(config.workers, threadFailed);
  metrics.watch(threads.state);
  const sources = { database, threads, config, observer: metrics };
  const closing = new AbortController();
  let underway = 0;
  let lastSeconds = 1;

  async function* counted(
    format: Format,
    range: Range,
    signal: AbortSignal,
    giveBack: () => void,
  ): AsyncGenerator<Uint8Array> {
    const startedMs = performance.now();
    try {
      yield* makeReport(sources, format, range, AbortSignal.any([signal, closing.signal]));
      lastSeconds = (performance.now() - startedMs) / 1000;
      metrics.made(lastSeconds);
    } finally {
      underway -= 1;
      giveBack();
    }
  }

  return {
    make(format, range, signal) {
      const giveBack = underway < AT_ONCE_MAX ? longHeld(1) : undefined;
      if (giveBack === undefined) {
        metrics.refused();
        throw new TooBusyError(
          "Reports or imports hold too many connections already; try again later.",
          Math.min(RETRY_AFTER_SECONDS_MAX, Math.ceil(lastSeconds)),
        );
      }
      underway += 1;
      return counted(format, range, signal, giveBack);
    },
    async close() {
      closing.abort(
        new RegistryError("TEMPORARILY_UNAVAILABLE", "The service is about to end; try again."),
      );
      await threads.close();
    },
  };
}
