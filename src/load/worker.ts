/** The load worker's entry: one window at a time, so that nothing else on its thread delays the pacer. */
import { parentPort } from "node:worker_threads";
import { messageOf, PerfoptError } from "../core/errors.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { CompleteLoadRequest, WindowRecord } from "./request.ts";
import { measureWindow } from "./window.ts";

/** Errors lose their class between threads; what the other side needs of them is written out. */
export type WorkerReply =
  | { readonly kind: "record"; readonly record: WindowRecord }
  | {
      readonly kind: "failed";
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint: string;
    };

parentPort?.on("message", (request: CompleteLoadRequest) => {
  void reply(request);
});

async function reply(request: CompleteLoadRequest): Promise<void> {
  let answer: WorkerReply;
  try {
    answer = { kind: "record", record: await measureWindow(request) };
  } catch (error) {
    const { code, hint } =
      error instanceof PerfoptError
        ? error
        : {
            code: "cannot-measure" as const,
            hint: "this is a fault of the load engine, please report it",
          };
    answer = { kind: "failed", code, message: messageOf(error), hint };
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
  parentPort?.postMessage(answer);
}
