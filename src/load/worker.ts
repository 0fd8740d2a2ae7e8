/** The load worker's entry: one window at a time, so that nothing else on its thread delays the pacer. */
import { parentPort } from "node:worker_threads";
import { messageOf, PerfoptError } from "../core/errors.ts";
import type { ErrorCode } from "../core/errors.ts";
import { localTime } from "./clock.ts";
import type { CompleteLoadRequest, WindowRecord } from "./request.ts";
import type { Part } from "./sending.ts";
import { runOnTime } from "./priority.ts";
import { prepareWindow } from "./window.ts";

/** In this order: prepare, answered by prepared; start, answered by a record. Either may fail instead. */
export type WorkerCommand =
  | { readonly kind: "prepare"; readonly request: CompleteLoadRequest; readonly part: Part }
  /** The warm-up's start on the shared clock. */
  | { readonly kind: "start"; readonly sharedMs: number };

/** Errors lose their class between threads; what the other side needs of them is written out. */
export type WorkerReply =
  | { readonly kind: "prepared" }
  | { readonly kind: "record"; readonly record: WindowRecord }
  | {
      readonly kind: "failed";
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint: string;
    };

let prepared: ReturnType<typeof prepareWindow> | undefined;

runOnTime();

parentPort?.on("message", (command: WorkerCommand) => {
  void reply(command);
});

async function reply(command: WorkerCommand): Promise<void> {
  let answer: WorkerReply;
  try {
    answer = await follow(command);
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

async function follow(command: WorkerCommand): Promise<WorkerReply> {
  if (command.kind === "prepare") {
    prepared = prepareWindow(command.request, command.part);
    return { kind: "prepared" };
  }
  const send = prepared;
  prepared = undefined;
  if (!send) throw new Error("the load worker was started before it was prepared");
  return { kind: "record", record: await send(localTime(command.sharedMs)) };
}
