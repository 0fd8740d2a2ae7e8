/** The load worker's entry: one window at a time, so that nothing else on its thread delays the pacer. */
import { parentPort } from "node:worker_threads";
import { localTime } from "./clock.ts";
import type { CompleteLoadRequest, WindowRecord } from "./request.ts";
import type { Part } from "./sending.ts";
import { runOnTime } from "./priority.ts";
import { answerWith } from "./thread.ts";
import { prepareWindow } from "./window.ts";

/** In this order: prepare, answered by prepared; start, answered by a record. Either may fail instead. */
export type WorkerCommand =
  | { readonly kind: "prepare"; readonly request: CompleteLoadRequest; readonly part: Part }
  /** The warm-up's start on the shared clock; `overtime`, where it is given, holds a number that is not 0 while the load is to go on. */
  | { readonly kind: "start"; readonly sharedMs: number; readonly overtime?: Int32Array };

export type WorkerReply =
  | { readonly kind: "prepared" }
  | { readonly kind: "record"; readonly record: WindowRecord };

let prepared: ReturnType<typeof prepareWindow> | undefined;

runOnTime();

parentPort?.on("message", (command: WorkerCommand) => {
  void answerWith(follow(command));
});

async function follow(command: WorkerCommand): Promise<WorkerReply> {
  if (command.kind === "prepare") {
    prepared = prepareWindow(command.request, command.part);
    return { kind: "prepared" };
  }
  const send = prepared;
  prepared = undefined;
  if (!send) throw new Error("the load worker was started before it was prepared");
  const { sharedMs, overtime } = command;
  const goesOn = overtime && (() => Atomics.load(overtime, 0) !== 0);
  return { kind: "record", record: await send(localTime(sharedMs), goesOn) };
}
