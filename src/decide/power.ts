/** The least gain that a trial can be expected to prove. */
import { studentQuantile } from "./distribution.ts";
import { looksFor } from "./sequential.ts";

/** The usual power of planning (Cohen, Statistical Power Analysis, 1988): proven 4 times in 5. */
export const POWER = 0.8;

/**
 * The true gain that the last look of a trial proves with 80 % power, for pairs that vary by `spread` (one standard deviation
 * of the gains). The t quantiles are added, the usual approximation of the non-central t.
 */
export function detectableGain(spread: number, pairsMax: number): number {
  const last = looksFor(pairsMax).at(-1);
  if (!last) throw new Error("a trial has at least one look");
  const errors = last.efficacyT + studentQuantile(1 - POWER, pairsMax - 1);
  return (errors * spread) / Math.sqrt(pairsMax);
}
