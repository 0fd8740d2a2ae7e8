/** Counters around a window, for tests of what is made of them. */
import type { StatementStats } from "../../src/core/sample.ts";
import type { Counters } from "../../src/target/counters.ts";
import type { Measured } from "../../src/target/differences.ts";
import { loadResult } from "./load.ts";

export function statement(queryId: string, changes: Partial<StatementStats> = {}): StatementStats {
  return {
    queryId,
    sql: `SELECT ${queryId}`,
    calls: 0,
    totalMs: 0,
    rows: 0,
    buffers: 0,
    ...changes,
  };
}

export function statements(
  ...list: readonly StatementStats[]
): ReadonlyMap<string, StatementStats> {
  return new Map(list.map((each) => [each.queryId, each]));
}

export function counters(changes: Partial<Counters> = {}): Counters {
  return {
    atMs: 0,
    statements: statements(),
    scans: { index: 0, sequential: 0 },
    blocks: { hit: 0, read: 0 },
    backends: { cpuMsByPid: new Map(), reapedMs: 0 },
    service: { cpuMs: 0, residentBytes: 1, contextSwitches: 0 },
    redis: undefined,
    series: {},
    histograms: { one: {}, byWorker: new Map() },
    ...changes,
  };
}

export function measured(changes: Partial<Measured> = {}): Measured {
  return {
    // 1,000 requests in a window of 10 s after a warm-up of 2.5 s: the counters saw 1,250.
    load: loadResult({ requests: 1_000, windowMs: 10_000 }),
    warmupMs: 2_500,
    before: counters(),
    after: counters({ atMs: 12_500 }),
    polls: [],
    poolMax: undefined,
    ...changes,
  };
}
