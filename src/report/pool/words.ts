/** How the pool advice says N*, intervals and counts. */
import type { PoolAdvice, PoolInterval, PoolPoint, UslFit } from "../../core/pool-advice.ts";
import { significant } from "../../core/units.ts";

type Fitted = Extract<UslFit, { readonly kind: "fitted" }>;

/** `N* 9.76 (8.87 to 10.6)`; `no N*` for a curve that never turns down. */
export function peakInWords({ peak, peakInterval, extrapolated }: Fitted): string {
  if (peak === undefined) return "no N*";
  return `N* ${significant(peak)} (${intervalInWords(peakInterval)})${extrapolated ? ", extrapolated" : ""}`;
}

export function intervalInWords({ low, high }: PoolInterval): string {
  return `${low === undefined ? "not known" : significant(low)} to ${high === undefined ? "no end" : significant(high)}`;
}

export function sizesInWords(points: readonly PoolPoint[]): string {
  return points.length === 1 ? "1 size" : `${points.length} sizes`;
}

/** The pool as it is, counted as the sizes are. */
export function presentSize({ present, processes = 1 }: PoolAdvice): number | undefined {
  return present === undefined ? undefined : present * processes;
}
