/** The normal and Student's t distribution: tail areas and quantiles, exact enough for every bound used here. */

/** P(Z > z). Taylor series of Marsaglia, "Evaluating the Normal Distribution", J. Stat. Software 11(4), 2004. */
export function normalTail(z: number): number {
  if (z > 8) return 0;
  if (z < -8) return 1;
  let sum = z;
  let term = z;
  for (let odd = 3; Math.abs(term) > 1e-17 * Math.abs(sum); odd += 2) {
    term *= (z * z) / odd;
    sum += term;
  }
  return 0.5 - sum * normalDensity(z);
}

export function normalDensity(z: number): number {
  return Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI);
}

/**
 * P(T > t) for a whole number of degrees of freedom: the finite sums of Abramowitz and Stegun,
 * Handbook of Mathematical Functions, 26.7.3 (odd) and 26.7.4 (even).
 */
export function studentTail(t: number, degreesOfFreedom: number): number {
  if (t === Infinity) return 0;
  if (t === -Infinity) return 1;
  const angle = Math.atan(t / Math.sqrt(degreesOfFreedom));
  const cosine = Math.cos(angle);
  const odd = degreesOfFreedom % 2 === 1;
  let term = odd ? cosine : 1;
  let sum = degreesOfFreedom === 1 ? 0 : term;
  for (let k = odd ? 3 : 2; k < degreesOfFreedom; k += 2) {
    term *= (cosine * cosine * (k - 1)) / k;
    sum += term;
  }
  const within = odd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
  return (1 - within) / 2;
}

/** The t that leaves `tail` above it. */
export function studentQuantile(tail: number, degreesOfFreedom: number): number {
  return inverseTail((t) => studentTail(t, degreesOfFreedom), tail);
}

/** Bisection of a falling function: doubled until it is bracketed, then halved to the last bit that matters. */
function inverseTail(tailOf: (x: number) => number, tail: number): number {
  if (!(tail > 0 && tail < 1))
    throw new RangeError(`a tail area lies between 0 and 1, not ${tail}`);
  if (tail > 0.5) return -inverseTail(tailOf, 1 - tail);
  let low = 0;
  let high = 1;
  while (tailOf(high) > tail) {
    low = high;
    high *= 2;
  }
  while (high - low > 1e-12 * high) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (tailOf(middle) > tail) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
