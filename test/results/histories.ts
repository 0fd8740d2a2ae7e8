/** Results of runs on different days, as a history gets them. */
import type { BenchResult } from "../../src/core/result.ts";
import { benchResult } from "../report/bench-results.ts";

/** A run of a day, with one latency as median and windows around it. */
export function runOf(
  day: number,
  latencyMs: number,
  change: Partial<BenchResult> = {},
): BenchResult {
  const [window] = benchResult().windows;
  if (!window) throw new Error("the fixture has a window");
  return benchResult({
    startedAt: new Date(Date.UTC(2026, 0, 1 + day, 3)).toISOString(),
    side: { label: "main", commit: (0xa0_00_00_0 + day).toString(16) },
    metrics: { "api.latencyP95Ms": { value: latencyMs, windows: 3 } },
    windows: [0.98, 1, 1.02].map((factor) => ({
      ...window,
      metrics: { "api.latencyP95Ms": latencyMs * factor },
    })),
    ...change,
  });
}

/** A latency that wobbles by some per cent around a level, the same way for the same day. */
export function wobble(level: number, day: number): number {
  return level * (1 + 0.02 * Math.sin(day * 12.9898) + 0.01 * Math.cos(day * 78.233));
}
