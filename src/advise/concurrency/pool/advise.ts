/** The pool advisor: a sweep of sizes in, the size to set out, with the law that explains it. Pure; its table of contents. */
import { PerfoptError } from "../../../core/errors.ts";
import type {
  PoolAdvice,
  PoolMeasurement,
  PoolSubject,
  ServerLimit,
} from "../../../core/pool-advice.ts";
import { choose, type Bounds } from "./choose.ts";
import { curveOf, fitSweep } from "./fit.ts";
import { adviseIdle, type IdleQuestion } from "./idle.ts";
import { deadlockFloor, formulasOf, serverLimit } from "./limits.ts";
import { pointsOf, sortMeasurements } from "./points.ts";
import { caveatsOf, headlineOf, reasonsOf } from "./words.ts";

export interface PoolQuestion {
  /** For people: a file, a service. */
  readonly source: string;
  readonly subject: PoolSubject;
  readonly measurements: readonly PoolMeasurement[];
  /** The pool's size as it is. */
  readonly present?: number;
  /** Of the database's machine. */
  readonly cores?: number;
  readonly deadlock?: { readonly threads: number; readonly connectionsEach: number };
  readonly server?: Omit<ServerLimit, "size">;
  /** Of the setting itself. */
  readonly sizeMin?: number;
  readonly sizeMax?: number;
  readonly idle?: IdleQuestion;
  readonly seed: number;
  readonly caveats: readonly string[];
}

/** Throws cannot-measure when no measurement may be used; its message has the first reason. */
export function advisePool(question: PoolQuestion): PoolAdvice {
  const { subject, source, present, seed, cores } = question;
  const { used, leftOut } = sortMeasurements(question.measurements);
  if (used.length === 0) throw nothingUsable(question, leftOut);
  const fit = fitSweep(used, seed);
  const curve = curveOf(fit);
  const points = pointsOf(used, curve);
  const bounds = boundsOf(question);
  const choice = choose(points, bounds);
  const processes = question.server?.processes ?? 1;
  const trusted = fit.kind === "fitted" && fit.trusted ? curve : undefined;
  const formulas = subject === "users" ? [] : formulasOf(cores, points, trusted, processes);
  const idle = question.idle && adviseIdle(question.idle);
  const facts = { question, points, fit, choice, bounds, leftOut, formulas };
  return {
    format: "perfopt-pool-advice/1",
    source,
    subject,
    verdict: choice.verdict,
    headline: headlineOf(facts),
    ...(present === undefined ? {} : { present }),
    ...(choice.recommended ? { recommended: choice.recommended.size } : {}),
    best: choice.best.size,
    points,
    leftOut,
    fit,
    ...(bounds.floor ? { floor: bounds.floor } : {}),
    ...(bounds.limit ? { limit: bounds.limit } : {}),
    ...(idle ? { idle } : {}),
    formulas,
    reasons: reasonsOf(facts),
    caveats: caveatsOf(facts),
  };
}

/** What may be opened concerns connections; users are no connections. */
function boundsOf({ subject, deadlock, server, sizeMin, sizeMax }: PoolQuestion): Bounds {
  if (subject === "users") return {};
  return {
    ...(deadlock ? { floor: deadlockFloor(deadlock.threads, deadlock.connectionsEach) } : {}),
    ...(server ? { limit: serverLimit(server) } : {}),
    ...(sizeMin === undefined ? {} : { sizeMin }),
    ...(sizeMax === undefined ? {} : { sizeMax }),
  };
}

function nothingUsable(
  { source, measurements }: PoolQuestion,
  leftOut: PoolAdvice["leftOut"],
): PerfoptError {
  const [first] = leftOut;
  const why = first ? `: ${first.from}: ${first.why}` : "";
  return new PerfoptError(
    "cannot-measure",
    `${source} has ${measurements.length} measurements, and none of them can be used${why}`,
    "measure throughput and mean response over the same time, without pauses of the clients",
  );
}
