/** The bulk work of a simulated window: what the load engine would say of tasks whose times are known. */
import type { WindowRequest } from "../src/core/ports.ts";
import type { TaskResult } from "../src/core/sample.ts";

/** As it would be without noise. */
export interface SimulatedTask extends Pick<TaskResult, "name" | "kind"> {
  readonly durationMs: number;
  readonly records?: number;
  readonly responseBytes?: number;
  /** 1 when absent. */
  readonly perWindow?: number;
}

export interface SimulatedTasks {
  readonly results: readonly TaskResult[];
  readonly overtimeMs: number;
}

/** In order, round and round; after the window's end only what is left of the first round. Undefined when none is asked for. */
export function simulateTasks(
  all: readonly SimulatedTask[],
  { tasks: asked, windowMs }: Pick<WindowRequest, "tasks" | "windowMs">,
): SimulatedTasks | undefined {
  const tasks = all.filter(({ name }) => asked === "all" || asked?.includes(name));
  if (tasks.length === 0) return undefined;
  const counts = new Map(tasks.map((task) => [task, 0]));
  let atMs = 0;
  for (
    let round = 0;
    round < Math.max(...tasks.map(({ perWindow = 1 }) => perWindow));
    round += 1
  ) {
    for (const task of tasks.filter(({ perWindow = 1 }) => round < perWindow)) {
      if (round > 0 && atMs >= windowMs) break;
      counts.set(task, (counts.get(task) ?? 0) + 1);
      atMs += task.durationMs;
    }
  }
  const results = tasks.map((task) => resultOf(task, counts.get(task) ?? 0));
  return { results, overtimeMs: Math.max(0, atMs - windowMs) };
}

function resultOf(task: SimulatedTask, done: number): TaskResult {
  const { name, kind, durationMs, records = 0, responseBytes = 0 } = task;
  return {
    name,
    kind,
    durationsMs: Array.from({ length: done }, () => durationMs),
    records: records * done,
    responseBytes: responseBytes * done,
    failed: 0,
  };
}
