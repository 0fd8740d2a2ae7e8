/** What the load engine saw of a window, as readings (pure). */
import { answersOf, isRefusal } from "../core/goodput.ts";
import type { Readings } from "../core/readings.ts";
import type { LoadResult, ValidityCheck } from "../core/sample.ts";

export function loadReadings(load: LoadResult): Readings {
  const check = (id: ValidityCheck["id"]) => load.checks.find((each) => each.id === id);
  const lag = check("generator-lag");
  const completed = check("rate-reached")?.value;
  const { pressureShare, stealShare, foreignShare } = load.host ?? {};
  const perSecond = load.requestsPerSecondReached;
  return {
    "load.requestsPerSecond": perSecond,
    ...(completed === undefined ? {} : { "load.completedShare": completed }),
    ...(load.requests === 0
      ? {}
      : {
          "load.errorRate": load.errors / load.requests,
          "load.refusedShare": answersOf(load, isRefusal) / load.requests,
        }),
    "load.latencyMeanMs": load.latency.meanMs,
    "load.latencyP50Ms": load.latency.p50Ms,
    "load.latencyP90Ms": load.latency.p90Ms,
    "load.latencyP95Ms": load.latency.p95Ms,
    "load.inFlight": (perSecond * load.latency.meanMs) / 1_000,
    ...(lag ? { "generator.lagOverLimit": lag.value / lag.limit } : {}),
    "generator.cpuShare": load.generator.cpuShare,
    ...optional("generator.littleDifference", check("littles-law")?.value),
    ...optional("machine.cpuPressure", pressureShare),
    ...optional("machine.stealShare", stealShare),
    ...optional("machine.foreignShare", foreignShare),
  };
}

function optional(id: keyof Readings, value: number | undefined): Readings {
  return value === undefined || !Number.isFinite(value) ? {} : { [id]: value };
}
