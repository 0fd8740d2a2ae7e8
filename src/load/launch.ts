/** One request as it leaves: what it carries, and what is noted of its answer. */
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
}

/**
 * Without a trace and without clients that keep validators, nothing of the answer is looked at but its status and length. Written out
 * field by field: this is done for each request, and rest and spread cost more than all the rest.
 */
export function launchRequest(
  { recorder, flights, pathPrefix }: Pick<Stage, "recorder" | "flights" | "pathPrefix">,
  generated: GeneratedRequest,
  launch: Launch,
): void {
  const { endpoint, method, path, headers, body } = generated;
  const { measured, dueAt, conditional } = launch;
  const { responses } = recorder;
  const trace = measured ? recorder.traceEntry(generated, launch.atMs) : undefined;
  const watched = trace !== undefined || conditional !== undefined;
  flights.send(
    {
      path: pathPrefix + path,
      method,
      headers: conditional?.headers ?? headers,
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
      watch: watched ? watcher(endpoint, trace, conditional, responses) : undefined,
      hashBody: watched && responses !== undefined,
    },
  );
}

function watcher(
  endpoint: number,
  trace: Departure["trace"],
  conditional: Conditional | undefined,
  responses: ResponseRecorder | undefined,
): (seen: Seen) => void {
  return (seen) => {
    conditional?.note(seen);
    if (!trace || !responses) return;
    const held = conditional?.held;
    const current = seen.status === 304 ? held?.body : seen.body;
    if (current !== undefined) trace.body = current;
    responses.answered(endpoint, trace.key, seen, held);
  };
}
