/** Requests of one endpoint one after another on one connection, so that what they cause can be counted exactly. */
import { performance } from "node:perf_hooks";
import { PerfoptError, throwIfAborted } from "../core/errors.ts";
import type { WorkloadDefinition } from "../core/workload.ts";
import { openConnection } from "./connection.ts";
import { openFlights } from "./flights.ts";
import type { Answer, Flights } from "./flights.ts";
import type { Recorder } from "./recorder.ts";
import type { LoadRequest } from "./request.ts";
import { scripts } from "./sessions-script.ts";
import type { Script, Turn } from "./sessions-script.ts";

export interface ReplayRun extends Pick<
  LoadRequest,
  "baseUrl" | "workload" | "data" | "seed" | "timeoutMs" | "headers" | "tls"
> {
  /** One of `replayedEndpoints`. */
  readonly endpoint: string;
  /** How many are sent; of a session, how many times the whole of it. */
  readonly requests: number;
}

export interface ReplayResult {
  readonly requests: number;
  /** Of a session: those that could not be finished. */
  readonly errors: number;
  /** Of bodies, as they came. */
  readonly responseBytes: number;
}

/** Time limits are looked at this often. */
const EXPIRE_MS = 20;

/** What can be replayed by itself: the names of a workload's requests, or of its sessions, whose steps need each other. */
export function replayedEndpoints(workload: WorkloadDefinition): readonly string[] {
  return mixOf(workload).map(({ name }) => name);
}

/**
 * The same seed sends the same requests. Think times are left out: nobody else is there to wait for; and validators, so that every
 * answer is whole. Rejects with bad-input for a
 * workload that cannot be filled or lacks the endpoint, interrupted when `signal` aborts; requests that fail are counted.
 */
export async function sendInOrder(run: ReplayRun, signal: AbortSignal): Promise<ReplayResult> {
  throwIfAborted(signal);
  const open = scripts(onlyThe(run.endpoint, run.workload), run.data, run.seed);
  const { pool, pathPrefix } = openConnection({ ...run, connections: 1 });
  const counts = { requests: 0, errors: 0, responseBytes: 0 };
  const flights = openFlights(pool, bytesCounter(counts), run.timeoutMs, run.headers);
  const timer = setInterval(() => flights.expire(performance.now()), EXPIRE_MS);
  const stop = (): void => void pool.destroy();
  signal.addEventListener("abort", stop);
  try {
    for (let number = 0; number < run.requests; number += 1) {
      const finished = await playOut(open(number), flights, pathPrefix);
      throwIfAborted(signal);
      counts.requests += 1;
      if (!finished) counts.errors += 1;
    }
    return counts;
  } finally {
    clearInterval(timer);
    signal.removeEventListener("abort", stop);
    await pool.destroy();
  }
}

/** False when one of its requests failed, which ends it. */
async function playOut({ turns }: Script, flights: Flights, pathPrefix: string): Promise<boolean> {
  for (let next = turns.next(); next.done !== true; next = turns.next()) {
    const turn = next.value;
    const answer = await sendOne(turn, flights, pathPrefix);
    if (!answer || !turn.isExpected(answer.status) || !turn.accept(answer)) return false;
  }
  return true;
}

/** Resolves with the answer, or undefined when none came. */
function sendOne(turn: Turn, flights: Flights, pathPrefix: string): Promise<Answer | undefined> {
  const { endpoint, method, path, headers, body } = turn.fill();
  return new Promise((resolve) => {
    flights.send(
      { method, path: pathPrefix + path, headers, body: body ?? null },
      {
        endpoint,
        measured: false,
        dueAt: performance.now(),
        trace: undefined,
        keepBody: turn.keepBody,
        onEnd: (ending, answer) => resolve(ending === "answered" ? answer : undefined),
      },
    );
  });
}

function bytesCounter(counts: { responseBytes: number }): Pick<Recorder, "launch" | "finish"> {
  return {
    launch: () => undefined,
    finish: ({ responseBytes }) => {
      counts.responseBytes += responseBytes;
    },
  };
}

function mixOf({ requests, sessions = [] }: WorkloadDefinition) {
  return sessions.length > 0 ? sessions : requests;
}

/** The workload with one entry of its mix, whatever its weight there: an endpoint that is never sent can still be counted. */
function onlyThe(endpoint: string, workload: WorkloadDefinition): WorkloadDefinition {
  const only = <T extends { readonly name: string }>(entries: readonly T[]) =>
    entries.filter(({ name }) => name === endpoint).map((entry) => ({ ...entry, weight: 1 }));
  const requests = only(workload.requests);
  const sessions = only(workload.sessions ?? []);
  if (mixOf({ ...workload, requests, sessions }).length === 1) {
    return { ...workload, requests, sessions };
  }
  throw new PerfoptError(
    "bad-input",
    `workload "${workload.name}" has no endpoint "${endpoint}" to replay`,
    `it has: ${replayedEndpoints(workload).join(", ")}`,
  );
}
