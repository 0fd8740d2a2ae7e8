/** Cache sizes to look at: each is larger than the one before by the same factor. */

/** Whole bytes, ascending, both ends included; fewer than `count` where two would be the same. Empty unless 0 < from <= to. */
export function logSizes(from: number, to: number, count: number): number[] {
  if (!(from > 0 && to >= from && Number.isFinite(to) && count >= 1)) return [];
  const last = Math.max(1, Math.floor(count) - 1);
  const sizes = Array.from({ length: last + 1 }, (_, step) =>
    Math.max(1, Math.round(from * (to / from) ** (step / last))),
  );
  return [...new Set(count < 2 ? [Math.max(1, Math.round(to))] : sizes)];
}
