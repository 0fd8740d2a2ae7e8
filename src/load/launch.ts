/** One request as it leaves: what it carries, and what is noted of its answer. */
import type { Jar } from "./cookies.ts";
import type { Departure, Seen } from "./flights.ts";
import type { GeneratedRequest } from "./requests.ts";
import type { ResponseRecorder } from "./responses.ts";
import type { Conditional } from "./revalidation.ts";
import type { Stage } from "./sending.ts";

export interface Launch extends Pick<
  Departure,
  "measured" | "dueAt" | "keepBody" | "refusal" | "onEnd"
> {
  /** When it was due, in milliseconds from the window's start. */
  readonly atMs: number;
  readonly conditional: Conditional | undefined;
  /** Of its client; absent when no client keeps cookies. */
  readonly jar: Jar | undefined;
}

/**
 * Without a trace and without clients that keep validators or cookies, nothing of the answer is looked at but its status and length. Written out
 * field by field: this is done for each request, and rest and spread cost more than all the rest.
 */
export function launchRequest(
  { recorder, flights, pathPrefix }: Pick<Stage, "recorder" | "flights" | "pathPrefix">,
  generated: GeneratedRequest,
  launch: Launch,
): void {
  const { endpoint, method, path, headers, body } = generated;
  const { measured, dueAt, conditional, jar } = launch;
  const { responses } = recorder;
  const plain = conditional?.headers ?? headers;
  const sent = jar ? jar.over(plain) : plain;
  const carried = jar ? { ...generated, headers: sent } : generated;
  const trace = measured ? recorder.traceEntry(carried, launch.atMs) : undefined;
  const watched = trace !== undefined || conditional !== undefined;
  flights.send(
    {
      path: pathPrefix + path,
      method,
      headers: sent,
      body: body ?? null,
    },
    {
      endpoint,
      measured,
      dueAt,
      trace,
      conditional: conditional?.held !== undefined,
      keepBody: launch.keepBody,
      refusal: launch.refusal,
      onEnd: launch.onEnd,
      watch: watched || jar ? watcher(endpoint, trace, launch, responses) : undefined,
      hashBody: watched && responses !== undefined,
    },
  );
}

function watcher(
  endpoint: number,
  trace: Departure["trace"],
  { conditional, jar }: Launch,
  responses: ResponseRecorder | undefined,
): (seen: Seen) => void {
  return (seen) => {
    conditional?.note(seen);
    jar?.note(seen);
    if (!trace || !responses) return;
    const held = conditional?.held;
    const current = seen.status === 304 ? held?.body : seen.body;
    if (current !== undefined) trace.body = current;
    responses.answered(endpoint, trace.key, seen, held);
  };
}
