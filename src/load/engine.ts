/** One measured window of load, sent by worker threads: plain data in, plain data out. */
import type { Worker } from "node:worker_threads";
import { throwIfAborted } from "../core/errors.ts";
import type { HostUse, LoadResult } from "../core/sample.ts";
import { LAG_MS_MAX } from "./checks.ts";
import { sharedNow } from "./clock.ts";
import { openHostMeter } from "./host.ts";
import { mergeRecords } from "./merge.ts";
import { loadResult } from "./result.ts";
import { checkRequest } from "./request-check.ts";
import type { CompleteLoadRequest, LoadRequest, WindowRecord } from "./request.ts";
import { measuredArrivals, peakRate } from "./schedule.ts";
import { openTaskRun, withTasks, type TaskRun } from "./task-run.ts";
import type { TasksDone } from "./tasks.ts";
import { askWorker, endWorkers, giveBackWorkers, takeWorkers, workersFor } from "./workers.ts";

export type { LoadRequest } from "./request.ts";
export { closeLoad } from "./workers.ts";

const CONNECTIONS = 64;
/**
 * With 64 requests at once a service is never shown an overload: the rest wait in the generator, and a limit of the service's own, of
 * requests in flight or of a queue, is never reached.
 */
const CONNECTIONS_OVERLOAD = 512;
/** More sockets than this come near what a process may have open (1,024 files where nothing else is set). */
const CONNECTIONS_OVERLOAD_MAX = 960;
const OUTSTANDING_MAX = 10_000;
/** On top of warm-up, window and time limit: for a worker that starts, and for the data that it is sent. */
const WORKER_GRACE_MS = 15_000;
/** Between the last worker's preparation and the first due time: a message takes less. */
const START_DELAY_MS = 20;

/**
 * Sends the workload at its rate and reports what came of it. Rejects with bad-input for a workload that cannot be filled,
 * interrupted when `signal` aborts (at once, all connections closed), and cannot-measure when a worker fails. A service that
 * fails or is slow does not reject: the result's checks say so.
 */
export async function runWindow(request: LoadRequest, signal: AbortSignal): Promise<LoadResult> {
  throwIfAborted(signal);
  const complete = completed(request);
  checkRequest(complete);
  // More threads than arrivals would leave some with nothing to send and nothing to measure.
  const useful = request.users?.count ?? measuredArrivals(request);
  const tasks = openTaskRun(complete);
  const workers = takeWorkers(Math.min(complete.workers, useful));
  try {
    const { record, host, done } = await measure(workers, tasks, complete, signal);
    giveBackWorkers(workers);
    await tasks?.close("done");
    const result = loadResult(complete, record, host);
    return done ? withTasks(result, done) : result;
  } catch (error) {
    await Promise.all([endWorkers(workers), tasks?.close("failed")]);
    throw error;
  }
}

function completed(request: LoadRequest): CompleteLoadRequest {
  const { connections = defaultConnections(request), users, overload, timeoutMs } = request;
  return {
    workers: defaultWorkers(request),
    outstandingMax: OUTSTANDING_MAX,
    lagMsMax: LAG_MS_MAX,
    ...request,
    // No user waits for the connection of another.
    connections: Math.max(connections, users?.count ?? 0),
    // A client that gave up before would make failures of answers that are in time.
    timeoutMs: overload ? Math.max(timeoutMs, overload.withinMs) : timeoutMs,
  };
}

function defaultConnections(request: LoadRequest): number {
  return request.overload ? overloadConnections(request, request.overload) : CONNECTIONS;
}

/**
 * Of an overload, as many as arrive within its limit, and 512 at least. With more requests than that in flight a service answers late
 * whatever it does (Little's law: it completes fewer than arrive), so that no bound at which it could be in time is beyond the client's.
 */
export function overloadConnections(
  request: Pick<LoadRequest, "segments" | "requestsPerSecond" | "windowMs">,
  { withinMs }: NonNullable<LoadRequest["overload"]>,
): number {
  const arriving = Math.ceil((peakRate(request) * withinMs) / 1_000);
  return Math.min(CONNECTIONS_OVERLOAD_MAX, Math.max(CONNECTIONS_OVERLOAD, arriving));
}

/** Of users and sessions the rate of requests is not known beforehand: one thread, whose CPU time is checked. */
function defaultWorkers(request: LoadRequest): number {
  const independent = request.users === undefined && (request.workload.sessions ?? []).length === 0;
  return independent ? workersFor(peakRate(request)) : 1;
}

interface Seen {
  readonly record: WindowRecord;
  readonly host: HostUse;
  readonly done: TasksDone | undefined;
}

async function measure(
  workers: readonly Worker[],
  tasks: TaskRun | undefined,
  request: CompleteLoadRequest,
  signal: AbortSignal,
): Promise<Seen> {
  const { warmupMs, windowMs, timeoutMs } = request;
  const lengthMs = warmupMs + windowMs + (tasks?.overtimeMsMost ?? 0);
  const limits = { limitMs: lengthMs + timeoutMs + WORKER_GRACE_MS, signal };
  const of = workers.length;
  await Promise.all([
    tasks?.prepare(limits),
    ...workers.map((worker, index) =>
      askWorker(worker, { kind: "prepare", request, part: { index, of } }, "prepared", limits),
    ),
  ]);
  const host = openHostMeter(request.foreignWorkKnown ?? true);
  const sharedMs = sharedNow() + START_DELAY_MS;
  const timers = [
    setTimeout(host.windowStarts, START_DELAY_MS + warmupMs),
    setTimeout(host.windowEnds, START_DELAY_MS + warmupMs + windowMs),
  ];
  try {
    const start = { kind: "start", sharedMs, ...(tasks && { overtime: tasks.overtime }) } as const;
    const [done, ...replies] = await Promise.all([
      tasks?.start(sharedMs + warmupMs, limits),
      ...workers.map((worker) => askWorker(worker, start, "record", limits)),
    ]);
    return { record: mergeRecords(replies.map(({ record }) => record)), host: host.use(), done };
  } finally {
    for (const timer of timers) clearTimeout(timer);
  }
}
