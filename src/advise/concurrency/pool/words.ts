/** Why one size won, why larger and smaller ones lost, and what was not seen: in sentences with their numbers. */
import type { PoolPoint } from "../../../core/pool-advice.ts";
import { formatDuration, formatRatio, significant } from "../../../core/units.ts";
import { countOf } from "../gain-words.ts";
import { rangeOf } from "./choose.ts";
import { boundInWords, perSecond, UNIT, type Facts } from "./headline.ts";
import { overlapOf } from "./trust.ts";

/** Below this a wait for a connection is none. */
const WAIT_MS_LEAST = 0.05;
/** Of the mean response: a shorter wait is not what makes a pool too small. */
const WAIT_SHARE_LEAST = 0.05;
/** Of the connections in use: a pool that has more to spare is not short of them. */
const IN_USE_FULL = 0.8;
/** Of the cores: the database has none to spare. */
const CORES_FULL = 0.85;

/** Connections held by a service that does something else meanwhile. */
const HELD_PER_EXECUTING = 4;
const IDLING_LEAST = 1;

export function reasonsOf(facts: Facts): readonly string[] {
  const { recommended, verdict } = facts.choice;
  if (!recommended) return boundReasons(facts);
  const compared =
    verdict === "unclear"
      ? facts.doubts
      : [
          winnerReason(facts, recommended),
          ...smallerReasons(facts, recommended),
          ...largerReasons(facts, recommended),
        ];
  return [
    ...compared,
    ...lawReasons(facts, recommended),
    ...littleReasons(facts, recommended),
    ...boundReasons(facts),
    ...formulaReasons(facts),
  ];
}

function winnerReason(facts: Facts, recommended: PoolPoint): string {
  const { best, bound } = facts.choice;
  const reached = `${recommended.size} reached ${formatRatio(recommended.shareOfBest)} of the best measured (${perSecond(best.throughput)} at ${best.size})`;
  if (bound) {
    const exact =
      bound.size === recommended.size
        ? ""
        : `; ${bound.size} itself was not measured, and ${recommended.size} is the best choice of the sizes that were`;
    return `by throughput it would be ${bound.unbounded}, which ${boundInWords(facts, bound)} forbids: ${reached}${exact}`;
  }
  if (best === recommended) {
    return `${recommended.size} measured best, ${perSecond(best.throughput)}`;
  }
  return `${reached}: as good, and smaller, which frees memory and shortens queues inside the database`;
}

function smallerReasons({ points, bounds, fit }: Facts, recommended: PoolPoint): readonly string[] {
  const smaller = points.findLast(({ size }) => size < recommended.size);
  if (!smaller) return [];
  const share = `${formatRatio(smaller.shareOfBest)} of the best`;
  if (smaller.size < rangeOf(bounds).least) {
    return [`${smaller.size} measured ${share}, and is less than may be set`];
  }
  const overlap = overlapOf(smaller, recommended, fit);
  if (overlap !== undefined) {
    return [`${smaller.size} measured ${share}, but may be as good: ${overlap}`];
  }
  const { waitMs } = smaller.inside;
  const response = smaller.responseMs;
  const waited =
    waitMs === undefined || waitMs < WAIT_MS_LEAST
      ? ""
      : `; there a connection was waited for ${formatDuration(waitMs)}${response === undefined ? "" : ` (mean response ${formatDuration(response)})`}, with ${recommended.size} ${waitOf(recommended)}`;
  return [`${smaller.size} is too small: ${share}${waited}`];
}

/** Requests that fail in the small pools alone look like a pool that waits for itself. */
function failuresOf({ question, points, bounds }: Facts): readonly string[] {
  const { measurements, subject } = question;
  const failing = measurements.filter(({ requestsFailed }) => requestsFailed);
  const largest = Math.max(...failing.map(({ size }) => size));
  const least = points[0]?.size;
  if (subject === "users" || bounds.floor || failing.length === 0) return [];
  if (least === undefined || largest >= least) return [];
  return [
    `requests failed with ${countOf(largest, "connection")}${failing.some(({ size }) => size < largest) ? " and fewer" : ""}, and not with ${least}: where one request holds several at once, too small a pool waits for itself (--threads and --connections-per-request tell the floor)`,
  ];
}

/** What the next smaller pool told of itself, where that does not look like a pool that is too small. */
function contradictions({ question, points, choice }: Facts): readonly string[] {
  const { recommended } = choice;
  if (!recommended || question.subject === "users") return [];
  const smaller = points.findLast(({ size }) => size < recommended.size);
  if (!smaller) return [];
  const { responseMs, inside } = smaller;
  const { waitMs, inUse } = inside;
  const connections =
    smaller.size * (question.processes === undefined ? (question.server?.processes ?? 1) : 1);
  const signs = [
    ...(waitMs !== undefined && responseMs !== undefined && waitMs < WAIT_SHARE_LEAST * responseMs
      ? [`a connection was waited for ${formatDuration(waitMs)} of ${formatDuration(responseMs)}`]
      : []),
    ...(inUse !== undefined && inUse < IN_USE_FULL * connections
      ? [`${significant(inUse)} of ${connections} connections were in use`]
      : []),
  ];
  if (signs.length === 0) return [];
  return [
    `with ${smaller.size} ${signs.join(" and ")}, which does not look like a pool that is too small: that ${recommended.size} measured better may have another cause, or none`,
  ];
}

function waitOf({ inside: { waitMs } }: PoolPoint): string {
  return waitMs === undefined
    ? "not measured"
    : waitMs < WAIT_MS_LEAST
      ? "not at all"
      : formatDuration(waitMs);
}

/** Of the largest measured, which shows it best. */
function largerReasons(
  { points, question, bounds }: Facts,
  recommended: PoolPoint,
): readonly string[] {
  const largest = points.at(-1);
  if (!largest || largest.size <= recommended.size) return [];
  const share = largest.throughput / recommended.throughput;
  const change =
    share < 0.98
      ? `loses ${formatRatio(1 - share)} of throughput`
      : share > 1.02
        ? `gives ${formatRatio(share - 1)} more`
        : "gives no more throughput";
  const tail = tailChange(recommended, largest);
  const forbidden = largest.size > rangeOf(bounds).most ? ", and is more than may be set" : "";
  return [
    `${largest.size} ${change}${tail}${forbidden}`,
    ...coreReasons(question.cores, recommended),
  ];
}

function tailChange(small: PoolPoint, large: PoolPoint): string {
  const [name, before, after] =
    small.latencyP99Ms !== undefined && large.latencyP99Ms !== undefined
      ? ["p99", small.latencyP99Ms, large.latencyP99Ms]
      : ["p95", small.latencyP95Ms, large.latencyP95Ms];
  if (before === undefined || after === undefined) return "";
  return `, ${name} ${formatDuration(before)} with ${small.size} and ${formatDuration(after)} with ${large.size}`;
}

function coreReasons(
  cores: number | undefined,
  { size, inside: { executing, dbCores, serviceCores, inUse } }: PoolPoint,
): readonly string[] {
  const of = cores === undefined ? "" : ` on a machine of ${cores} cores`;
  const parts = [
    ...(inUse === undefined ? [] : [`${significant(inUse)} connections in use`]),
    ...(executing === undefined ? [] : [`${significant(executing)} of them executing a statement`]),
    ...(dbCores === undefined ? [] : [`the database busy on ${significant(dbCores)} cores`]),
    ...(serviceCores === undefined ? [] : [`the service on ${significant(serviceCores)}`]),
  ];
  if (parts.length === 0) return [];
  const busy = (dbCores ?? 0) + (serviceCores ?? 0);
  const full =
    cores !== undefined && busy >= CORES_FULL * cores
      ? ": no core is free that one more connection could use"
      : "";
  const idling =
    inUse !== undefined &&
    executing !== undefined &&
    inUse > IDLING_LEAST &&
    inUse > HELD_PER_EXECUTING * executing
      ? [
          "connections are held mostly while no statement runs: the service waits for a CPU or does other work between statements, so it, and not the database, decides how many it needs",
        ]
      : [];
  return [`at ${size}, on average: ${parts.join(", ")}${of}${full}`, ...idling];
}

/** What sigma and kappa mean at the sizes that were compared. */
function lawReasons({ fit, points, question }: Facts, recommended: PoolPoint): readonly string[] {
  // What is wrong with it is said beside the law itself, and in the first line where it is why there is no answer.
  if (fit.kind === "too-few-points" || !fit.trusted) return [];
  const { sigma, kappa, rSquared } = fit;
  const most =
    sigma > 0
      ? `, so that no number of ${UNIT[question.subject]} gives more than ${significant(1 / sigma)} times one alone`
      : "";
  const where = points.at(-1) ?? recommended;
  const share = sharesAt(sigma, kappa, where.size);
  return [
    `sigma ${significant(sigma)}: ${formatRatio(sigma)} of the work is done one at a time${most}`,
    `kappa ${small(kappa)}: what each costs each other; at ${where.size}, ${formatRatio(share.coherency)} of the time goes into that, ${formatRatio(share.contention)} into waiting in line, ${formatRatio(share.own)} into the work itself (R² ${rSquared.toFixed(3)})`,
    ...fit.problems,
  ];
}

/** The three terms of the law's divisor. */
function sharesAt(sigma: number, kappa: number, size: number) {
  const contention = sigma * (size - 1);
  const coherency = kappa * size * (size - 1);
  const whole = 1 + contention + coherency;
  return { own: 1 / whole, contention: contention / whole, coherency: coherency / whole };
}

/** Little's law for the pool: throughput times the time a request holds a connection is how many are held. */
function littleReasons(
  { question, choice: { best } }: Facts,
  recommended: PoolPoint,
): readonly string[] {
  if (question.subject !== "users") return [];
  const { inUse } = best.inside;
  if (inUse === undefined) return [];
  const holdMs = (inUse / best.throughput) * 1_000;
  const needed = Math.max(1, Math.ceil(inUse));
  const { present } = question;
  const full = present !== undefined && inUse >= 0.9 * present;
  const words = `a request holds a connection for ${formatDuration(holdMs)}; at ${perSecond(best.throughput)} that is ${significant(inUse)} connections on average (Little's law), so a pool below ${needed} would make requests wait`;
  const verdict = full
    ? `; the pool of ${present} is used up, and whether a larger one is faster cannot be known without changing it`
    : present === undefined
      ? ""
      : `; the pool of ${present} is not what limits it`;
  const waited = recommended.inside.waitMs;
  return [
    words + verdict,
    ...(waited === undefined || waited < WAIT_MS_LEAST
      ? []
      : [
          `with ${recommended.size} requests at a time a connection was waited for ${formatDuration(waited)}`,
        ]),
  ];
}

function boundReasons({ bounds: { floor, limit, pools } }: Facts): readonly string[] {
  const inAll = (size: number) => (pools === undefined ? "" : `, ${size * pools} in all`);
  return [
    ...(floor
      ? [
          `deadlock floor: ${countOf(floor.threads, "request")} at a time with ${countOf(floor.connectionsEach, "connection")} each: at least ${floor.threads} x (${floor.connectionsEach} - 1) + 1 = ${floor.size}${pools === undefined ? "" : ` for each pool${inAll(floor.size)}`}`,
        ]
      : []),
    ...(limit
      ? [
          `server limit: (${limit.maxConnections} of max_connections - ${limit.reserved} reserved - ${limit.others} of others) / (${countOf(limit.processes, "process", "processes")} x ${countOf(limit.copies, "copy", "copies")}) = ${limit.size} for each pool${inAll(limit.size)}`,
        ]
      : []),
  ];
}

function formulaReasons({ formulas }: Facts): readonly string[] {
  const [hikari] = formulas;
  if (!hikari) return [];
  const worth = hikari.share
    ? `, ${hikari.share.how === "measured" ? "measured" : "by the fitted curve"} at ${formatRatio(hikari.share.value)} of the best`
    : "";
  return [
    `the usual formula (2 x cores + 1) says ${hikari.size}${worth}; it knows nothing of this workload`,
  ];
}

export function caveatsOf(facts: Facts): readonly string[] {
  const { question, choice, leftOut, points, fit } = facts;
  const { subject, caveats } = question;
  const scatter = fit.kind === "fitted" && fit.trusted ? fit.scatter : 0;
  return [
    ...(choice.verdict === "unclear" ? [] : choice.edges).map((edge) =>
      edge === "larger"
        ? `throughput still rose at the largest size measured (${points.at(-1)?.size}): a larger one may be better`
        : `the smallest size measured (${points[0]?.size}) was as good as any: a smaller one may do`,
    ),
    ...(scatter > 0.02
      ? [
          `measurements scatter by ${formatRatio(scatter)} around the curve: sizes that are closer than that cannot be told apart`,
        ]
      : []),
    ...(leftOut.length > 0
      ? [
          `${countOf(leftOut.length, "measurement is", "measurements are")} left out of every number`,
        ]
      : []),
    ...(subject === "connections"
      ? [
          "each client is taken to hold one connection, as pgbench's do; behind PgBouncer count its server connections (default_pool_size), not its clients",
        ]
      : []),
    ...failuresOf(facts),
    ...contradictions(facts),
    ...(question.processes === undefined
      ? []
      : [
          `sizes are taken to be of all ${question.processes} processes together: where a row counts the clients of one process, leave --processes out`,
        ]),
    ...caveats,
  ];
}

/** kappa is small: three digits, in plain figures. */
function small(value: number): string {
  return value === 0 ? "0" : significant(value);
}
