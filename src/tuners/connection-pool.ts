/** Connection pool: searches the pool's limit with a ladder of single measurements, then has the best decided by pairs. */
import { gainOf, nextLadderStep } from "../advise/concurrency/ladder.ts";
import type { LadderSettings, Measurement, Rung } from "../advise/concurrency/ladder.ts";
import { metricOf } from "../core/metric.ts";
import { knobByRole } from "../core/observation.ts";
import type { Ask, KnobReading, Past, Step, TargetView } from "../core/observation.ts";
import type { MetricValues, Sample } from "../core/sample.ts";
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
/** The least gain that the search takes seriously, as in the ladder. */
const GAIN_LEAST = 0.02;

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
  };
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

function next(ask: Ask<ConnectionPoolObservation>): Step {
  const { observation, history } = ask;
  const { poolMax } = observation;
  const present = numberOf(poolMax?.value);
  if (!poolMax || present === undefined || withinDomain(poolMax, present) === undefined) {
    return done("the target has no knob for the most connections of its pool (role pool-max)");
  }
  const trial = trialsOf(history).at(-1);
  if (trial) return done(afterTrial(trial));
  const settings = ladderOf(ask, poolMax, present);
  const step = nextLadderStep(settings, measurementsOf(ask, present));
  if (step.kind === "unmeasurable") {
    return done(`${metricOf(ask.strategy.objective).title} was not measured: ${step.because}`);
  }
  if (step.kind === "best") return decideBest(ask, poolMax, settings, step);
  const change = setKnob(poolMax, step.value);
  if (!change) return done(`the pool cannot be set to ${step.value}`);
  return { kind: "probe", changes: [change], why: `pool of ${step.value}: ${step.why}` };
}

function ladderOf(
  ask: Ask<ConnectionPoolObservation>,
  poolMax: KnobReading,
  present: number,
): LadderSettings {
  const { observation, strategy } = ask;
  const metric = metricOf(strategy.objective);
  const domain = poolMax.knob.domain;
  const bounds = domain.kind === "int" ? domain : { min: present, max: present };
  const poolMin = numberOf(observation.poolMin?.value) ?? 0;
  const server = observation.server;
  const mostOnServer = server ? Math.floor(server.limit / ARMS) : bounds.max;
  const min = Math.min(present, Math.max(bounds.min, poolMin, 1));
  const max = Math.max(present, Math.min(bounds.max, mostOnServer));
  const preset = numberSetting(strategy, "pool-max") ?? PRESET_POOL_MAX;
  const first = Math.min(max, Math.max(min, Math.round(preset)));
  return {
    start: present,
    ...(first === present ? {} : { first }),
    min,
    max,
    better: metric.better,
    compare: metric.compare,
    noiseFloor: Math.max(ask.noiseFloor, GAIN_LEAST),
    probesMax: numberSetting(strategy, "probesMax") ?? PROBES_MAX,
  };
}

function measurementsOf(
  ask: Ask<ConnectionPoolObservation>,
  present: number,
): readonly Measurement[] {
  const { observation, history, strategy } = ask;
  const start = { value: present, metric: observation.metrics[strategy.objective] };
  return [start, ...history.flatMap((past) => measurementOf(past, strategy.objective))];
}

function measurementOf(past: Past, objective: keyof MetricValues): readonly Measurement[] {
  if (past.kind !== "probe") return [];
  const change = past.changes.find((each) => each.kind === "set-knob");
  const value = numberOf(change?.to);
  return value === undefined ? [] : [{ value, metric: usable(past.sample, objective) }];
}

function usable(sample: Sample, objective: keyof MetricValues): number | undefined {
  return sample.valid ? sample.metrics[objective] : undefined;
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
      hypothesis: `a pool of ${best.value} instead of ${start.value} connections makes ${metric.title} better`,
      changes: [change],
      evidence: facts,
    });
  }
  const smaller =
    best.value < start.value
      ? `; a pool of ${best.value} measured the same as ${start.value}, so the present one is larger than it needs to be`
      : "";
  return done(
    `no pool size was better than ${start.value} by more than the noise (${formatRatio(settings.noiseFloor)})${smaller}. ${facts.join("; ")}`,
  );
}

function evidenceOf(
  ask: Ask<ConnectionPoolObservation>,
  settings: LadderSettings,
): readonly string[] {
  const { observation, strategy } = ask;
  const metric = metricOf(strategy.objective);
  const probes = measurementsOf(ask, settings.start)
    .map(
      (each) =>
        `${each.value}: ${each.metric === undefined ? "invalid" : significant(each.metric)}`,
    )
    .join(", ");
  const facts = [`single windows, ${metric.title} by pool size: ${probes}`];
  if (observation.useRatio !== undefined)
    facts.push(`pool in use: ${formatRatio(observation.useRatio)}`);
  if (observation.waitMs !== undefined)
    facts.push(`wait for a connection: ${formatDuration(observation.waitMs)}`);
  if (observation.server) {
    const { open, active, limit } = observation.server;
    facts.push(
      `database: ${open} connections open, ${active} active after the window, at most ${limit}, ${observation.cores} cores`,
    );
  }
  return facts;
}

function afterTrial(trial: Extract<Past, { kind: "trial" }>): string {
  return trial.decision.verdict === "keep"
    ? "the best pool size of the ladder was kept"
    : `the best pool size of the ladder did not hold in pairs: ${trial.decision.detail}`;
}
