/** One client that does a workload's tasks beside its requests, in order, round and round, and times each; runs in the task thread. */
import { performance } from "node:perf_hooks";
import { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import type { Pool } from "undici";
import { messageOf } from "../core/errors.ts";
import type { TaskResult } from "../core/sample.ts";
import { formatDuration } from "../core/units.ts";
import type { TaskTemplate } from "../core/workload.ts";
import { openConnection } from "./connection.ts";
import { headerMerger } from "./flights.ts";
import type { LoadRequest } from "./request.ts";
import { isExpected } from "./requests.ts";
import { chosenTasks, taskRequests, type TaskRequest } from "./task-requests.ts";

export interface TasksDone {
  readonly results: readonly TaskResult[];
  readonly overtimeMs: number;
}

/** What has become of one task so far. */
interface Work {
  readonly task: TaskTemplate;
  /** The request that is ready, and how the one after it is made. */
  ready: TaskRequest | undefined;
  readonly make: () => TaskRequest;
  readonly durationsMs: number[];
  responseBytes: number;
  failed: number;
  failure: string | undefined;
}

/**
 * Makes the first round's requests; the returned function does the tasks, `windowStartsAt` being the measured window's start in
 * `performance.now()` milliseconds. Each round gives every task its turn that has not been done `perWindow` times. After the window's end
 * nothing begins but what is left of the first round, so that each task is done at least once: that takes the sum of their time limits at most.
 */
export function prepareTasks(request: LoadRequest): (windowStartsAt: number) => Promise<TasksDone> {
  const works = chosenTasks(request.workload, request.tasks).map((task) => workOf(task, request));
  const { pool, pathPrefix } = openConnection({ ...request, connections: 1 });
  const withHeaders = headerMerger(request.headers ?? {});
  const send = (work: Work, each: TaskRequest): Promise<void> =>
    perform(pool, work, withHeaders({ ...each, path: pathPrefix + each.path }));
  return async (windowStartsAt) => {
    const windowEndsAt = windowStartsAt + request.windowMs;
    await wait(windowStartsAt - performance.now());
    try {
      await doRounds(works, windowEndsAt, send);
    } finally {
      await pool.destroy();
    }
    const overtimeMs = Math.max(0, performance.now() - windowEndsAt);
    return { results: works.map(resultOf), overtimeMs };
  };
}

function workOf(task: TaskTemplate, { workload, data, seed }: LoadRequest): Work {
  const make = taskRequests(workload, task, data, seed);
  return {
    task,
    ready: make(),
    make,
    durationsMs: [],
    responseBytes: 0,
    failed: 0,
    failure: undefined,
  };
}

async function doRounds(
  works: readonly Work[],
  windowEndsAt: number,
  send: (work: Work, request: TaskRequest) => Promise<void>,
): Promise<void> {
  const rounds = Math.max(0, ...works.map(({ task }) => task.perWindow));
  for (let round = 0; round < rounds; round += 1) {
    for (const work of works.filter(({ task }) => round < task.perWindow)) {
      if (round > 0 && performance.now() >= windowEndsAt) return;
      // A large body takes time to make: before the clock starts.
      const request = work.ready ?? work.make();
      // What was sent is not kept.
      work.ready = undefined;
      await send(work, request);
    }
  }
}

async function perform(pool: Pool, work: Work, request: TaskRequest): Promise<void> {
  const { task } = work;
  const { body } = request;
  const length = body?.reduce((sum, piece) => sum + piece.length, 0);
  const headers =
    length === undefined
      ? request.headers
      : { ...request.headers, "content-length": String(length) };
  const limit = AbortSignal.timeout(task.timeoutMs);
  const startedAt = performance.now();
  try {
    const answer = await pool.request({
      method: request.method,
      path: request.path,
      headers,
      body: body === undefined ? null : Readable.from(body),
      signal: limit,
    });
    let bytes = 0;
    for await (const chunk of answer.body) bytes += lengthOf(chunk);
    const durationMs = performance.now() - startedAt;
    if (!isExpected(task.request, answer.statusCode)) {
      fail(work, `status ${answer.statusCode}`);
      return;
    }
    work.durationsMs.push(durationMs);
    work.responseBytes += bytes;
  } catch (error) {
    const late = `no complete answer within ${formatDuration(task.timeoutMs)}`;
    fail(work, limit.aborted ? late : messageOf(error));
  }
}

function lengthOf(chunk: unknown): number {
  return chunk instanceof Uint8Array ? chunk.length : 0;
}

function fail(work: Work, because: string): void {
  work.failed += 1;
  work.failure ??= because;
}

function resultOf({ task, durationsMs, responseBytes, failed, failure }: Work): TaskResult {
  return {
    name: task.name,
    kind: task.kind,
    durationsMs,
    records: task.records * durationsMs.length,
    responseBytes,
    failed,
    ...(failure === undefined ? {} : { failure }),
  };
}
