/** How much of the machine's CPU bulk work takes while it runs: once that is all of it, more threads only take turns. */
import type { MetricValues, Sample } from "../../core/sample.ts";
import { formatRatio } from "../../core/units.ts";

/** What a window tells beside its metrics. */
export interface WindowUse {
  /** Sent in the window; the CPU time a request is what was used over these and those of warm-up and overtime. */
  readonly requests: number;
  readonly windowMs: number;
  readonly warmupMs: number;
  /** What went on after the window's end until a task had ended. */
  readonly overtimeMs: number;
  /** For how long tasks were under way; they begin with the window. */
  readonly taskMs: number;
  /** Cores that the generator of the load used. */
  readonly generatorCores: number;
  /** Share of the machine that others used. */
  readonly foreignShare: number;
}

export interface CpuQuestion {
  readonly metrics: MetricValues;
  readonly use: WindowUse;
  readonly cores: number;
  /** Rate of the windows over what the service completes at most; undefined where that is not known. */
  readonly ofSaturation: number | undefined;
}

/** Above this share, more threads only take turns. */
const SATURATED = 0.9;
/** Of tasks that take less of the window than this, its CPU time says nothing. */
const TASK_SHARE_LEAST = 0.05;

export function windowUse({ load }: Sample, warmupMs: number): WindowUse {
  return {
    requests: load.requests,
    windowMs: load.windowMs,
    warmupMs,
    overtimeMs: finite(load.overtimeMs),
    taskMs: (load.tasks ?? [])
      .flatMap((task) => task.durationsMs)
      .reduce((sum, each) => sum + finite(each), 0),
    generatorCores: finite(load.generator.cpuShare),
    foreignShare: finite(load.host?.foreignShare),
  };
}

/**
 * Share of all cores, 0 to 1, in use while tasks were under way; undefined where CPU was not measured. A lower bound: the CPU time of a
 * window is that of its tasks and that of the requests beside them, and for the time without tasks no less is taken off than the
 * requests can have used: all of the machine at saturation, and in proportion below it. Of the generator and of others, the window's mean.
 */
export function cpuShareOf({ metrics, use, cores, ofSaturation }: CpuQuestion): number | undefined {
  const { "service.cpuMsPerRequest": service, "db.cpuMsPerRequest": database = 0 } = metrics;
  const { requests, windowMs, warmupMs, overtimeMs, taskMs } = use;
  if (service === undefined || requests === 0 || windowMs <= 0) return undefined;
  const cpuMs = (service + database) * requests * (1 + (warmupMs + overtimeMs) / windowMs);
  const elapsedMs = warmupMs + Math.max(windowMs + overtimeMs, taskMs);
  const mean = cpuMs / elapsedMs;
  const beside = Math.min(mean, ofSaturation === undefined ? mean : cores * ofSaturation);
  const during =
    taskMs < TASK_SHARE_LEAST * windowMs ? mean : (cpuMs - beside * (elapsedMs - taskMs)) / taskMs;
  return Math.min(1, (Math.max(mean, during) + use.generatorCores) / cores + use.foreignShare);
}

export function isSaturated(share: number | undefined): boolean {
  return share !== undefined && share >= SATURATED;
}

/** What the window says of the machine's CPU: `at least 96.0 % of 2 cores in use while a task ran`. */
export function cpuFacts(share: number | undefined, cores: number): string {
  return share === undefined
    ? `${cores} cores; how busy they are was not measured`
    : `at least ${formatRatio(share)} of ${cores} cores in use while a task ran`;
}

function finite(value: number | undefined): number {
  return value !== undefined && Number.isFinite(value) ? value : 0;
}
