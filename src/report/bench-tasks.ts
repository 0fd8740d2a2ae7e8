/** The bulk work of a bench's windows: what each task took, and how much of it there was. */
import type { BenchWindow } from "../core/result.ts";
import type { TaskResult } from "../core/sample.ts";
import type { TaskKind } from "../core/workload.ts";
import { formatBytes, formatDuration, significant } from "../core/units.ts";
import { formatCount } from "./gate/words.ts";
import { table, type Block, type Cell } from "./outputs/document.ts";

/** Over the valid windows. */
export function tasksTable(windows: readonly BenchWindow[]): Block | undefined {
  const byName = new Map<string, TaskResult[]>();
  for (const task of windows.flatMap(({ valid, tasks = [] }) => (valid ? tasks : []))) {
    byName.set(task.name, [...(byName.get(task.name) ?? []), task]);
  }
  return table(
    ["task", "kind", "done", "failed", "mean", "fastest", "slowest", "throughput"],
    [...byName].map(([name, results]) => taskRow(name, results)),
  );
}

function taskRow(name: string, results: readonly TaskResult[]): readonly Cell[] {
  const durationsMs = results.flatMap((each) => each.durationsMs);
  const sum = (key: "records" | "responseBytes" | "failed") =>
    results.reduce((total, each) => total + each[key], 0);
  const totalMs = durationsMs.reduce((total, each) => total + each, 0);
  const kind = results[0]?.kind ?? "query";
  const failed = formatCount(sum("failed"));
  const counted: readonly Cell[] = [
    { text: name, code: true },
    kind,
    formatCount(durationsMs.length),
    sum("failed") === 0 ? failed : { text: failed, tone: "bad" },
  ];
  if (durationsMs.length === 0) return [...counted, "-", "-", "-", "-"];
  return [
    ...counted,
    formatDuration(totalMs / durationsMs.length),
    formatDuration(Math.min(...durationsMs)),
    formatDuration(Math.max(...durationsMs)),
    THROUGHPUT[kind]((key) => (sum(key) * 1_000) / totalMs),
  ];
}

const THROUGHPUT: Readonly<
  Record<TaskKind, (perSecond: (key: "records" | "responseBytes") => number) => string>
> = {
  ingest: (perSecond) => `${significant(perSecond("records"))} records/s`,
  report: (perSecond) => `${formatBytes(perSecond("responseBytes"))}/s`,
  // A small answer to a large question.
  query: () => "-",
};
