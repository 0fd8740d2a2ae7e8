/** The pool advisor: a sweep of sizes in, the size to set out, with the law that explains it. Pure; its table of contents. */
import { PerfoptError } from "../../../core/errors.ts";
import type {
  PoolAdvice,
  PoolMeasurement,
  PoolSubject,
  ServerLimit,
} from "../../../core/pool-advice.ts";
import { countOf } from "../gain-words.ts";
import { choose, type Bounds } from "./choose.ts";
import { curveOf, fitSweep } from "./fit.ts";
import { adviseIdle, type IdleQuestion } from "./idle.ts";
import { deadlockFloor, formulasOf, serverLimit } from "./limits.ts";
import { pointsOf, sortMeasurements } from "./points.ts";
import { unclearBecause } from "./trust.ts";
import { eachOf, headlineOf, whyUnclear } from "./headline.ts";
import { caveatsOf, reasonsOf } from "./words.ts";

export interface PoolQuestion {
  /** For people: a file, a service. */
  readonly source: string;
  readonly subject: PoolSubject;
  readonly measurements: readonly PoolMeasurement[];
  /** The size of the pool of one process, as it is. */
  readonly present?: number;
  /** Of the service, where sizes count the connections of all of them together. */
  readonly processes?: number;
  /** Whether perfopt measured it, each measurement one window. */
  readonly live?: boolean;
  readonly busyMachine?: boolean;
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
  const bounds = boundsOf(question);
  const sorted = sortMeasurements(question.measurements, subject);
  const { used } = sorted;
  const leftOut = sorted.leftOut.map((each) => belowFloor(each, bounds));
  if (used.length === 0) throw nothingUsable(question, leftOut);
  const fit = fitSweep(used, seed);
  const curve = curveOf(fit);
  const trusted = fit.kind === "fitted" && fit.trusted ? curve : undefined;
  const points = pointsOf(used, trusted ?? (() => undefined));
  const { live = false, busyMachine = false } = question;
  const doubts = unclearBecause({ points, fit, live, busyMachine });
  const choice = choose(points, bounds, doubts.length === 0);
  const processes = question.processes === undefined ? (question.server?.processes ?? 1) : 1;
  const formulas = subject === "users" ? [] : formulasOf(cores, points, trusted, processes);
  const idle = question.idle && adviseIdle(question.idle);
  const facts = { question, points, fit, choice, bounds, leftOut, formulas, doubts };
  const recommended = choice.verdict === "unclear" ? undefined : choice.recommended;
  const each = recommended && eachOf(facts, recommended.size);
  return {
    format: "perfopt-pool-advice/1",
    source,
    subject,
    verdict: choice.verdict,
    headline: headlineOf(facts),
    ...(present === undefined ? {} : { present }),
    ...(question.processes === undefined ? {} : { processes: question.processes }),
    ...(recommended ? { recommended: recommended.size } : {}),
    ...(each === undefined ? {} : { recommendedEach: each }),
    ...(recommended && choice.bound ? { bound: choice.bound } : {}),
    unclearBecause: choice.verdict === "unclear" ? whyUnclear(facts) : [],
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
function boundsOf({
  subject,
  processes,
  deadlock,
  server,
  sizeMin,
  sizeMax,
}: PoolQuestion): Bounds {
  if (subject === "users") return {};
  return {
    ...(processes === undefined ? {} : { pools: processes }),
    ...(deadlock ? { floor: deadlockFloor(deadlock.threads, deadlock.connectionsEach) } : {}),
    ...(server ? { limit: serverLimit(server) } : {}),
    ...(sizeMin === undefined ? {} : { sizeMin }),
    ...(sizeMax === undefined ? {} : { sizeMax }),
  };
}

/** What a pool below the floor measured is what the floor is for. */
function belowFloor(
  each: PoolAdvice["leftOut"][number],
  { floor, pools = 1 }: Bounds,
): PoolAdvice["leftOut"][number] {
  if (floor === undefined || each.size >= floor.size * pools) return each;
  return { ...each, why: `${each.why}; below the deadlock floor of ${floor.size * pools}` };
}

function nothingUsable(
  { source, measurements, live }: PoolQuestion,
  leftOut: PoolAdvice["leftOut"],
): PerfoptError {
  const [first] = leftOut;
  const why = first ? `: ${first.from}: ${first.why}` : "";
  return new PerfoptError(
    "cannot-measure",
    `${source} has ${countOf(measurements.length, "measurement")}, and none of them can be used${why}`,
    whatToDo(measurements, live),
  );
}

function whatToDo(measurements: PoolQuestion["measurements"], live = false): string {
  if (measurements.some(({ machineBusy }) => machineBusy)) {
    return "wait until the machine is quiet, or give --busy-machine to use such measurements";
  }
  if (measurements.some(({ requestsFailed }) => requestsFailed)) {
    return "see why requests fail (the service's log; send one by hand); where one holds several connections at once, too small a pool waits for itself: --threads and --connections-per-request tell the floor";
  }
  return live
    ? "give a longer --window, or smaller --sizes"
    : "measure throughput and mean response over the same time, without pauses of the clients";
}
