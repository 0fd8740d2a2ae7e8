/** A sweep of the pool's limit on a service that perfopt starts: a fresh process for each size, under a closed loop of many senders. */
import { availableParallelism } from "node:os";
import { advisePool, type PoolQuestion } from "../advise/concurrency/pool/advise.ts";
import { rangeOf } from "../advise/concurrency/pool/choose.ts";
import { deadlockFloor, serverLimit } from "../advise/concurrency/pool/limits.ts";
import { IDLE_OBSERVED_MS_LEAST } from "../advise/concurrency/pool/idle.ts";
import { measurementOf } from "../advise/concurrency/pool/measured.ts";
import { PerfoptError } from "../core/errors.ts";
import type { Change, KnobValue } from "../core/knob.ts";
import { knobByRole, type KnobReading } from "../core/observation.ts";
import type { PoolAdvice } from "../core/pool-advice.ts";
import { presentValues } from "../target/live.ts";
import { withConnection } from "../target/sql.ts";
import type { PoolOptions, Told } from "./advise-pool-options.ts";
import { benchJob, type BenchJob } from "./bench-session.ts";
import type { Context } from "./context.ts";
import { lookAtIdle, type IdleLook } from "./pool-idle.ts";
import { hurried } from "./pool-job.ts";
import { planInWords, planSweep, runSweep, underWayMost } from "./pool-sweep.ts";
import type { Progress } from "./progress.ts";
import { withSolo, type OpenSolo } from "./solo.ts";

const BUDGET_MS = 240_000;
const WARMUP_MS = 1_000;
/** A process that ends, another that starts, and the counters around a window, as estimated before anything was measured. */
const AROUND_MS = 3_000;
/** What a fresh process gets before its first window: as in src/target/window.ts. */
const FRESH_WARM_UP_MS = 4_000;
/** To find how many requests may be under way, as estimated. */
const START_UP_MS = 10_000;
const SENDERS_LEAST = 32;
/** More senders than connections, so that the pool is always asked for. */
const SENDERS_PER_CONNECTION = 1.25;
const SENDERS_MOST = 512;
const SENDERS_FEWEST = 8;
/** Of the best throughput: what the look at idle connections is taken at. */
const IDLE_SHARE = 0.4;
const QUERY_TIMEOUT_MS = 10_000;

interface Pool {
  readonly max: KnobReading;
  readonly present: number;
  readonly processes: number;
  readonly idleTimeoutMs: number | undefined;
  readonly bounds: { readonly sizeMin: number; readonly sizeMax: number };
}

export async function sweepTarget(
  context: Context,
  options: PoolOptions,
  told: Told,
  progress: Progress,
): Promise<PoolAdvice> {
  const { windowMs } = told;
  const job = hurried(
    await benchJob(context, { ...options, window: `${windowMs}ms`, warmup: `${WARMUP_MS}ms` }),
  );
  const present = await presentValues(job.target, context.home, { environment: context.env });
  const pool = poolOf(job, present, told);
  // Refused before a minute is spent on starting it all.
  const asked = sendersTold(told);
  planOf(questionOf(job, pool, told), pool, told, {
    sendersMost: asked ?? SENDERS_MOST,
    startUpMs: asked === undefined ? START_UP_MS : 0,
    begun: false,
  });
  return withSolo(context, job, progress, async (solo) => {
    const { change, databaseUrl } = solo;
    if (!change || databaseUrl === undefined) {
      throw new PerfoptError(
        "cannot-measure",
        `${job.target.title} was not started by perfopt, so its pool cannot be changed`,
        "give a target file that says how to start it, or sweep its users by --url",
      );
    }
    const question = {
      ...questionOf(job, pool, told),
      server: await serverOf(databaseUrl, pool, told),
    };
    return sweepPool({ context, job, pool, told, progress, solo, change, question });
  });
}

interface Session {
  readonly context: Context;
  readonly job: BenchJob;
  readonly pool: Pool;
  readonly told: Told;
  readonly progress: Progress;
  readonly solo: OpenSolo;
  readonly change: (changes: readonly Change[]) => Promise<void>;
  readonly question: Omit<PoolQuestion, "measurements">;
}

async function sweepPool(session: Session): Promise<PoolAdvice> {
  const { context, job, pool, told, progress, solo, change, question } = session;
  const { windowMs } = told;
  const started = performance.now();
  const asked = sendersTold(told);
  if (asked === undefined) progress.say("closed loop: finding how many requests may be under way");
  const sendersMost = asked ?? sendersFor(await solo.saturate(told.seed), windowMs);
  const startUpMs = performance.now() - started;
  const plan = planOf(question, pool, told, { sendersMost, startUpMs, begun: true });
  const senders = told.senders ?? sendersOf(plan.sizes, sendersMost);
  progress.print(planInWords(plan, `the pool's limit (${senders} requests always under way)`));
  const resize = (size: number) => change(changesTo(pool, size));
  const measure = async (size: number, seed: number) => {
    await resize(size);
    const sample = await solo.sample({
      seed,
      requestsPerSecond: senders,
      arrivals: job.plan.arrivals,
      warmupMs: WARMUP_MS,
      windowMs,
      users: { count: senders, think: { kind: "fixed", ms: 0 } },
    });
    return measurementOf(sample, { size, underWay: senders, connections: size * pool.processes });
  };
  const measurements = await runSweep(plan, measure, {
    progress,
    signal: context.signal,
    of: "connections",
    one: "connection",
  });
  const advice = advisePool({ ...question, measurements });
  const leftMs = (told.budgetMs ?? BUDGET_MS) - (performance.now() - started);
  if (leftMs <= plan.eachMs - windowMs + idleWindowMs(told)) return advice;
  const { idle, caveat } = await idleOf(session, advice, resize);
  return advisePool({
    ...question,
    measurements,
    caveats: [...question.caveats, ...(caveat === undefined ? [] : [caveat])],
    ...(idle ? { idle } : {}),
  });
}

/** The pool's settings; throws bad-input for a target that has none, and for sizes that it cannot have. */
function poolOf(
  { target }: BenchJob,
  values: Readonly<Record<string, KnobValue>>,
  { sizes, processes, present }: Told,
): Pool {
  const view = { knobs: target.knobs, values };
  const max = knobByRole(view, "pool-max");
  if (!max || max.knob.domain.kind !== "int" || typeof max.value !== "number") {
    throw new PerfoptError(
      "bad-input",
      `${target.path} has no setting for the most connections of the pool`,
      "give the knob that sets it the role pool-max and type int, or sweep users by --url",
    );
  }
  if (present !== undefined) {
    throw new PerfoptError(
      "bad-input",
      `--present ${present}: the target file says what the pool is (${max.value})`,
      "leave --present out",
    );
  }
  const { min, max: most } = max.knob.domain;
  const outside = sizes?.find((size) => size < min || size > most);
  if (outside !== undefined) {
    throw new PerfoptError(
      "bad-input",
      `--sizes: ${outside} is outside what ${max.knob.id} may be (${min} to ${most})`,
      "leave it out, or change the knob's limits in the target file",
    );
  }
  return {
    max,
    present: max.value,
    processes: processes ?? numberOf(knobByRole(view, "processes")?.value) ?? 1,
    idleTimeoutMs: numberOf(knobByRole(view, "pool-idle-timeout")?.value),
    bounds: {
      sizeMin: Math.max(min, numberOf(knobByRole(view, "pool-min")?.value) ?? 0, 1),
      sizeMax: most,
    },
  };
}

function numberOf(value: KnobValue | undefined): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function questionOf(
  { target, plan: { workload, busyMachine } }: BenchJob,
  pool: Pool,
  { seed, cores, deadlock }: Told,
): Omit<PoolQuestion, "measurements"> {
  return {
    source: `${target.title} (${workload.name})`,
    subject: "pool",
    present: pool.present,
    cores: cores ?? availableParallelism(),
    live: true,
    busyMachine,
    ...pool.bounds,
    ...(deadlock ? { deadlock } : {}),
    seed,
    caveats: [
      "service, database and load shared this machine: where the database has one of its own, it has more room, and the best pool is larger",
    ],
  };
}

/** As the server says it, but for what the user knows better. Connections of others are those of neither perfopt nor its service. */
async function serverOf(
  url: string,
  { processes }: Pool,
  { maxConnections, reserved, others, copies }: Told,
): Promise<NonNullable<PoolQuestion["server"]>> {
  const [row] = await withConnection(
    url,
    async (client) =>
      (
        await client.query<{ most: number; reserved: number }>(
          `SELECT current_setting('max_connections')::int AS most,
                  (current_setting('superuser_reserved_connections')::int
                   + coalesce(current_setting('reserved_connections', true), '0')::int) AS reserved`,
        )
      ).rows,
    { statementTimeoutMs: QUERY_TIMEOUT_MS },
  );
  return {
    maxConnections: maxConnections ?? row?.most ?? 0,
    reserved: reserved ?? row?.reserved ?? 0,
    others: others ?? 0,
    processes,
    copies,
  };
}

function planOf(
  { deadlock, server, sizeMin, sizeMax, cores }: Session["question"],
  { present }: Pool,
  { sizes, windowMs, budgetMs, seed }: Told,
  {
    sendersMost,
    startUpMs,
    begun,
  }: { readonly sendersMost: number; readonly startUpMs: number; readonly begun: boolean },
) {
  const bounds = rangeOf({
    ...(deadlock ? { floor: deadlockFloor(deadlock.threads, deadlock.connectionsEach) } : {}),
    ...(server ? { limit: serverLimit(server) } : {}),
    ...(sizeMin === undefined ? {} : { sizeMin }),
    ...(sizeMax === undefined ? {} : { sizeMax }),
  });
  // Connections that nobody asks for at a time are none.
  const most = Math.min(bounds.most, sizeFor(sendersMost));
  if (bounds.least > most) {
    throw new PerfoptError(
      "bad-input",
      `no pool is both large and small enough: at least ${bounds.least}, and at most ${most}`,
      "check --threads, --connections-per-request, --max-connections and --processes, or give a longer --window",
    );
  }
  return planSweep({
    least: bounds.least,
    most,
    wanted: [present, ...(cores === undefined ? [] : [2 * cores + 1])],
    sizes,
    eachMs: AROUND_MS + Math.min(FRESH_WARM_UP_MS, 2 * windowMs) + WARMUP_MS + windowMs,
    budgetMs: budgetMs ?? BUDGET_MS,
    startUpMs,
    begun,
    seed,
  });
}

/** As the user says, or as the sizes that he gives need. Undefined where the service decides. Throws bad-input for fewer than both need. */
function sendersTold({ senders, sizes }: Told): number | undefined {
  const largest = sizes && Math.max(...sizes);
  if (senders === undefined) return largest && sendersOf([largest], Infinity);
  if (largest !== undefined && senders <= largest) {
    throw new PerfoptError(
      "bad-input",
      `--senders ${senders}: a pool of ${largest} is exercised by more than ${largest} requests under way only`,
      `give at least --senders ${Math.ceil(SENDERS_PER_CONNECTION * largest)}, or smaller --sizes`,
    );
  }
  return senders;
}

/** The largest pool that so many senders exercise: fewer connections than senders. */
function sizeFor(senders: number): number {
  return Math.max(1, Math.min(senders - 1, Math.floor(senders / SENDERS_PER_CONNECTION)));
}

/** Sizes end before the senders do. */
function sendersFor(saturationPerSecond: number, windowMs: number): number {
  return Math.min(
    SENDERS_MOST,
    Math.max(SENDERS_FEWEST, underWayMost(saturationPerSecond, windowMs)),
  );
}

function sendersOf(sizes: readonly number[], most: number): number {
  const wanted = Math.ceil(SENDERS_PER_CONNECTION * Math.max(...sizes));
  return Math.min(most, Math.max(SENDERS_LEAST, wanted));
}

function changesTo({ max, present }: Pool, size: number): readonly Change[] {
  if (size === present) return [];
  return [{ kind: "set-knob", knob: max.knob.id, from: present, to: size }];
}

/** Long enough to see connections idle. */
function idleWindowMs({ windowMs }: Told): number {
  return Math.max(windowMs, IDLE_OBSERVED_MS_LEAST);
}

/** One open-loop window at the chosen size: its arrivals, played on a pool. */
async function idleOf(
  { job, pool, told, progress, solo, question }: Session,
  { recommended, best, points }: PoolAdvice,
  resize: (size: number) => Promise<void>,
): Promise<IdleLook> {
  const chosen = points.find(({ size }) => size === (recommended ?? best));
  const { observe } = solo;
  if (!observe || !chosen) return {};
  progress.say(`idle connections: one window of arrivals at ${chosen.size} connections`);
  const { reconnectsPerMinuteMax } = told;
  const windowMs = idleWindowMs(told);
  const { size } = chosen;
  const look = async () => {
    await resize(size);
    const { view } = await observe({
      seed: question.seed,
      requestsPerSecond: Math.max(1, Math.floor(IDLE_SHARE * chosen.throughput)),
      arrivals: job.plan.arrivals,
      warmupMs: WARMUP_MS,
      windowMs,
    });
    return view;
  };
  return lookAtIdle(look, { ...pool, size, windowMs, reconnectsPerMinuteMax });
}
