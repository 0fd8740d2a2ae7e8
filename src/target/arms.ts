/** The bench: two arms of a target that perfopt starts, alike in everything but the changes they are told to have. */
import { availableParallelism, totalmem } from "node:os";
import { rm } from "node:fs/promises";
import { messageOf, PerfoptError, throwIfAborted } from "../core/errors.ts";
import type { Resource } from "../core/event.ts";
import type { Change } from "../core/knob.ts";
import { knobByRole, type TargetView } from "../core/observation.ts";
import type { Bench, WindowRequest } from "../core/ports.ts";
import type { LoadResult, Sample } from "../core/sample.ts";
import type { Role } from "../core/trial.ts";
import {
  openArm,
  stageArm,
  startArmService,
  stopArmService,
  tidyTables,
  type Arm,
  type ArmOptions,
  type Undo,
} from "./arm.ts";
import { cloneName } from "./clone.ts";
import { makeFolder } from "./home.ts";
import { copyContents } from "./redis-server.ts";
import { sampleFrom, statementsInWindow, type Measured } from "./sample.ts";
import type { ServiceProcess } from "./service.ts";
import { databaseView, redisStats } from "./view.ts";
import { measureWindow, whileAlive, type LoadRun } from "./window.ts";

export type { LoadRun } from "./window.ts";

/** How candidates are compared on a target that perfopt starts, for reports. */
export const BENCH_DESIGN =
  "two arms, each with its own service process, database clone and Redis, measured in interleaved pairs with one arm under load at a time";

const STATEMENTS_MAX = 200;
/** A Node process gets faster for its first thousand requests or two (measured: 2.4 ms of CPU a request at first, 1.6 ms later). */
const WARM_UP_MS_MAX = 4_000;
/** Of the windows' rate, so that a short warm-up has enough requests. At twice 40 % of saturation nothing queues for long. */
const WARM_UP_RATE = 2;
/** Keeps the warm-up's requests, and what they create, apart from the windows'. */
const WARM_UP_STREAM = 0x7761726d;

export interface BenchOptions extends ArmOptions {
  /** One open-loop window on a base URL. */
  readonly runLoad: (run: LoadRun) => Promise<LoadResult>;
  /** The most requests per second that a closed loop gets through. */
  readonly saturate: (run: {
    readonly baseUrl: string;
    readonly seed: number;
    readonly signal: AbortSignal;
  }) => Promise<number>;
}

export interface OpenBench extends Bench {
  /** Stops and removes everything that the bench made; safe to call more than once and after any failure. */
  readonly close: () => Promise<void>;
}

export async function openBench(options: BenchOptions): Promise<OpenBench> {
  const undo: Undo[] = [];
  const logs = { needed: false };
  try {
    await openFolder(options, undo, logs);
    const incumbent = await openArm("incumbent", options, undo);
    const candidate = await openArm("candidate", options, undo);
    const arms: Arms = { incumbent, candidate };
    await startBoth(arms, options);
    return benchOf(arms, options, undo, logs);
  } catch (error) {
    logs.needed = true;
    // The first failure is the one to report; the journal still lists what could not be removed.
    await closeAll(undo).catch(() => {});
    throw error;
  }
}

type Arms = Readonly<Record<Role, Arm>>;

/** The arms' folder outlives the bench when something failed: the error's message names a log in it. */
interface Logs {
  needed: boolean;
}

function benchOf(arms: Arms, options: BenchOptions, undo: Undo[], logs: Logs): OpenBench {
  const exclusively = oneAtATime(() => (logs.needed = true));
  let scratches = 0;
  const scratchName = () => cloneName(options.runId, `s${(scratches += 1)}`);
  return {
    setArm: (role, changes) => exclusively(() => setArm(arms, role, changes, options)),
    restartArms: () => exclusively(() => restartArms(arms, options)),
    sample: (request) => exclusively(() => sample(arms[request.role], request, options)),
    saturate: (seed) => exclusively(() => saturate(arms.incumbent, seed, options)),
    observe: (request) => exclusively(() => observe(arms.incumbent, request, options, scratchName)),
    close: () => exclusively(() => closeAll(undo)),
  };
}

/** Only one arm is under load, and none is changed meanwhile, whatever the caller does at once. */
function oneAtATime(onFailure: () => void): <T>(use: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (use) => {
    const next = last.then(use);
    last = next.catch(onFailure);
    return next;
  };
}

async function openFolder(options: BenchOptions, undo: Undo[], logs: Logs): Promise<void> {
  const resource: Resource = {
    id: `${options.runId}/folder`,
    kind: "directory",
    path: options.folder,
  };
  await options.note({ type: "resource-creating", resource });
  await makeFolder(options.folder);
  await options.note({ type: "resource-created", resource });
  undo.push(async () => {
    if (!logs.needed) await rm(options.folder, { recursive: true, force: true });
    await options.note({ type: "resource-removed", resourceId: resource.id });
  });
}

/** Undoes the last first; goes on after a failure, and reports the first one at the end. What is undone is forgotten. */
async function closeAll(undo: Undo[]): Promise<void> {
  const failures: unknown[] = [];
  for (let step = undo.pop(); step; step = undo.pop()) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length === 0) return;
  throw new PerfoptError(
    "dirty-target",
    `the arms could not be removed: ${failures.map(messageOf).join("; ")}`,
    "run `perfopt rollback`, which tries again",
    { cause: failures[0] },
  );
}

async function startBoth(arms: Arms, options: BenchOptions): Promise<void> {
  // Both have settled before a failure is reported, so that closing meets no process that is still starting.
  const started = await Promise.allSettled([
    startArmService(arms.incumbent, options),
    startArmService(arms.candidate, options),
  ]);
  for (const each of started) {
    if (each.status === "rejected") throw each.reason;
  }
}

async function restartArms(arms: Arms, options: BenchOptions): Promise<void> {
  await stopBoth(arms);
  const port = arms.incumbent.port;
  arms.incumbent.port = arms.candidate.port;
  arms.candidate.port = port;
  await startBoth(arms, options);
}

async function stopBoth(arms: Arms): Promise<void> {
  await stopArmService(arms.incumbent);
  await stopArmService(arms.candidate);
}

/**
 * Afterwards both arms are alike but for the changes: where one got a new process, the other gets one too; where Redis or
 * the service's settings changed, the candidate's Redis takes over the incumbent's contents, so that no earlier candidate's
 * entries help a later one; where an index changed, the table is vacuumed and analysed on both.
 */
async function setArm(
  arms: Arms,
  role: Role,
  changes: readonly Change[],
  options: BenchOptions,
): Promise<void> {
  throwIfAborted(options.signal);
  const arm = arms[role];
  const staged = await stageArm(arm, changes, options);
  if (staged.tables.length > 0) {
    await tidyTables(arms.incumbent, staged.tables, options);
    await tidyTables(arms.candidate, staged.tables, options);
  }
  if (staged.environment) {
    // The other one's follows when it is needed: a search on one arm alone does not pay for it.
    arms.incumbent.stale = true;
    arms.candidate.stale = true;
  }
  if ((staged.environment || staged.redis) && arms.incumbent.redis && arms.candidate.redis) {
    // Copying replaces what the process may be reading.
    if (staged.environment) await stopArmService(arms.candidate);
    await copyContents(arms.incumbent.redis, arms.candidate.redis);
  }
  await runningService(arm, options);
}

/** The arm's process; a fresh one when it ended, or when the other arm has had a fresh one. */
async function runningService(arm: Arm, options: BenchOptions): Promise<ServiceProcess> {
  throwIfAborted(options.signal);
  if (arm.stale || !arm.service || arm.service.process.ended() !== undefined) {
    await startArmService(arm, options);
  }
  if (!arm.service) throw new Error("a started service is there");
  return arm.service;
}

async function sample(arm: Arm, request: WindowRequest, options: BenchOptions): Promise<Sample> {
  return sampleFrom(await measure(arm, { ...request, trace: false }, options));
}

async function measure(
  arm: Arm,
  request: Omit<WindowRequest, "role"> & { readonly trace: boolean },
  options: BenchOptions,
): Promise<Measured> {
  const service = await runningService(arm, options);
  await warmUp(service, request, options);
  const { knobs } = options.targetFile;
  const poolMax = knobByRole({ knobs, values: arm.values }, "pool-max")?.value;
  return measureWindow(arm, service, request, {
    ...options,
    postmasterPid: options.source.server?.process.pid,
    poolMax: typeof poolMax === "number" ? poolMax : undefined,
  });
}

const warmed = new WeakSet<ServiceProcess>();

/** A process's first window would show its compiler and its first connections: both arms' get the same load before it. */
async function warmUp(
  service: ServiceProcess,
  { seed, requestsPerSecond, arrivals, windowMs }: Omit<WindowRequest, "role">,
  options: BenchOptions,
): Promise<void> {
  if (warmed.has(service)) return;
  await whileAlive(service, options.signal, (signal) =>
    options.runLoad({
      baseUrl: service.baseUrl,
      seed: seed ^ WARM_UP_STREAM,
      requestsPerSecond: requestsPerSecond * WARM_UP_RATE,
      arrivals,
      warmupMs: 0,
      // Whoever asks for short windows is in a hurry.
      windowMs: Math.min(WARM_UP_MS_MAX, 2 * windowMs),
      trace: false,
      signal,
    }),
  );
  warmed.add(service);
}

async function saturate(arm: Arm, seed: number, options: BenchOptions): Promise<number> {
  const service = await runningService(arm, options);
  return whileAlive(service, options.signal, (signal) =>
    options.saturate({ baseUrl: service.baseUrl, seed, signal }),
  );
}

async function observe(
  arm: Arm,
  request: Omit<WindowRequest, "role">,
  options: BenchOptions,
  scratchName: () => string,
): Promise<TargetView> {
  const measured = await measure(arm, { ...request, trace: true }, options);
  const { before, after } = measured;
  const database = databaseView({
    url: arm.adminUrl,
    source: options.source,
    indexes: arm.indexes,
    scratchName,
    onCreating: (name) =>
      options.note({ type: "resource-creating", resource: { id: name, kind: "database", name } }),
    onRemoved: (name) => options.note({ type: "resource-removed", resourceId: name }),
  });
  return {
    knobs: options.targetFile.knobs,
    values: arm.values,
    sample: sampleFrom(measured),
    statements: (statementsInWindow(before, after) ?? []).slice(0, STATEMENTS_MAX),
    redis: redisStats(before.redis, after.redis),
    database,
    machine: { cores: availableParallelism(), memoryBytes: totalmem() },
  };
}
