/** Tier 0: what the same requests cause on both sides, counted exactly and compared endpoint by endpoint. */
import type { Counter, CounterFinding, CounterVerdict } from "../core/gate.ts";
import type { EndpointCounters, Replay, StatementCount } from "../core/replay.ts";
import { differenceOf, type Tolerance } from "./counter-difference.ts";
import { findingOf, meanOf, type PartChange } from "./counter-words.ts";

export type CounterTolerances = Readonly<Record<Counter, Tolerance>>;

/**
 * What may differ without being a finding. Calls: 2 a replay, since a job in the background sends one now and then. Errors:
 * none. Rows, blocks and bytes: 1 %, and a little a request, since ids grow a digit and an index grows a level.
 */
const defaultTolerances: CounterTolerances = {
  errors: { relative: 0, perRequest: 0, total: 0 },
  statements: { relative: 0, perRequest: 0, total: 2 },
  "redis-commands": { relative: 0, perRequest: 0, total: 2 },
  buffers: { relative: 0.01, perRequest: 0.5, total: 2 },
  rows: { relative: 0.01, perRequest: 0.05, total: 2 },
  "response-bytes": { relative: 0.01, perRequest: 8, total: 0 },
};

/** The gravest first, which is the order of findings too. */
const COUNTERS: readonly Counter[] = [
  "errors",
  "statements",
  "redis-commands",
  "buffers",
  "rows",
  "response-bytes",
];
const KINDS: readonly CounterFinding["kind"][] = ["regression", "improvement", "noise"];

/** Of each side: with one, nobody knows whether a side agrees with itself. */
const REPLAYS_LEAST = 2;

/**
 * The replays of both sides are in the same order, and those of one place had the same requests. An endpoint's total decides;
 * statements and commands only explain it: one that another replaces, call for call, is no finding.
 */
export function judgeCounters(
  base: readonly Replay[],
  head: readonly Replay[],
  tolerances: CounterTolerances = defaultTolerances,
): CounterVerdict {
  const endpoints = namesOf([...base, ...head]);
  const compared = endpoints.flatMap((endpoint) =>
    COUNTERS.map((counter) => compare(endpoint, counter, { base, head }, tolerances[counter])),
  );
  const findings = compared
    .flatMap(({ finding }) => finding ?? [])
    .toSorted((left, right) => rankOf(left) - rankOf(right) || growthOf(right) - growthOf(left));
  const gaps = compared.flatMap(({ gap }) => gap ?? []);
  const known = [...base, ...head].flatMap(({ unmeasured }) => unmeasured);
  const comparable =
    base.length >= REPLAYS_LEAST && base.length === head.length && endpoints.length > 0;
  const regressions = findings.filter(({ kind }) => kind === "regression").length;
  const verdict =
    comparable && regressions > 0 ? "fail" : !comparable || gaps.length > 0 ? "invalid" : "pass";
  const requests = (base[0]?.endpoints ?? []).reduce((sum, each) => sum + each.requests, 0);
  const size = `${endpoints.length} endpoints, ${requests} requests a replay, ${base.length} replays a side`;
  const details = {
    fail: `${regressions} ${regressions === 1 ? "counter" : "counters"} grew (${size}).`,
    invalid: comparable
      ? `Counters cannot all be compared: ${gaps.join("; ")} (${size}).`
      : `Counters cannot be compared: ${REPLAYS_LEAST} replays of each side and as many of both are needed (${size}; ${head.length} of the head).`,
    pass: `No counter grew (${size}).`,
  };
  return {
    verdict,
    findings: comparable ? findings : [],
    endpoints: endpoints.length,
    requests,
    unmeasured: [...new Set([...known, ...gaps])],
    detail: details[verdict],
  };
}

function namesOf(replays: readonly Replay[]): readonly string[] {
  const names = replays.flatMap(({ endpoints }) => endpoints.map(({ endpoint }) => endpoint));
  return [...new Set(names)];
}

interface Compared {
  readonly finding?: CounterFinding;
  /** What kept the counter from being compared. */
  readonly gap?: string;
}

interface Sides {
  readonly base: readonly Replay[];
  readonly head: readonly Replay[];
}

function compare(endpoint: string, counter: Counter, sides: Sides, tolerance: Tolerance): Compared {
  const countsOf = (replays: readonly Replay[]) =>
    replays.map((replay) => countIn(replay, endpoint, counter));
  const all = { base: countsOf(sides.base), head: countsOf(sides.head) };
  const counted = [...all.base, ...all.head].filter((each) => each !== undefined);
  const replays = all.base.length + all.head.length;
  // A counter that nobody has (no Redis) is not missed; the replays say so themselves.
  if (counted.length === 0) return {};
  if (counted.length < replays) {
    const gap = `${counter} of ${endpoint} in ${replays - counted.length} of ${replays} replays`;
    return { gap: `${gap} were not counted` };
  }
  const base = all.base.flatMap((each) => each ?? []);
  const head = all.head.flatMap((each) => each ?? []);
  const values = {
    base: base.map(({ perRequest }) => perRequest),
    head: head.map(({ perRequest }) => perRequest),
  };
  const requests = Math.min(...counted.map((each) => each.requests));
  const kind = differenceOf({ ...values, requests }, tolerance);
  if (kind === "none") return {};
  return { finding: findingOf({ counter, endpoint, kind, ...values, parts: partsOf(base, head) }) };
}

/** One counter of one endpoint in one replay. */
interface Count {
  readonly requests: number;
  readonly perRequest: number;
  /** Per request, by statement or command. */
  readonly parts: ReadonlyMap<string, number>;
}

function countIn(replay: Replay, endpoint: string, counter: Counter): Count | undefined {
  const found = replay.endpoints.find((each) => each.endpoint === endpoint);
  const parts = found && sumsOf(found, counter);
  if (!found || !parts || !(found.requests > 0)) return undefined;
  const { requests } = found;
  const byRequest = new Map<string, number>();
  let sum = 0;
  for (const [subject, value] of parts) {
    sum += value;
    byRequest.set(subject, (byRequest.get(subject) ?? 0) + value / requests);
  }
  return Number.isFinite(sum)
    ? { requests, perRequest: sum / requests, parts: byRequest }
    : undefined;
}

/** Undefined when the counter was not counted. A counter without parts has one without a name. */
function sumsOf(
  counters: EndpointCounters,
  counter: Counter,
): readonly (readonly [string, number])[] | undefined {
  const byStatement = (value: (statement: StatementCount) => number) =>
    counters.statements?.map((each) => [each.sql, value(each)] as const);
  switch (counter) {
    case "errors":
      return [["", counters.errors]];
    case "response-bytes":
      return [["", counters.responseBytes]];
    case "redis-commands":
      return counters.redisCommands && Object.entries(counters.redisCommands);
    case "statements":
      return byStatement(({ calls }) => calls);
    case "rows":
      return byStatement(({ rows }) => rows);
    case "buffers":
      return byStatement(({ buffers }) => buffers);
  }
}

function partsOf(base: readonly Count[], head: readonly Count[]): readonly PartChange[] {
  const subjects = new Set([...base, ...head].flatMap(({ parts }) => [...parts.keys()]));
  const mean = (counts: readonly Count[], subject: string) =>
    meanOf(counts.map(({ parts }) => parts.get(subject) ?? 0));
  return [...subjects]
    .filter((subject) => subject !== "")
    .map((subject) => ({ subject, base: mean(base, subject), head: mean(head, subject) }));
}

function rankOf({ kind, counter }: CounterFinding): number {
  return KINDS.indexOf(kind) * COUNTERS.length + COUNTERS.indexOf(counter);
}

/** By what factor it changed, one way or the other. */
function growthOf({ base, head }: CounterFinding): number {
  return Math.abs(Math.log((head + 1) / (base + 1)));
}
