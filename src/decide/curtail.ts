/** Whether the pairs that are left could still prove a gain: a trial that cannot end well ends early. */
import type { Moments } from "./moments.ts";
import { normalTail } from "./distribution.ts";
import type { Look } from "./sequential.ts";

/** Below this chance the rest of the trial is not worth its time. */
export const HOPE_LEAST = 0.1;
/** The gain that the rest is credited with lies so many standard errors above what was seen: the doubt is the candidate's. */
const OPTIMISM_ERRORS = 1;

/**
 * The chance that a trial ends beyond its last look's efficacy bound, if the true gain is as good as these pairs allow.
 * Conditional power (Lan, Simon and Halperin, Stochastically curtailed tests, Communications in Statistics C 1, 1982), with the
 * normal for the t distribution. Stopping by it can only lose keeps, never add one, so it does not touch the error of keeping.
 */
export function hopeOf(gains: Moments, last: Pick<Look, "pairs" | "efficacyT">): number {
  const { count, mean, standardError } = gains;
  const left = last.pairs - count;
  if (!(standardError > 0) || left <= 0) return 1;
  const spread = standardError * Math.sqrt(count);
  const seen = (mean / spread) * count;
  const drift = (mean + OPTIMISM_ERRORS * standardError) / spread;
  const needed = last.efficacyT * Math.sqrt(last.pairs);
  return normalTail((needed - seen - drift * left) / Math.sqrt(left));
}
