/**
 * Ten small services, nine of them sick on purpose, on real stores: whether `perfopt doctor` names what is wrong, first. Some of them
 * alone: `PERFOPT_FAULTS=cpu,libuv npm run bench -- doctor`.
 */
import { examineSet } from "./doctor/examine.ts";
import { firstSet } from "./doctor/faults.ts";
import type { BenchOptions, BenchResult } from "./run.ts";

export function run(options: BenchOptions): Promise<BenchResult> {
  const title = "doctor: ten services on real PostgreSQL and Redis, nine of them sick on purpose";
  return examineSet(firstSet, title, options);
}
