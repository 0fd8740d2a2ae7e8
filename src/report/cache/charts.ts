/** The charts of a cache advice, in the order in which they are read; one whose data is missing is left out. */
import type { CacheAdvice } from "../../core/cache-advice.ts";
import { hitRateChart } from "./hit-rate-chart.ts";
import { paretoChart } from "./pareto-chart.ts";
import { edgeChart, ttlChart } from "./ttl-chart.ts";

export interface CacheChart {
  /** Of a file, without its ending: `hit-rate-by-memory`. */
  readonly name: string;
  readonly title: string;
  readonly alt: string;
  readonly svg: string;
}

export function cacheAdviceCharts(advice: CacheAdvice): readonly CacheChart[] {
  return [hitRateChart(advice), paretoChart(advice), ttlChart(advice), edgeChart(advice)].filter(
    (chart) => chart !== undefined,
  );
}
