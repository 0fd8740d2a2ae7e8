/** Why one size won, why larger and smaller ones lost, and what was not seen: in sentences with their numbers. */
import type {
  PoolFormula,
  PoolLeftOut,
  PoolPoint,
  PoolSubject,
  UslFit,
} from "../../../core/pool-advice.ts";
import { formatDuration, formatRatio, significant } from "../../../core/units.ts";
import type { PoolQuestion } from "./advise.ts";
import { rangeOf, type Bounds, type Choice } from "./choose.ts";

export interface Facts {
  readonly question: PoolQuestion;
  readonly points: readonly PoolPoint[];
  readonly fit: UslFit;
  readonly choice: Choice;
  readonly bounds: Bounds;
  readonly leftOut: readonly PoolLeftOut[];
  readonly formulas: readonly PoolFormula[];
}

/** Below this a wait for a connection is none. */
const WAIT_MS_LEAST = 0.05;
/** Of the cores: the database has none to spare. */
const CORES_FULL = 0.85;

/** Connections held by a service that does something else meanwhile. */
const HELD_PER_EXECUTING = 4;
const IDLING_LEAST = 1;

const UNIT: Readonly<Record<PoolSubject, string>> = {
  pool: "connections",
  connections: "connections",
  users: "requests at a time",
};

export function headlineOf(facts: Facts): string {
  const { question, fit, choice, bounds } = facts;
  const { recommended } = choice;
  const { least, most } = rangeOf(bounds);
  if (least > most) {
    return `no size is safe: ${least} is the least without deadlocks, and ${most} the most that the server leaves`;
  }
  const law = lawInWords(fit);
  if (!recommended) {
    return `no size from ${least} to ${Number.isFinite(most) ? most : "more"} was measured, and none outside may be set; ${law}`;
  }
  const what = `${recommended.size} ${UNIT[question.subject]}`;
  const how = `${perSecond(recommended.throughput)}, the smallest within 2 % of the best measured`;
  const change =
    question.subject === "users" || question.present === undefined
      ? ""
      : question.present === recommended.size
        ? ", as it is now"
        : ` (now ${question.present})`;
  return `${what}${change}: ${how}; ${law}`;
}

/** `N* 9.8 (8.1 to 11.9)`, or why there is none. */
export function lawInWords(fit: UslFit): string {
  if (fit.kind === "too-few-points") return fit.because;
  if (!fit.trusted) return "the scalability law does not fit";
  if (fit.peak === undefined) return "the fitted curve never turns down";
  const { low, high } = fit.peakInterval;
  const range = `${low === undefined ? "?" : significant(low)} to ${high === undefined ? "no end" : significant(high)}`;
  return `N* ${significant(fit.peak)} (${range})${fit.extrapolated ? ", extrapolated" : ""}`;
}

export function reasonsOf(facts: Facts): readonly string[] {
  const { recommended } = facts.choice;
  if (!recommended) return boundReasons(facts);
  return [
    winnerReason(facts, recommended),
    ...smallerReasons(facts, recommended),
    ...largerReasons(facts, recommended),
    ...lawReasons(facts, recommended),
    ...littleReasons(facts, recommended),
    ...boundReasons(facts),
    ...formulaReasons(facts),
  ];
}

function winnerReason({ choice: { best } }: Facts, recommended: PoolPoint): string {
  if (best === recommended) {
    return `${recommended.size} measured best, ${perSecond(best.throughput)}`;
  }
  return `${recommended.size} reached ${formatRatio(recommended.shareOfBest)} of the best measured (${perSecond(best.throughput)} at ${best.size}): as good, and smaller, which frees memory and shortens queues inside the database`;
}

function smallerReasons({ points }: Facts, recommended: PoolPoint): readonly string[] {
  const smaller = points.findLast(({ size }) => size < recommended.size);
  if (!smaller) return [];
  const { waitMs } = smaller.inside;
  const response = smaller.responseMs;
  const waited =
    waitMs === undefined || waitMs < WAIT_MS_LEAST
      ? ""
      : `; there a connection was waited for ${formatDuration(waitMs)}${response === undefined ? "" : ` (mean response ${formatDuration(response)})`}, with ${recommended.size} ${waitOf(recommended)}`;
  return [`${smaller.size} is too small: ${formatRatio(smaller.shareOfBest)} of the best${waited}`];
}

function waitOf({ inside: { waitMs } }: PoolPoint): string {
  return waitMs === undefined
    ? "not measured"
    : waitMs < WAIT_MS_LEAST
      ? "not at all"
      : formatDuration(waitMs);
}

/** Of the largest measured, which shows it best. */
function largerReasons({ points, question }: Facts, recommended: PoolPoint): readonly string[] {
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
  return [`${largest.size} ${change}${tail}`, ...coreReasons(question.cores, recommended)];
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
  if (fit.kind === "too-few-points") return [fit.because];
  if (!fit.trusted) return fit.problems;
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

function boundReasons({ bounds: { floor, limit } }: Facts): readonly string[] {
  return [
    ...(floor
      ? [
          `deadlock floor: ${floor.threads} requests at a time that hold ${floor.connectionsEach} connections each need at least ${floor.threads} x (${floor.connectionsEach} - 1) + 1 = ${floor.size}`,
        ]
      : []),
    ...(limit
      ? [
          `server limit: (${limit.maxConnections} of max_connections - ${limit.reserved} reserved - ${limit.others} of others) / (${limit.processes} processes x ${limit.copies} copies) = ${limit.size} for each pool`,
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

export function caveatsOf({ question, choice, leftOut, points, fit }: Facts): readonly string[] {
  const { subject, caveats } = question;
  const scatter = fit.kind === "fitted" ? fit.scatter : 0;
  return [
    ...choice.edges.map((edge) =>
      edge === "larger"
        ? `throughput still rose at the largest size measured (${points.at(-1)?.size}): a larger one may be better`
        : `the smallest size measured (${choice.recommended?.size}) was as good as any: a smaller one may do`,
    ),
    ...(scatter > 0.02
      ? [
          `measurements scatter by ${formatRatio(scatter)} around the curve: sizes that are closer than that cannot be told apart`,
        ]
      : []),
    ...(leftOut.length > 0 ? [`${leftOut.length} measurements are left out of every number`] : []),
    ...(subject === "connections"
      ? [
          "each client is taken to hold one connection, as pgbench's do; behind PgBouncer count its server connections (default_pool_size), not its clients",
        ]
      : []),
    ...caveats,
  ];
}

function perSecond(throughput: number): string {
  return `${significant(throughput)}/s`;
}

/** kappa is small: three digits, in plain figures. */
function small(value: number): string {
  return value === 0 ? "0" : significant(value);
}
