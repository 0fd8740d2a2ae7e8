/** A histogram of ages in steps of a sixteenth of a doubling: enough for a median, in constant space. */

export interface Ages {
  readonly counts: Float64Array;
  total: number;
}

const STEPS = 16;
/** Up to 2^45 ms, a thousand years. */
const BINS = 45 * STEPS;

export function createAges(): Ages {
  return { counts: new Float64Array(BINS), total: 0 };
}

export function addAge(ages: Ages, ageMs: number): void {
  const bin = ageMs <= 1 ? 0 : Math.min(BINS - 1, Math.floor(Math.log2(ageMs) * STEPS));
  ages.counts[bin] = (ages.counts[bin] ?? 0) + 1;
  ages.total += 1;
}

/** Undefined without any. */
export function medianAge(ages: Ages): number | undefined {
  if (ages.total === 0) return undefined;
  let left = ages.total / 2;
  for (let bin = 0; bin < BINS; bin += 1) {
    left -= ages.counts[bin] ?? 0;
    if (left <= 0) return 2 ** ((bin + 0.5) / STEPS);
  }
  return undefined;
}
