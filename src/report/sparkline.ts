/** A series as a line of blocks, for tables in a terminal and in Markdown. */

const BLOCKS = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;
const BLOCKS_MOST = 40;

/** At most 40 blocks, each the mean of the values in it; an arrow stands before the block in which a new level begins. */
export function sparkline(values: readonly number[], changes: readonly number[]): string {
  const count = Math.min(BLOCKS_MOST, values.length);
  const starts = Array.from({ length: count + 1 }, (_, index) =>
    Math.round((index * values.length) / count),
  );
  const means = starts
    .slice(0, -1)
    .map((from, index) => meanOf(values.slice(from, starts[index + 1])));
  const least = Math.min(...means);
  const spread = Math.max(...means) - least;
  return means
    .map((mean, index) => {
      const step = spread === 0 ? 0 : Math.round(((mean - least) / spread) * (BLOCKS.length - 1));
      const from = starts[index] ?? 0;
      const to = starts[index + 1] ?? values.length;
      const begins = changes.some((change) => change >= from && change < to);
      return `${begins ? arrow(mean, means[index - 1]) : ""}${BLOCKS[step] ?? ""}`;
    })
    .join("");
}

function arrow(mean: number, before: number | undefined): string {
  return before !== undefined && mean < before ? "↓" : "↑";
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
