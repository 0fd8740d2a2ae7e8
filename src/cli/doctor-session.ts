/** One diagnosis from start to end: the machine, then the service with no load, with one request at a time, and with the load asked about. */
import { availableParallelism } from "node:os";
import { PerfoptError, redactSecrets } from "../core/errors.ts";
import type {
  Diagnosis,
  DoctorEvidence,
  DoctorResult,
  DoctorWindowFacts,
  EnvironmentCheck,
} from "../core/diagnosis.ts";
import type { Readings } from "../core/readings.ts";
import type { Sample } from "../core/sample.ts";
import { significant } from "../core/units.ts";
import { diagnose } from "../doctor/diagnose.ts";
import { failuresOf } from "../doctor/failing.ts";
import { loadReadings } from "../doctor/load-readings.ts";
import type { NextContext } from "../doctor/next.ts";
import { slowStatement } from "../doctor/statement.ts";
import { closeLoad } from "../load/engine.ts";
import type { ArmRequest } from "../target/window.ts";
import type { BenchOptions } from "./bench.ts";
import { benchJob, type BenchJob } from "./bench-session.ts";
import type { Context } from "./context.ts";
import { assertReachable } from "./doctor-reach.ts";
import { openWatch, type Watch } from "./doctor-watch.ts";
import { rateInWords } from "./load.ts";
import { progressOf, type Progress } from "./progress.ts";
import { withSolo, type OpenSolo } from "./solo.ts";

const QUIET_MS = 2_000;
/** One user who pauses: never two requests at once, and enough of them to see what each takes. */
const LIGHT = { count: 1, think: { kind: "fixed", ms: 50 } } as const;
/** As many as the search for saturation has (load-functions.ts). */
const CLOSED_LOOP = { count: 32, think: { kind: "fixed", ms: 0 } } as const;

/** What was seen in one window. */
interface Seen {
  readonly facts: DoctorWindowFacts;
  readonly sample: Sample | undefined;
  readonly statement: DoctorEvidence["statement"];
  readonly statementsMeasured: boolean;
  readonly unmeasured: readonly string[];
}

export async function runDoctor(
  context: Context,
  options: BenchOptions,
  checks: readonly EnvironmentCheck[],
): Promise<DoctorResult> {
  const job = await benchJob(context, options);
  if (options.url !== undefined) await assertReachable(options.url, context.signal);
  const startedAt = new Date().toISOString();
  const started = performance.now();
  const progress = progressOf(context);
  const watch = openWatch(job.target);
  try {
    return await withSolo(
      context,
      job,
      progress,
      async (solo) => {
        await watch.open(storesOf(job, solo));
        return {
          schema: "perfopt-doctor/v1",
          startedAt,
          ...(await examine(context, job, solo, watch, progress)),
          tookMs: Math.round(performance.now() - started),
          target: job.target.name,
          workload: job.plan.workload.name,
          seed: job.seed,
          environment: solo.environment,
          checks,
        };
      },
      { aroundLoad: watch.around },
    );
  } finally {
    await watch.close();
    await closeLoad();
    progress.stop();
  }
}

/** Of a service that perfopt started, its own; of others, what the target file says. */
function storesOf({ target, options }: BenchJob, solo: OpenSolo) {
  if (options.url === undefined) return { database: solo.databaseUrl, redis: solo.redisUrl };
  const { postgres, redis } = target;
  return {
    database: postgres.kind === "url" ? postgres.url : undefined,
    redis: redis?.kind === "url" ? redis.url : undefined,
  };
}

type Found = Pick<
  DoctorResult,
  "load" | "diagnosis" | "atSaturation" | "windows" | "statement" | "unmeasured"
>;

async function examine(
  context: Context,
  job: BenchJob,
  solo: OpenSolo,
  watch: Watch,
  progress: Progress,
): Promise<Found> {
  const { arrivals, warmupMs, windowMs } = job.plan;
  const common = { seed: job.seed, arrivals, warmupMs, windowMs };
  const look = (name: DoctorWindowFacts["name"], load: string, request: ArmRequest) => {
    progress.say(`${name}: ${load}`);
    return lookAt(solo, watch, name, load, request);
  };
  const light = await look("light", "one request at a time", {
    ...common,
    requestsPerSecond: LIGHT.count,
    users: LIGHT,
  });
  if (job.plan.rate.kind !== "fixed") assertAnswers(light);
  progress.say("quiet: no load");
  const quiet = await watch.quiet(QUIET_MS, context.signal);
  const quietReadings = quiet?.readings(undefined) ?? {};
  const closed = await saturated(job, solo, look, common);
  const rate = rateOf(job, closed.requestsPerSecond);
  const load = `${significant(rate)} requests/s, ${rateInWords(job.plan.rate)}`;
  const usual = await look("usual", load, { ...common, requestsPerSecond: rate });
  const judged = (seen: Seen): Diagnosis =>
    diagnose(evidenceOf(job, quietReadings, light, seen), nextContext(job));
  return {
    load,
    diagnosis: judged(usual),
    ...(closed.seen ? { atSaturation: judged(closed.seen) } : {}),
    windows: [
      { name: "quiet", load: "none", readings: quietReadings },
      light.facts,
      ...(closed.seen ? [closed.seen.facts] : []),
      usual.facts,
    ],
    ...(usual.statement ? { statement: usual.statement } : {}),
    unmeasured: [...new Set([...watch.problems(), ...light.unmeasured, ...usual.unmeasured])],
  };
}

/** The closed loop that tells the rate to take a share of is a window like the others: what comes first there is worth knowing. */
async function saturated(
  job: BenchJob,
  solo: OpenSolo,
  look: (name: "closed-loop", load: string, request: ArmRequest) => Promise<Seen>,
  common: Omit<ArmRequest, "requestsPerSecond">,
): Promise<{ readonly seen?: Seen; readonly requestsPerSecond: number }> {
  if (job.plan.rate.kind === "fixed") return { requestsPerSecond: 0 };
  // Of sessions the rate is told in sessions, which a window's requests do not say.
  if (job.plan.workload.sessions?.length) {
    return { requestsPerSecond: await solo.saturate(job.seed) };
  }
  const seen = await look("closed-loop", `${CLOSED_LOOP.count} users without pauses`, {
    ...common,
    requestsPerSecond: CLOSED_LOOP.count,
    users: CLOSED_LOOP,
  });
  const { requestsPerSecondReached = 0, requests = 0, errors = 0 } = seen.sample?.load ?? {};
  const good = requests === 0 ? 0 : (requests - errors) / requests;
  return { seen, requestsPerSecond: requestsPerSecondReached * good };
}

/** Of a service that answers with errors there is no saturation to take a share of. */
function assertAnswers({ sample }: Seen): void {
  const failures = sample && failuresOf(sample.load);
  if (failures === undefined) return;
  throw new PerfoptError(
    "cannot-measure",
    `the service fails: ${failures}, with one request at a time`,
    "send one of the requests by hand and read the service's log",
  );
}

function rateOf({ plan: { rate } }: BenchJob, saturation: number): number {
  if (rate.kind === "fixed") return rate.requestsPerSecond;
  const chosen = Math.floor(saturation * rate.share);
  if (chosen >= 1) return chosen;
  throw new PerfoptError(
    "cannot-measure",
    `the service completes ${significant(saturation)} requests/s in a closed loop, too few to take a share of`,
    "give a rate, for example --rate 1",
  );
}

async function lookAt(
  solo: OpenSolo,
  watch: Watch,
  name: DoctorWindowFacts["name"],
  load: string,
  request: ArmRequest,
): Promise<Seen> {
  const sample = await solo.sample(request);
  const watched = watch.last();
  const answered = sample.load.requestsPerSecondReached;
  const seen = watched?.readings((answered * watched.elapsedMs) / 1_000) ?? {};
  const statements = sample.server?.statements;
  const scans = watched?.scans;
  const known = statements !== undefined && scans !== undefined;
  const slow = known ? slowStatement(statements, scans, sample.server?.requests ?? 0) : undefined;
  return {
    facts: { name, load, readings: { ...seen, ...loadReadings(sample.load) } },
    sample,
    statement: slow,
    statementsMeasured: known,
    unmeasured: [...(watched?.unmeasured ?? []), ...(sample.server?.unmeasured ?? [])].map(
      redactSecrets,
    ),
  };
}

function evidenceOf(job: BenchJob, quiet: Readings, light: Seen, loaded: Seen): DoctorEvidence {
  return {
    cores: availableParallelism(),
    quiet,
    light: light.facts.readings,
    loaded: loaded.facts.readings,
    ...(loaded.statement ? { statement: loaded.statement } : {}),
    statementsMeasured: loaded.statementsMeasured,
    ...(loaded.sample ? { statuses: loaded.sample.load.statuses } : {}),
    absent: hasNoRedis(job) ? ["redis"] : [],
    hostJudged: !job.plan.busyMachine,
  };
}

/** Of a bare URL nobody knows. */
function hasNoRedis({ target }: BenchJob): boolean {
  return target.redis === undefined && target.postgres.kind !== "none";
}

function nextContext({ options }: BenchJob): NextContext {
  const { target, url, scale, method, header, body } = options;
  return {
    target,
    url: url === undefined ? undefined : redactSecrets(url),
    scale,
    method,
    header,
    body: body === undefined ? undefined : redactSecrets(body),
  };
}
