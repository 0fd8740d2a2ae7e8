// Settings of reports: into what they are split, and what works on the parts.

import { readWhole } from "../config-values.ts";
import type { Environment } from "../config-values.ts";

export type ReportsConfig = {
  /** Threads that make parts. */
  readonly workers: number;
  /** Runs of one part. */
  readonly splitRuns: number;
  /** Parts that are read ahead of the threads. */
  readonly depth: number;
};

export function readReportsConfig(environment: Environment, problems: string[]): ReportsConfig {
  const whole = (name: string, fallback: number, min: number, max: number): number =>
    readWhole(environment, name, fallback, min, max, problems);
  return {
    workers: whole("REPORT_WORKERS", 4, 1, 64),
    splitRuns: whole("REPORT_SPLIT_RUNS", 500, 1, 20_000),
    depth: whole("REPORT_DEPTH", 1, 1, 64),
  };
}
