/** How both kinds of load threads answer commands: failures take a form that crosses threads. */
import { parentPort } from "node:worker_threads";
import { messageOf, PerfoptError } from "../core/errors.ts";
import type { ErrorCode } from "../core/errors.ts";

/** Errors lose their class between threads; what the other side needs of them is written out. */
export interface Failure {
  readonly kind: "failed";
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
}

/** Sends back what a command came to. */
export async function answerWith(work: Promise<unknown>): Promise<void> {
  const reply = await work.catch(failureOf);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
  parentPort?.postMessage(reply);
}

function failureOf(error: unknown): Failure {
  const { code, hint } =
    error instanceof PerfoptError
      ? error
      : {
          code: "cannot-measure" as const,
          hint: "this is a fault of the load engine, please report it",
        };
  return { kind: "failed", code, message: messageOf(error), hint };
}
