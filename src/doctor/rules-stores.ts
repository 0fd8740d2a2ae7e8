/** Rules for what the service stands on: connection pool, database, Redis, job queue. */
import type { DoctorEvidence } from "../core/diagnosis.ts";
import type { Rule } from "./rules.ts";
import {
  condition,
  made,
  poolWaitShare,
  quotient,
  sign,
  statementShare,
  type Sign,
} from "./signs.ts";
import { THRESHOLDS as at } from "./thresholds.ts";

export function storeRules(evidence: DoctorEvidence): readonly Rule[] {
  return [
    slowQuery(evidence),
    redis(evidence),
    databaseSaturated(evidence),
    poolStarved(evidence),
    queueOverload(evidence),
  ];
}

function slowQuery(evidence: DoctorEvidence): Rule {
  const { statement, statementsMeasured } = evidence;
  // Measured and nothing found is a share of 0, not an unknown one.
  const known = (value: number | undefined) => value ?? (statementsMeasured ? 0 : undefined);
  const table = statement ? ` of ${statement.table}` : "";
  return {
    bottleneck: "slow-query",
    ways: [
      [
        ofDatabase(
          "one statement's share of all execution time",
          known(statement?.timeShare),
          at.statementTimeShare,
          "ratio",
        ),
        ofDatabase(
          `rows${table} read for each returned`,
          known(statement?.rowsReadPerReturned),
          at.rowsReadPerReturned,
          "count",
        ),
        ofDatabase(
          "that statement's share of the unloaded response",
          known(statementShare(evidence)),
          at.statementOfResponse,
          "ratio",
        ),
      ],
    ],
    unless: [],
    sentence: "A statement reads very many rows for the few that it returns: an index is missing.",
  };
}

function ofDatabase(
  title: string,
  value: number | undefined,
  limit: number,
  unit: Sign["unit"],
): Sign {
  return made({ resource: "database", title, unit, value, compare: ">=", limit });
}

function redis({ loaded }: DoctorEvidence): Rule {
  return {
    bottleneck: "redis",
    ways: [
      [
        sign(loaded, "redis.evictionsPerSecond", ">", 0),
        sign(loaded, "redis.hitRate", "<", at.redisHitRate),
      ],
      [sign(loaded, "redis.slowPerSecond", ">=", at.redisSlowPerSecond)],
      [
        sign(loaded, "redis.pingP95Ms", ">=", at.redisPingMs),
        // Where programs wait for a core, a PING waits with them, whatever Redis does.
        condition(sign(loaded, "machine.cpuPressure", "<", at.pressure)),
        made({
          resource: "Redis",
          title: "PING p95 over perfopt's own lateness",
          unit: "count",
          value: quotient(
            loaded["redis.pingP95Ms"],
            Math.max(loaded["redis.ownLagP95Ms"] ?? Number.NaN, 1),
          ),
          compare: ">=",
          limit: at.redisPingOverLag,
        }),
      ],
    ],
    unless: [],
    sentence:
      (loaded["redis.evictionsPerSecond"] ?? 0) > 0
        ? "Redis throws out what is asked for again: its memory is too small for what is kept in it."
        : "Redis answers slowly.",
  };
}

/** The same sign stands on both sides: it saturates the database, and takes the blame from the pool. */
function databaseFull({ cores, loaded }: DoctorEvidence): Sign {
  return sign(loaded, "db.activeMean", ">=", at.databaseActivePerCore * cores);
}

function poolWaits(evidence: DoctorEvidence): readonly Sign[] {
  return [
    sign(evidence.loaded, "pool.waitingShare", ">=", at.poolWaitingShare),
    made({
      resource: "connection pool",
      title: "wait for a connection, share of the response",
      unit: "ratio",
      value: poolWaitShare(evidence),
      compare: ">=",
      limit: at.poolWaitShare,
    }),
  ];
}

function databaseSaturated(evidence: DoctorEvidence): Rule {
  const { loaded } = evidence;
  const full = databaseFull(evidence);
  const locked = [
    sign(loaded, "db.lockShare", ">=", at.databaseLockShare),
    condition(sign(loaded, "db.activeMean", ">=", at.databaseLockActive)),
  ];
  const isLocked = locked.every(({ shown }) => shown === true);
  return {
    bottleneck: "database-saturated",
    ways: [
      [full, sign(loaded, "db.busyShare", ">=", at.databaseBusyShare)],
      locked,
      [full, ...poolWaits(evidence)],
    ],
    unless: [],
    sentence: isLocked
      ? "Sessions of the database wait for each other's locks."
      : "The database has more sessions at work than it has cores for.",
  };
}

function poolStarved(evidence: DoctorEvidence): Rule {
  return {
    bottleneck: "pool-starved",
    ways: [poolWaits(evidence)],
    unless: [databaseFull(evidence)],
    sentence: "Requests wait for a connection while the database has room.",
  };
}

function queueOverload({ loaded }: DoctorEvidence): Rule {
  return {
    bottleneck: "queue-overload",
    ways: [
      // Jobs under way look like ones that nobody does: the line itself has to grow, and with it the waits.
      [
        sign(loaded, "queue.excessShare", ">=", at.queueExcessShare),
        sign(loaded, "queue.growthShare", ">=", at.queueGrowthShare),
        condition(sign(loaded, "queue.waitGrowthMs", ">", 0)),
      ],
      // A bounded line that is full does not grow any more.
      [
        sign(loaded, "queue.excessShare", ">=", at.queueExcessShare),
        sign(loaded, "queue.rejectedShare", ">=", at.queueExcessShare),
        made({
          resource: "job queue",
          title: "wait over service time",
          unit: "count",
          value: quotient(loaded["queue.waitMeanMs"], loaded["queue.serviceMeanMs"]),
          compare: ">=",
          limit: at.queueWaitOverService,
        }),
      ],
    ],
    unless: [],
    sentence:
      (loaded["queue.rejectedShare"] ?? 0) >= at.queueExcessShare
        ? "More jobs come than are done: the queue is full, and jobs are refused."
        : "More jobs come than are done: the queue grows for as long as this goes on.",
  };
}
