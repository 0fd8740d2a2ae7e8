/** The bulk work of windows: each task with how often it was done and how long it took. */
import { formatBytes, formatDuration, significant } from "../../core/units.ts";
import type { Sample, TaskResult } from "../../core/sample.ts";
import type { Role } from "../../core/trial.ts";
import { abbreviated, countOf, NOT_MEASURED } from "../format.ts";
import { blocks, list, plain, table } from "../markdown-text.ts";
import type { Summary } from "../summary.ts";
import { readingOf, type Block } from "../windows.ts";

/** Of the confirmation: undefined where no window had a task. */
export function tasksText({ confirmBlock }: Summary): string | undefined {
  const names = new Map(
    confirmBlock.pairs.flatMap(({ incumbent, candidate }) =>
      [incumbent, candidate].flatMap(({ sample }) =>
        (sample.load.tasks ?? []).map((task) => [task.name, task.kind] as const),
      ),
    ),
  );
  if (names.size === 0) return undefined;
  return blocks([
    "### By task",
    "Every completed task of each arm's windows, from its request to the last byte of its answer; no decision rests on them.",
    table(
      [
        "task",
        "kind",
        "done, before and after",
        "failed, before and after",
        "median before",
        "median after",
        "slowest before",
        "slowest after",
        "work of one",
      ],
      [...names].map(([name, kind]) => {
        const before = tasksOf(confirmBlock, "incumbent", name);
        const after = tasksOf(confirmBlock, "candidate", name);
        return [
          plain(name),
          kind,
          `${before.durationsMs.length}, ${after.durationsMs.length}`,
          `${before.failed}, ${after.failed}`,
          medianText(before.durationsMs),
          medianText(after.durationsMs),
          slowestText(before.durationsMs),
          slowestText(after.durationsMs),
          workText(after.durationsMs.length > 0 ? after : before),
        ];
      }),
    ),
  ]);
}

/** Of one observed window: undefined where it had no tasks. */
export function observedTasks({ load }: Sample): string | undefined {
  const { tasks } = load;
  if (tasks === undefined || tasks.length === 0) return undefined;
  return list(tasks.map((task) => `${plain(task.name)} (${task.kind}): ${taskWords(task)}`));
}

function taskWords(task: TaskResult): string {
  const { durationsMs, failed, failure } = task;
  const failures =
    failed === 0
      ? ""
      : `; ${failed} failed${failure === undefined ? "" : `, the first with: ${plain(failure)}`}`;
  if (durationsMs.length === 0) return `not completed once${failures}`;
  const range =
    durationsMs.length === 1
      ? `in ${medianText(durationsMs)}`
      : `median ${medianText(durationsMs)}, slowest ${slowestText(durationsMs)}`;
  return `done ${countOf(durationsMs.length, "time")}, ${range}, ${workText(task)} each${failures}`;
}

type Done = Pick<TaskResult, "durationsMs" | "records" | "responseBytes" | "failed">;

function tasksOf(block: Block, role: Role, name: string): Done {
  const found = block.pairs.flatMap((pair) =>
    (pair[role].sample.load.tasks ?? []).filter((task) => task.name === name),
  );
  const sum = (figure: (task: TaskResult) => number) =>
    found.reduce((total, task) => total + figure(task), 0);
  return {
    durationsMs: found.flatMap((task) => task.durationsMs),
    records: sum((task) => task.records),
    responseBytes: sum((task) => task.responseBytes),
    failed: sum((task) => task.failed),
  };
}

/** What one of them carried there, or brought back. */
function workText({ durationsMs, records, responseBytes }: Done): string {
  const count = durationsMs.length;
  if (count === 0) return NOT_MEASURED;
  if (records > 0) {
    const each = records / count;
    return `${each < 10_000 ? significantCount(each) : abbreviated(each)} records`;
  }
  return formatBytes(responseBytes / count);
}

function significantCount(value: number): string {
  return Number.isInteger(value) ? String(value) : significant(value);
}

function medianText(durationsMs: readonly number[]): string {
  const reading = readingOf(durationsMs, []);
  return reading ? formatDuration(reading.median) : NOT_MEASURED;
}

function slowestText(durationsMs: readonly number[]): string {
  const reading = readingOf(durationsMs, []);
  return reading ? formatDuration(reading.greatest) : NOT_MEASURED;
}
