/** Evidence of a healthy service in which everything was measured, and how each sickness changes it. */
import type { Bottleneck, DoctorEvidence, StatementEvidence } from "../../src/core/diagnosis.ts";
import type { Readings } from "../../src/core/readings.ts";

const quiet: Readings = {
  "machine.cpuPressure": 0.01,
  "machine.ioPressure": 0.001,
  "libuv.probeP95Ms": 0.2,
};

const light: Readings = {
  "load.latencyMeanMs": 8,
  "load.latencyP50Ms": 7,
  "load.latencyP90Ms": 11,
  "load.latencyP95Ms": 12,
  "generator.littleDifference": 0.001,
  "machine.cpuPressure": 0.03,
  "machine.foreignShare": 0.01,
  "loop.delayP99Ms": 1.5,
  "loop.longestTickMs": 3,
  "libuv.probeP95Ms": 0.25,
  "upstream.meanMs": 3,
  "upstream.callsPerRequest": 0.33,
  "upstream.msPerRequest": 1,
  "upstream.jobsMsPerRequest": 0.5,
};

const loaded: Readings = {
  "load.requestsPerSecond": 100,
  "load.completedShare": 1,
  "load.errorRate": 0,
  "load.refusedShare": 0,
  "load.latencyMeanMs": 10,
  "load.latencyP50Ms": 8,
  "load.latencyP90Ms": 16,
  "load.latencyP95Ms": 20,
  "load.inFlight": 1,
  "generator.lagOverLimit": 0.2,
  "generator.cpuShare": 0.1,
  "generator.littleDifference": 0.001,
  "machine.cpuPressure": 0.12,
  "machine.ioPressure": 0.01,
  "machine.stealShare": 0,
  "machine.foreignShare": 0.01,
  "process.cpuCores": 0.35,
  "process.mainThreadCores": 0.3,
  "process.mainThreadWanting": 0.33,
  "process.busiestHelperCores": 0.03,
  "process.otherHelpersCores": 0.02,
  "process.switchesPerSecond": 2_000,
  "loop.delayP99Ms": 4,
  "loop.utilization": 0.32,
  "loop.longestTickMs": 0,
  "gc.share": 0.02,
  "gc.perSecond": 4,
  "gc.pauseP99Ms": 6,
  "gc.youngPerSecond": 3.5,
  "gc.majorPerSecond": 0.1,
  "libuv.probeP95Ms": 0.4,
  "pool.waitingShare": 0.02,
  "pool.waitMeanMs": 0.1,
  "pool.max": 10,
  "db.activeMean": 0.8,
  "db.sessions": 10,
  "db.busyShare": 0.9,
  "db.lockShare": 0,
  "db.idleInTransactionMean": 0.1,
  "redis.evictionsPerSecond": 0,
  "redis.hitRate": 0.95,
  "redis.slowPerSecond": 0,
  "redis.pingP95Ms": 0.4,
  "redis.ownLagP95Ms": 0.5,
  "queue.offeredPerSecond": 20,
  "queue.completedPerSecond": 20,
  "queue.excessShare": 0,
  "queue.rejectedShare": 0,
  "queue.depthGrowth": 1,
  "queue.growthShare": 0.01,
  "queue.waitGrowthMs": 0.5,
  "queue.waitMeanMs": 3,
  "queue.serviceMeanMs": 20,
  "queue.activeMean": 0.4,
  "upstream.meanMs": 3,
  "upstream.callsPerRequest": 0.33,
  "upstream.msPerRequest": 1,
  "upstream.jobsMsPerRequest": 0.5,
};

export const healthy: DoctorEvidence = {
  cores: 4,
  quiet,
  light,
  loaded,
  statementsMeasured: true,
  hostJudged: true,
};

export interface Changes {
  readonly quiet?: Readings;
  readonly light?: Readings;
  readonly loaded?: Readings;
  readonly statement?: StatementEvidence;
}

export function changed(changes: Changes, from: DoctorEvidence = healthy): DoctorEvidence {
  return {
    ...from,
    quiet: { ...from.quiet, ...changes.quiet },
    light: { ...from.light, ...changes.light },
    loaded: { ...from.loaded, ...changes.loaded },
    ...(changes.statement ? { statement: changes.statement } : {}),
  };
}

/** The left one's statement, where both have one. */
export function both(left: Changes, right: Changes): Changes {
  const { statement = right.statement } = left;
  return {
    quiet: { ...left.quiet, ...right.quiet },
    light: { ...left.light, ...right.light },
    loaded: { ...left.loaded, ...right.loaded },
    ...(statement ? { statement } : {}),
  };
}

export const unindexed: StatementEvidence = {
  sql: "SELECT id FROM events WHERE owner = $1",
  table: "events",
  how: "sequence",
  timeShare: 0.9,
  meanMs: 9,
  msPerRequest: 6,
  rowsReadPerReturned: 12_000,
};

/** One call of so long a request. */
function upstreamOf(meanMs: number): Readings {
  return {
    "upstream.meanMs": meanMs,
    "upstream.callsPerRequest": 1,
    "upstream.msPerRequest": meanMs,
    "upstream.jobsMsPerRequest": 0,
    "load.latencyMeanMs": meanMs + 10,
    "load.latencyP50Ms": meanMs + 8,
    "load.latencyP90Ms": meanMs + 15,
    "load.latencyP95Ms": meanMs + 20,
  };
}

/** What each bottleneck shows at the least, and nothing besides. */
export const sicknesses: Readonly<Record<Bottleneck, Changes>> = {
  cpu: {
    loaded: {
      "process.mainThreadCores": 0.97,
      "process.mainThreadWanting": 0.99,
      "process.cpuCores": 1.02,
      "loop.utilization": 1,
      // The batches of a loop that is full are long, and no single tick is.
      "loop.delayP99Ms": 180,
      "loop.longestTickMs": 2_500,
      "load.completedShare": 0.7,
    },
  },
  "loop-blocked": {
    light: { "loop.delayP99Ms": 120, "loop.longestTickMs": 150 },
    loaded: { "loop.delayP99Ms": 160, "loop.utilization": 0.6, "loop.longestTickMs": 160 },
  },
  gc: { loaded: { "gc.share": 0.24, "gc.perSecond": 35 } },
  "pool-starved": {
    loaded: {
      "pool.waitingShare": 0.8,
      "pool.waitMeanMs": 60,
      "load.latencyMeanMs": 70,
      "pool.max": 1,
      "db.activeMean": 0.9,
    },
  },
  "database-saturated": {
    loaded: { "db.activeMean": 9.5, "db.busyShare": 0.95, "load.latencyMeanMs": 90 },
  },
  "slow-query": { statement: unindexed },
  libuv: { loaded: { "libuv.probeP95Ms": 60 } },
  redis: { loaded: { "redis.evictionsPerSecond": 40, "redis.hitRate": 0.2 } },
  "queue-overload": {
    loaded: {
      "queue.offeredPerSecond": 80,
      "queue.completedPerSecond": 40,
      "queue.excessShare": 0.5,
      "queue.depthGrowth": 200,
      "queue.growthShare": 0.5,
      "queue.waitGrowthMs": 1_500,
      "queue.waitMeanMs": 2_000,
    },
  },
  "request-limit": { loaded: { "load.errorRate": 0.4, "load.refusedShare": 0.4 } },
  "slow-upstream": {
    light: upstreamOf(200),
    loaded: upstreamOf(202),
  },
};
