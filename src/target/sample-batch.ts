/** What a window's bulk work came to, and the memory that the service took for it (pure). */
import type { MetricId } from "../core/metric.ts";
import type { LoadResult, TaskResult } from "../core/sample.ts";
import type { SeriesMap } from "../core/target-file.ts";
import type { TaskKind } from "../core/workload.ts";
import { grown, serviceCpu, type Measured } from "./differences.ts";
import { histogramGrown, quantileOf } from "./histograms.ts";
import { mean, share, times } from "./shares.ts";

type Values = Partial<Record<MetricId, number | undefined>>;

/** Of tasks that were done with success; a kind of which there was none has no metric. */
export function batchMetrics({ tasks = [] }: Pick<LoadResult, "tasks">): Values {
  const ingests = ofKind(tasks, "ingest");
  const reports = ofKind(tasks, "report");
  return {
    "batch.recordsPerSecond": share(total(ingests, "records"), secondsOf(ingests)),
    // Each question counts as much as the others, however often it was asked.
    "batch.aggregateQueryMs": mean(
      ofKind(tasks, "query").map(({ durationsMs }) => mean(durationsMs)),
    ),
    "batch.reportMs": mean(reports.flatMap(({ durationsMs }) => durationsMs)),
    "batch.reportBytesPerSecond": share(total(reports, "responseBytes"), secondsOf(reports)),
  };
}

export function memoryMetrics(measured: Measured): Values {
  const { polls, residentPolls = [] } = measured;
  // Of processes that do not do the work, the memory says nothing either.
  const known = "cpuMs" in serviceCpu(measured) && residentPolls.length > 0;
  const pauses = histogramGrown(
    measured.before.histograms.one.gcPauseSeconds,
    measured.after.histograms.one.gcPauseSeconds,
  );
  return {
    "service.memoryPeakBytes": known ? Math.max(...residentPolls) : undefined,
    "service.heapUsedBytes": mean(polls.map(({ heapUsedBytes }) => heapUsedBytes)),
    "service.nonHeapBytes": mean(polls.map(({ nonHeapBytes }) => nonHeapBytes)),
    "service.gcPerMinute": perMinute(measured, "gcCount"),
    "service.gcMajorPerMinute": perMinute(measured, "gcMajorCount"),
    "service.gcPauseP99Ms": times(quantileOf(pauses, 0.99), 1000),
  };
}

function perMinute({ before, after }: Measured, key: keyof SeriesMap): number | undefined {
  return share(grown(before.series[key], after.series[key]), (after.atMs - before.atMs) / 60_000);
}

function ofKind(tasks: readonly TaskResult[], kind: TaskKind): readonly TaskResult[] {
  return tasks.filter((task) => task.kind === kind && task.durationsMs.length > 0);
}

function total(tasks: readonly TaskResult[], key: "records" | "responseBytes"): number {
  return tasks.reduce((sum, task) => sum + task[key], 0);
}

function secondsOf(tasks: readonly TaskResult[]): number {
  const ms = tasks.flatMap(({ durationsMs }) => durationsMs).reduce((sum, each) => sum + each, 0);
  return ms / 1_000;
}
