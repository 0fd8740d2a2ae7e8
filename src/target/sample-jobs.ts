/** What goes on inside the service in a window, as far as it tells: its jobs, its threads, its workers (pure). */
import type { MetricId } from "../core/metric.ts";
import type { HistogramMap, SeriesMap } from "../core/target-file.ts";
import { grown, type Measured } from "./differences.ts";
import { histogramGrown, meanOf, quantileOf, type Histogram } from "./histograms.ts";
import { mean, share, times } from "./shares.ts";

type Values = Partial<Record<MetricId, number | undefined>>;

/** A p99 of fewer requests is one of the slowest few. */
const REQUESTS_FOR_P99_LEAST = 100;

export function jobMetrics(measured: Measured): Values {
  const { polls } = measured;
  const of = (key: keyof SeriesMap) => seriesGrown(measured, key);
  const [accepted, rejected] = [of("jobsAccepted"), of("jobsRejected")];
  const waiting = polls.flatMap(({ queueWaiting }) => queueWaiting ?? []);
  const p95 = (key: keyof HistogramMap) => times(quantileOf(grownOf(measured, key), 0.95), 1000);
  return {
    "queue.latencyP95Ms": p95("jobSeconds"),
    "queue.waitP95Ms": p95("jobWaitSeconds"),
    "queue.waitHighP95Ms": p95("jobWaitHighSeconds"),
    "queue.waitNormalP95Ms": p95("jobWaitNormalSeconds"),
    "queue.waitLowP95Ms": p95("jobWaitLowSeconds"),
    "queue.serviceMeanMs": times(meanOf(grownOf(measured, "jobServiceSeconds")), 1000),
    "queue.jobsPerSecond": share(of("jobsCompleted"), secondsOf(measured)),
    "queue.depthMean": mean(waiting),
    "queue.depthMax": waiting.length > 0 ? Math.max(...waiting) : undefined,
    "queue.rejectRatio":
      accepted === undefined || rejected === undefined
        ? undefined
        : share(rejected, accepted + rejected),
    "queue.failureRatio": share(of("jobAttemptsFailed"), of("jobAttempts")),
    "queue.deadLetters": of("jobsDead"),
  };
}

export function threadMetrics(measured: Measured): Values {
  const of = (key: keyof SeriesMap) => seriesGrown(measured, key);
  const { before, after } = measured;
  const switches = grown(before.service?.contextSwitches, after.service?.contextSwitches);
  const seconds = secondsOf(measured);
  return {
    "threads.efficiency": share(of("threadBusySeconds"), of("threadAliveSeconds")),
    "threads.alive": mean(measured.polls.map(({ threadsAlive }) => threadsAlive)),
    "threads.waitMs": times(share(of("threadWaitSecondsSum"), of("threadWaitCount")), 1000),
    "service.contextSwitchesPerSecond": share(switches, seconds),
    "service.gcShare": share(of("gcSeconds"), seconds),
    "service.gcPerSecond": share(of("gcCount"), seconds),
  };
}

/** Absent with fewer than two workers: one alone is always even. */
export function balanceMetrics({ before, after }: Measured): Values {
  const workers = [...after.histograms.byWorker].flatMap(
    ([worker, now]) => histogramGrown(before.histograms.byWorker.get(worker), now) ?? [],
  );
  if (workers.length < 2) return {};
  return {
    "balance.jainIndex": jainIndex(workers.map(({ count }) => count)),
    "balance.p99Spread": p99Spread(workers),
  };
}

/** 1 when all have the same, 1/n when one has all (Jain, Chiu, Hawe 1984). */
function jainIndex(amounts: readonly number[]): number | undefined {
  const sum = amounts.reduce((total, each) => total + each, 0);
  const squares = amounts.reduce((total, each) => total + each * each, 0);
  return share(sum * sum, amounts.length * squares);
}

function p99Spread(workers: readonly Histogram[]): number | undefined {
  if (workers.some(({ count }) => count < REQUESTS_FOR_P99_LEAST)) return undefined;
  const p99s = workers.flatMap((each) => quantileOf(each, 0.99) ?? []);
  return share(Math.max(...p99s), Math.min(...p99s));
}

function grownOf({ before, after }: Measured, key: keyof HistogramMap): Histogram | undefined {
  return histogramGrown(before.histograms.one[key], after.histograms.one[key]);
}

function seriesGrown({ before, after }: Measured, key: keyof SeriesMap): number | undefined {
  return grown(before.series[key], after.series[key]);
}

function secondsOf({ before, after }: Measured): number {
  return (after.atMs - before.atMs) / 1000;
}
