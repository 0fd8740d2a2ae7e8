/** Words that the readers of traces share. */

/** `20 million`, `5.3 million`, `12000`. */
export function formatCount(count: number): string {
  if (count < 1_000_000) return String(count);
  return `${Number((count / 1_000_000).toPrecision(3))} million`;
}
