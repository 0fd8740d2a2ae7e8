/** The task thread's entry: bulk work beside the requests, on a thread of its own, so that large bodies never delay the pacer. */
import { parentPort } from "node:worker_threads";
import type { TaskResult } from "../core/sample.ts";
import { localTime } from "./clock.ts";
import type { LoadRequest } from "./request.ts";
import { prepareTasks } from "./tasks.ts";
import { answerWith } from "./thread.ts";

/** In this order: prepare-tasks, answered by prepared; start-tasks, answered by tasks. Either may fail instead. */
export type TaskCommand =
  | { readonly kind: "prepare-tasks"; readonly request: LoadRequest }
  /** The measured window's start on the shared clock; `overtime` is set to 0 when the last task has ended. */
  | { readonly kind: "start-tasks"; readonly sharedMs: number; readonly overtime: Int32Array };

export type TaskReply =
  | { readonly kind: "prepared" }
  | {
      readonly kind: "tasks";
      readonly results: readonly TaskResult[];
      /** After the window's end, in milliseconds; 0 when the last task ended before. */
      readonly overtimeMs: number;
    };

let prepared: ReturnType<typeof prepareTasks> | undefined;

parentPort?.on("message", (command: TaskCommand) => {
  void answerWith(follow(command));
});

async function follow(command: TaskCommand): Promise<TaskReply> {
  if (command.kind === "prepare-tasks") {
    prepared = prepareTasks(command.request);
    return { kind: "prepared" };
  }
  const doTasks = prepared;
  prepared = undefined;
  if (!doTasks) throw new Error("the task thread was started before it was prepared");
  try {
    return { kind: "tasks", ...(await doTasks(localTime(command.sharedMs))) };
  } finally {
    Atomics.store(command.overtime, 0, 0);
  }
}
