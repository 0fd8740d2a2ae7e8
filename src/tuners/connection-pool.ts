/** Connection pool: searches the pool's limit with a ladder of single measurements, then has the best decided by pairs. */
import { countOf, noBetterInWords, valueInWords } from "../advise/concurrency/gain-words.ts";
import { gainOf, nextLadderStep } from "../advise/concurrency/ladder.ts";
import type { LadderSettings, Measurement, Rung } from "../advise/concurrency/ladder.ts";
import { fitSweep } from "../advise/concurrency/pool/fit.ts";
import { adviseIdle } from "../advise/concurrency/pool/idle.ts";
import { deadlockFloor, serverLimit } from "../advise/concurrency/pool/limits.ts";
import { lawInWords } from "../advise/concurrency/pool/headline.ts";
import { metricOf, type MetricId } from "../core/metric.ts";
import { knobByRole } from "../core/observation.ts";
import type { Ask, KnobReading, Past, Step, TargetView } from "../core/observation.ts";
import type { MetricValues, Sample } from "../core/sample.ts";
import type { Strategy } from "../core/persona.ts";
import { formatDuration, formatRatio, significant } from "../core/units.ts";
import { done, erase, numberOf, numberSetting, propose, setKnob, trialsOf } from "./tuner.ts";
import { withinDomain } from "./tuner.ts";

export interface ConnectionPoolObservation {
  readonly poolMax: KnobReading | undefined;
  readonly poolMin: KnobReading | undefined;
  /** The observed window's metrics: the present value's own measurement. Empty when the window was invalid. */
  readonly metrics: MetricValues;
  readonly useRatio: number | undefined;
  readonly waitMs: number | undefined;
  readonly server: ServerConnections | undefined;
  readonly cores: number;
  /** Of the service, each with a pool of its own. */
  readonly processes: number;
  /** What the window's arrivals say of idle connections, in sentences. */
  readonly idle: readonly string[];
}

interface ServerConnections {
  /** What ordinary clients may open in all. */
  readonly limit: number;
  readonly open: number;
  readonly active: number;
}

/** Incumbent and candidate hold their connections at the same time. */
const ARMS = 2;
const PRESET_POOL_MAX = 30;
const PROBES_MAX = 5;
/** With the present size, enough for the scalability law. */
const PROBES_MAX_SATURATED = 7;
/** The least gain that the search takes seriously, as in the ladder. */
const GAIN_LEAST = 0.02;
/** Of the requests' p95: a shorter mean wait for a connection is not what they feel. */
const WAIT_SHARE_LEAST = 0.01;
/** Connections in use for each core: below it, statements hardly ever meet each other. */
const IN_USE_LEAST = 0.5;
const RECONNECTS_PER_MINUTE_MAX = 6;
const FIT_SEED = 42;

export const connectionPool = erase<ConnectionPoolObservation>({
  id: "connection-pool",
  title: "Connection pool",
  rationale:
    "A larger pool helps while requests wait for a connection and the database has CPU to spare; past that point more connections only " +
    "compete, and a smaller pool is faster. It cannot help when no request waits. Idle timeouts are not searched: under steady load no " +
    "connection idles long enough for one to matter.",
  roles: ["pool-max"],
  observe,
  next,
});

async function observe(view: TargetView): Promise<ConnectionPoolObservation> {
  const { sample } = view;
  return {
    poolMax: knobByRole(view, "pool-max"),
    poolMin: knobByRole(view, "pool-min"),
    metrics: sample.valid ? sample.metrics : {},
    useRatio: sample.metrics["pool.useRatio"],
    waitMs: sample.metrics["pool.waitMs"],
    server: await readServer(view),
    cores: view.machine.cores,
    processes: processesOf(view),
    idle: idleWords(view),
  };
}

function processesOf(view: TargetView): number {
  return Math.max(1, numberOf(knobByRole(view, "processes")?.value) ?? 1);
}

async function readServer(view: TargetView): Promise<ServerConnections | undefined> {
  const [row] = await view.database.query(
    `SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS "limit",
            count(*) FILTER (WHERE backend_type = 'client backend')::int AS open,
            count(*) FILTER (WHERE backend_type = 'client backend' AND state = 'active')::int AS active
     FROM pg_stat_activity WHERE pid <> pg_backend_pid()`,
  );
  if (!row) return undefined;
  return { limit: Number(row["limit"]), open: Number(row["open"]), active: Number(row["active"]) };
}

/** The window's requests played on a pool of the present size; each is taken to use one connection, for as long as the mean. */
function idleWords(view: TargetView): readonly string[] {
  const { metrics, load } = view.sample;
  const use = metrics["pool.useRatio"];
  const size = numberOf(knobByRole(view, "pool-max")?.value);
  const presentTimeoutMs = numberOf(knobByRole(view, "pool-idle-timeout")?.value);
  const rate = load.requestsPerSecondReached / 1_000;
  if (!view.sample.valid) return [];
  if (use === undefined || size === undefined || !(rate > 0)) return [];
  const connections = size * processesOf(view);
  const idle = adviseIdle({
    arrivalsMs: (load.trace ?? []).map(({ atMs }) => atMs),
    observedMs: load.windowMs,
    holdMs: (use * connections) / rate,
    poolMax: connections,
    reconnectsPerMinuteMax: RECONNECTS_PER_MINUTE_MAX,
    ...(presentTimeoutMs === undefined ? {} : { presentTimeoutMs }),
  });
  return idle?.words ?? [];
}

function next(ask: Ask<ConnectionPoolObservation>): Step {
  const { observation, history } = ask;
  const { poolMax } = observation;
  const present = numberOf(poolMax?.value);
  if (!poolMax || present === undefined || withinDomain(poolMax, present) === undefined) {
    return done("the target has no knob for the most connections of its pool (role pool-max)");
  }
  const trial = trialsOf(history).at(-1);
  if (trial) return done(afterTrial(trial));
  const search = searchOf(ask.strategy);
  const idle = history.length === 0 ? idleBecause(ask, present) : undefined;
  if (idle !== undefined) return done(idle);
  if (search.senders !== undefined && !history.some((past) => past.kind === "probe")) {
    const why = `pool of ${present}, as it is, with ${countOf(search.senders, "request")} always under way`;
    return { kind: "probe", changes: [], why, load: { kind: "users", count: search.senders } };
  }
  const settings = ladderOf(ask, poolMax, present);
  const step = nextLadderStep(settings, measurementsOf(ask, present));
  if (step.kind === "unmeasurable") {
    return done(`${metricOf(search.metric).title} was not measured: ${step.because}`);
  }
  if (step.kind === "best") return decideBest(ask, poolMax, settings, step);
  const change = setKnob(poolMax, step.value);
  if (!change) return done(`the pool cannot be set to ${step.value}`);
  return {
    kind: "probe",
    changes: [change],
    why: `pool of ${step.value}: ${step.why}`,
    ...(search.senders === undefined ? {} : { load: { kind: "users", count: search.senders } }),
  };
}

/**
 * Why no size can gain; undefined where one may. More connections help requests that wait for one, fewer a database whose cores several
 * fight for: where the wait is nothing and not even one of them is in use for each core, neither is there. With `senders` the load of the
 * probes is another.
 */
function idleBecause(
  { observation, strategy }: Ask<ConnectionPoolObservation>,
  present: number,
): string | undefined {
  const { metrics, useRatio, waitMs, cores, processes } = observation;
  const whole = metrics["api.latencyP95Ms"];
  if (searchOf(strategy).senders !== undefined || !strategy.objective.startsWith("api.latency")) {
    return undefined;
  }
  if (useRatio === undefined || waitMs === undefined || whole === undefined) return undefined;
  const inUse = useRatio * present * processes;
  if (waitMs > WAIT_SHARE_LEAST * whole || inUse > IN_USE_LEAST * cores) return undefined;
  const words = `a request waits ${formatDuration(waitMs)} for a connection (API p95 ${formatDuration(whole)}), and ${significant(inUse)} of ${present * processes} are in use on average, on ${countOf(cores, "core")}`;
  return `no pool size was tried: ${words}, so that neither more nor fewer can gain. ${[...boundsInWords({ observation, strategy }), ...observation.idle].join("; ")}`.trim();
}

interface Search {
  /** What probes are compared by. Trials are decided by the strategy's objective whatever this is. */
  readonly metric: MetricId;
  /** Of a closed loop, where the strategy's setting `senders` asks for one: the run's own load may be too light to tell sizes apart. */
  readonly senders: number | undefined;
}

function searchOf(strategy: Strategy): Search {
  const senders = numberSetting(strategy, "senders");
  return senders === undefined
    ? { metric: strategy.objective, senders }
    : { metric: "api.requestsPerSecond", senders: Math.max(1, Math.round(senders)) };
}

function ladderOf(
  ask: Ask<ConnectionPoolObservation>,
  poolMax: KnobReading,
  present: number,
): LadderSettings {
  const { observation, strategy } = ask;
  const search = searchOf(strategy);
  const metric = metricOf(search.metric);
  const domain = poolMax.knob.domain;
  const bounds = domain.kind === "int" ? domain : { min: present, max: present };
  const poolMin = numberOf(observation.poolMin?.value) ?? 0;
  const floor = floorOf(strategy)?.size ?? 1;
  const mostOnServer = limitOf(observation)?.size ?? bounds.max;
  const min = Math.min(present, Math.max(bounds.min, poolMin, floor, 1));
  const max = Math.max(present, Math.min(bounds.max, mostOnServer));
  const preset = numberSetting(strategy, "pool-max") ?? PRESET_POOL_MAX;
  const first = Math.min(max, Math.max(min, Math.round(preset)));
  const usual = search.senders === undefined ? PROBES_MAX : PROBES_MAX_SATURATED;
  return {
    start: present,
    ...(first === present ? {} : { first }),
    min,
    max,
    better: metric.better,
    compare: metric.compare,
    // The phase's noise is that of its objective, and in its units: of another metric it says nothing.
    noiseFloor:
      search.metric === strategy.objective ? Math.max(ask.noiseFloor, GAIN_LEAST) : GAIN_LEAST,
    probesMax: numberSetting(strategy, "probesMax") ?? usual,
  };
}

/** The strategy's settings say what no window shows: how many connections one request holds at once, and how many requests there are. */
function floorOf(strategy: Strategy): ReturnType<typeof deadlockFloor> | undefined {
  const each = numberSetting(strategy, "connectionsPerRequest");
  const threads = numberSetting(strategy, "requestsAtATime");
  if (each === undefined || threads === undefined) return undefined;
  return deadlockFloor(threads, each);
}

function limitOf({
  server,
  processes,
}: ConnectionPoolObservation): ReturnType<typeof serverLimit> | undefined {
  if (!server) return undefined;
  // What is reserved is left out of the server's answer already.
  return serverLimit({
    maxConnections: server.limit,
    reserved: 0,
    others: 0,
    processes,
    copies: ARMS,
  });
}

function measurementsOf(
  ask: Ask<ConnectionPoolObservation>,
  present: number,
): readonly Measurement[] {
  const { observation, history, strategy } = ask;
  const search = searchOf(strategy);
  const probed = history.flatMap((past) => measurementsOfPast(past, present, search));
  if (search.senders !== undefined) return probed;
  return [{ value: present, metric: observation.metrics[strategy.objective] }, ...probed];
}

function measurementsOfPast(past: Past, present: number, search: Search): readonly Measurement[] {
  if (past.kind !== "probe") return [];
  const change = past.changes.find((each) => each.kind === "set-knob");
  const value = change === undefined ? present : numberOf(change.to);
  return value === undefined ? [] : [{ value, metric: usable(past.sample, search) }];
}

/** A closed loop is as good as its throughput: requests that left a moment late spoil nothing of it. */
function usable(sample: Sample, { metric, senders }: Search): number | undefined {
  const failed = sample.load.checks.filter(({ ok }) => !ok);
  const lateOnly =
    senders !== undefined && failed.length > 0 && failed.every(({ id }) => id === "generator-lag");
  return sample.valid || lateOnly ? sample.metrics[metric] : undefined;
}

function decideBest(
  ask: Ask<ConnectionPoolObservation>,
  poolMax: KnobReading,
  settings: LadderSettings,
  result: { readonly best: Rung; readonly start: Rung; readonly because: string },
): Step {
  const { best, start } = result;
  const gain = gainOf(best, start);
  const facts = evidenceOf(ask, settings);
  const change = setKnob(poolMax, best.value);
  if (change && gain > settings.noiseFloor) {
    const metric = metricOf(ask.strategy.objective);
    return propose("connection-pool", ask.history, {
      hypothesis: `a pool of ${best.value} instead of ${start.value} makes ${metric.title} better`,
      changes: [change],
      evidence: facts,
    });
  }
  const smaller =
    best.value < start.value
      ? `; a pool of ${best.value} measured the same as ${start.value}, so the present one is larger than it needs to be`
      : "";
  const none = noBetterInWords({
    what: "pool size",
    present: start.value,
    measured: measurementsOf(ask, start.value),
    objective: searchOf(ask.strategy).metric,
    noiseFloor: settings.noiseFloor,
  });
  return done(`${none}${smaller}. ${facts.join("; ")}`);
}

function evidenceOf(
  ask: Ask<ConnectionPoolObservation>,
  settings: LadderSettings,
): readonly string[] {
  const { observation, strategy } = ask;
  const search = searchOf(strategy);
  const measured = measurementsOf(ask, settings.start);
  const sizes = measured.map(
    ({ value, metric }) =>
      `${value}: ${metric === undefined ? "not usable" : valueInWords(search.metric, metric)}`,
  );
  const how =
    search.senders === undefined ? "" : ` with ${countOf(search.senders, "request")} under way`;
  const facts = [
    `single windows${how}, ${metricOf(search.metric).title} by pool size: ${sizes.join(", ")}`,
    ...(search.senders === undefined ? [] : [lawOf(measured)]),
    ...waitsOf(ask, settings.start),
  ];
  if (observation.useRatio !== undefined)
    facts.push(`pool in use: ${formatRatio(observation.useRatio)}`);
  if (observation.waitMs !== undefined)
    facts.push(`wait for a connection: ${formatDuration(observation.waitMs)}`);
  if (observation.server) {
    const { open, active, limit } = observation.server;
    facts.push(
      `database: ${countOf(open, "connection")} open, ${active} active after the window, at most ${limit}, ${countOf(observation.cores, "core")}`,
    );
  }
  return [...facts, ...boundsInWords(ask), ...observation.idle];
}

/** The law of what was probed, where there is enough of it. */
function lawOf(measured: readonly Measurement[]): string {
  const points = measured.flatMap(({ value, metric }) =>
    metric !== undefined && metric > 0 ? [{ size: value, throughput: metric }] : [],
  );
  return `scalability law: ${lawInWords(fitSweep(points, FIT_SEED))}`;
}

/** How the wait for a connection moved with the size, which is what a pool is about. */
function waitsOf(ask: Ask<ConnectionPoolObservation>, present: number): readonly string[] {
  const waits = ask.history.flatMap((past) => {
    if (past.kind !== "probe") return [];
    const waitMs = past.sample.metrics["pool.waitMs"];
    const size = past.changes.find((each) => each.kind === "set-knob")?.to ?? present;
    return waitMs === undefined ? [] : [`${String(size)}: ${formatDuration(waitMs)}`];
  });
  return waits.length === 0
    ? []
    : [`wait for a connection by pool size, probed: ${waits.join(", ")}`];
}

function boundsInWords({
  observation,
  strategy,
}: Pick<Ask<ConnectionPoolObservation>, "observation" | "strategy">): readonly string[] {
  const floor = floorOf(strategy);
  const limit = limitOf(observation);
  return [
    ...(floor
      ? [
          `deadlock floor: ${countOf(floor.threads, "request")} with ${countOf(floor.connectionsEach, "connection")} each: at least ${floor.size}`,
        ]
      : []),
    ...(limit
      ? [
          `server limit: ${limit.maxConnections} over ${countOf(limit.processes, "process", "processes")} and ${ARMS} arms is ${limit.size} for each pool`,
        ]
      : []),
  ];
}

function afterTrial(trial: Extract<Past, { kind: "trial" }>): string {
  return trial.decision.verdict === "keep"
    ? "the best pool size of the ladder was kept"
    : `the best pool size of the ladder did not hold in pairs: ${trial.decision.detail}`;
}
