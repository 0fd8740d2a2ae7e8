/** Mean, spread and median of a short list of numbers. */

export interface Moments {
  readonly count: number;
  readonly mean: number;
  /** Of the mean, from the sample standard deviation (n - 1); needs two numbers. */
  readonly standardError: number;
}

export function momentsOf(values: readonly number[]): Moments {
  const count = values.length;
  const mean = sum(values) / count;
  const squares = sum(values.map((value) => (value - mean) ** 2));
  return { count, mean, standardError: Math.sqrt(squares / (count - 1) / count) };
}

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  if (sorted.length % 2 === 1) return upper;
  return ((sorted[sorted.length / 2 - 1] ?? Number.NaN) + upper) / 2;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
