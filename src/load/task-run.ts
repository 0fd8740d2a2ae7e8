/** The tasks of one window as the engine runs them: their thread prepared, started and given back, and what they add to a result. */
import type { LoadResult, TaskResult, ValidityCheck } from "../core/sample.ts";
import type { LoadRequest } from "./request.ts";
import { chosenTasks } from "./task-requests.ts";
import type { TasksDone } from "./tasks.ts";
import { askWorker, endWorkers, giveBackWorkers, takeWorkers, type Limits } from "./workers.ts";

export interface TaskRun {
  /** The most that tasks may go on after the window's end. */
  readonly overtimeMsMost: number;
  /** Not 0 while tasks are done, or are to be: for the threads that send. */
  readonly overtime: Int32Array;
  readonly prepare: (limits: Limits) => Promise<void>;
  /** `sharedMs`: the measured window's start on the shared clock. */
  readonly start: (sharedMs: number, limits: Limits) => Promise<TasksDone>;
  /** For the next window; `failed` ends the thread instead. */
  readonly close: (ending: "done" | "failed") => Promise<void>;
}

/** Undefined when no task was asked for. Throws bad-input for one that the workload lacks. */
export function openTaskRun(request: LoadRequest): TaskRun | undefined {
  const tasks = chosenTasks(request.workload, request.tasks);
  if (tasks.length === 0) return undefined;
  const workers = takeWorkers(1, "task-worker");
  const [worker] = workers;
  if (!worker) throw new Error("one thread was asked for");
  const overtime = new Int32Array(new SharedArrayBuffer(4));
  Atomics.store(overtime, 0, 1);
  return {
    overtimeMsMost: tasks.reduce((sum, { timeoutMs }) => sum + timeoutMs, 0),
    overtime,
    prepare: async (limits) => {
      await askWorker(worker, { kind: "prepare-tasks", request }, "prepared", limits);
    },
    start: async (sharedMs, limits) => {
      const command = { kind: "start-tasks", sharedMs, overtime } as const;
      const { results, overtimeMs } = await askWorker(worker, command, "tasks", limits);
      return { results, overtimeMs };
    },
    close: async (ending) => {
      if (ending === "done") giveBackWorkers(workers, "task-worker");
      else await endWorkers(workers);
    },
  };
}

export function withTasks(result: LoadResult, { results, overtimeMs }: TasksDone): LoadResult {
  return {
    ...result,
    tasks: results,
    overtimeMs,
    checks: [...result.checks, tasksDone(results)],
  };
}

/**
 * A window that lacks a task's time would be compared with one that has it; and of one that failed at times only the good ones would
 * count, while the service may still work on the others.
 */
function tasksDone(results: readonly TaskResult[]): ValidityCheck {
  const undone = results.filter(
    ({ durationsMs, failed }) => durationsMs.length === 0 || failed > 0,
  );
  return {
    id: "tasks-done",
    ok: undone.length === 0,
    value: undone.length,
    limit: 0,
    detail:
      undone.length === 0
        ? `each of the window's tasks was done: ${results.map(({ name, durationsMs }) => `${name} ${durationsMs.length} times`).join(", ")}`
        : `tasks that were not done: ${undone.map(undoneWords).join(", ")}`,
  };
}

function undoneWords({ name, durationsMs, failed, failure = "not begun" }: TaskResult): string {
  const often = durationsMs.length > 0 ? `, ${failed} of ${durationsMs.length + failed} times` : "";
  return `${name} (${failure}${often})`;
}
