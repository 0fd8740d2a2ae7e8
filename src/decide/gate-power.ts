/** What a gate of so many pairs can be expected to see. */
import { studentQuantile } from "./distribution.ts";
import { FAIL_TOTAL, lastBound, PAIRS_LEAST, PASS_TOTAL } from "./gate-bounds.ts";
import { POWER } from "./power.ts";

/** Nobody waits for more pairs than this. */
const PAIRS_MOST = 1_000;

export interface Noise {
  /** Standard deviation of one pair's loss. */
  readonly spread: number;
  /** Metrics that share the error level. */
  readonly metrics: number;
}

/** The true loss that `pairs` pairs prove with 80 % power, with an estimate of at least `leastLoss`. Earlier looks change it little. */
export function detectableLoss(noise: Noise, pairs: number, leastLoss: number): number {
  const error = noise.spread / Math.sqrt(pairs);
  const bound = lastBound(FAIL_TOTAL / noise.metrics, pairs).errors;
  const doubt = studentQuantile(1 - POWER, pairs - 1);
  return Math.max(bound * error, leastLoss) + doubt * error;
}

/**
 * The least pairs that find a loss of `marginLoss` with 80 % power, and exclude it as often when there is none. Undefined
 * beyond 1,000.
 */
export function pairsToSee(
  noise: Noise,
  marginLoss: number,
  leastLoss: number,
): number | undefined {
  const suffice = (pairs: number) =>
    detectableLoss(noise, pairs, leastLoss) <= marginLoss &&
    excludedLoss(noise, pairs) <= marginLoss;
  if (!suffice(PAIRS_MOST)) return undefined;
  let [low, high] = [PAIRS_LEAST, PAIRS_MOST];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (suffice(middle)) high = middle;
    else low = middle + 1;
  }
  return high;
}

/** The loss that `pairs` pairs exclude with 80 % power when there is none. */
function excludedLoss({ spread }: Noise, pairs: number): number {
  const doubt = studentQuantile(1 - POWER, pairs - 1);
  return ((lastBound(PASS_TOTAL, pairs).errors + doubt) * spread) / Math.sqrt(pairs);
}
