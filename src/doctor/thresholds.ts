/** Every limit that the doctor judges by, with its source. `research` is research/tuning.md section 3, the minimum evidence table. */

export const THRESHOLDS = {
  /** research, CPU-bound JS: "ELU>.9"; @fastify/under-pressure sheds load at 0.98. */
  loopUtilization: 0.9,
  /** research, CPU-bound JS: "process CPU>=.9 core". */
  processCores: 0.9,
  /**
   * The same from outside: the share of time in which the main thread runs or stands in line for a core (schedstat). On a machine whose
   * cores the service shares with its stores and the generator, a thread that always wants one gets less than a whole one.
   */
  mainThreadWanting: 0.9,
  /** Own: below half a core a thread that always wants one is starved by others rather than busy. */
  mainThreadCores: 0.5,
  /** research, GC: ">=10% of wall"; and CPU-bound JS only with less. */
  gcShare: 0.1,
  /** research, GC: "pause p99 >=50 ms". */
  gcPauseMs: 50,
  /** research, GC: "scavenge >20/s with survivors"; own: survivors are seen by a collection of the whole heap each second. */
  scavengesPerSecond: 20,
  majorPerSecond: 1,
  /** Own: in a twentieth of the time one request in twenty meets a collection, which is what p95 is made of. Less is felt by none. */
  gcFelt: 0.05,
  /** research, loop blocked: "delay p99>=50 ms"; clinic doctor has 10 ms for the median and 100 ms for the maximum. */
  loopDelayMs: 50,
  /** research, DB pool starved: "waitingCount>0 in >=20% samples and wait p95 >= 20% of request p95"; own: of the means. */
  poolWaitingShare: 0.2,
  poolWaitShare: 0.2,
  /** research, DB pool starved: "DB active < cores*2"; DB saturated is the other side. */
  databaseActivePerCore: 2,
  /** research, DB saturated: "wait events CPU/LWLock/IO"; own: of at least so many of the sessions at work. */
  databaseBusyShare: 0.7,
  /** Own: half of the work of more than one session is waiting for another's lock. */
  databaseLockShare: 0.5,
  databaseLockActive: 1.5,
  /** research, slow query: "one queryid >=20% of total_exec_time, seq scan rows/returned >=100"; own: by a wrong index as by none. */
  statementTimeShare: 0.2,
  rowsReadPerReturned: 100,
  /** Own: a statement below a tenth of the unloaded response cannot be what the service waits for. */
  statementOfResponse: 0.1,
  /** research, libuv pool: "fs/dns probe p95 >=5x its idle value while ELU<.5". */
  probeOverIdle: 5,
  loopFree: 0.5,
  /** Own: five times of a few microseconds is still nothing. */
  probeLeastMs: 5,
  /** research, libuv pool, exonerates: "CPU idle"; own: threads get at least half of the CPU time that they want. */
  cpuGranted: 0.5,
  /** Own, from outside: one helper thread has a core to itself, and the others together less than a third of one. */
  helperCores: 0.85,
  otherHelpersCores: 0.3,
  /** research, Redis: "evictions>0, hit<.8". */
  redisHitRate: 0.8,
  /** research, Redis: "slowlog"; own: one a second, since Redis' own limit of 10 ms is passed by a hiccup of the machine too. */
  redisSlowPerSecond: 1,
  /** research, Redis: "RTT p95 >=5 ms"; own: and twice of what perfopt's own timers were late, which a PING waits for too. */
  redisPingMs: 5,
  redisPingOverLag: 2,
  /** research, queue: "arrival > completion over window; wait/service >=1"; own: by a twentieth, and beyond chance. */
  queueExcessShare: 0.05,
  queueWaitOverService: 1,
  /** Own: jobs that wait for a moment more or fewer at either end of a window are no trend. */
  queueGrowthShare: 0.1,
  /** Own: the median of calls whose times are spread exponentially is ln 2 of their mean; of steadier ones it is nearer to it. */
  responseOverCall: 0.7,
  /** Own: more than half of the response, and more than any call within one region takes. */
  upstreamShare: 0.5,
  upstreamMs: 50,
  /** research, host: "PSI cpu/io some >=20%, steal >=5%". */
  pressure: 0.2,
  steal: 0.05,
  /** The same of one thread: runnable and without a core in a fifth of the time. */
  inLineForCpu: 0.2,
  /** docs/decisions/0007-host-pressure.md: pressure alone may be the load's own. */
  foreign: 0.1,
  /** Those of src/load/checks.ts: a window beyond them is not a measurement of the service. */
  generatorLag: 1,
  generatorCpu: 0.7,
  littleDifference: 0.05,
  completedShare: 0.99,
  errorRate: 0.01,
  /** Own: where most answers are failures, the times are those of failing. */
  failing: 0.5,
} as const;
