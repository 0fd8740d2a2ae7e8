/** How a bench went over time: for loads that change, or that last. */
import type { BenchWindow } from "../core/result.ts";
import type { TimelinePoint } from "../core/sample.ts";
import { formatMetric } from "./format.ts";
import { formatCount, formatLength } from "./gate/words.ts";
import { table, type Block, type Cell } from "./outputs/document.ts";

const ROWS_MOST = 12;
const BARS = "▁▂▃▄▅▆▇█";
const NOTHING = "·";

/** One piece of the window, over all valid windows: medians. */
interface Piece {
  readonly atMs: number;
  readonly target: number;
  readonly requests: number;
  readonly errors: number;
  readonly p50Ms: number | undefined;
  readonly p95Ms: number | undefined;
}

/** Nothing when no valid window has a timeline. */
export function timelineBlocks(windows: readonly BenchWindow[]): readonly Block[] {
  const timelines = windows.flatMap(({ valid, timeline }) =>
    valid && timeline && timeline.length > 0 ? [timeline] : [],
  );
  const [first] = timelines;
  if (!first) return [];
  const pieces = first.map((point, index) => pieceOf(point, timelines, index));
  const drawn = table(
    ["", `${formatLength(first[0]?.atMs ?? 0)} to ${formatLength(endOf(first))}`],
    [
      ["load", { text: bars(pieces.map(({ target }) => target)), code: true }],
      ["API p95", { text: bars(pieces.map(({ p95Ms }) => p95Ms)), code: true }],
    ],
  );
  const rows = chosen(pieces).map(rowOf);
  const headers = ["from", "load", "requests", "errors", "API p50", "API p95"];
  return [drawn, table(headers, rows)].filter((block) => block !== undefined);
}

function endOf(timeline: readonly TimelinePoint[]): number {
  const last = timeline.at(-1);
  return last ? last.atMs + last.lengthMs : 0;
}

function pieceOf(
  { atMs, target }: TimelinePoint,
  timelines: readonly (readonly TimelinePoint[])[],
  index: number,
): Piece {
  const points = timelines.flatMap((timeline) => timeline[index] ?? []);
  return {
    atMs,
    target,
    requests: points.reduce((sum, each) => sum + each.requests, 0),
    errors: points.reduce((sum, each) => sum + each.errors, 0),
    p50Ms: medianOf(points.flatMap(({ latencyP50Ms }) => latencyP50Ms ?? [])),
    p95Ms: medianOf(points.flatMap(({ latencyP95Ms }) => latencyP95Ms ?? [])),
  };
}

function rowOf(piece: Piece): readonly Cell[] {
  return [
    formatLength(piece.atMs),
    formatCount(piece.target),
    formatCount(piece.requests),
    formatCount(piece.errors),
    formatMetric("api.latencyP50Ms", piece.p50Ms),
    formatMetric("api.latencyP95Ms", piece.p95Ms),
  ];
}

/** Evenly spread ones where there are many, and always the slowest. */
function chosen(pieces: readonly Piece[]): readonly Piece[] {
  if (pieces.length <= ROWS_MOST) return pieces;
  const step = pieces.length / (ROWS_MOST - 1);
  const slowest = pieces.reduce((worst, piece) =>
    (piece.p95Ms ?? 0) > (worst.p95Ms ?? 0) ? piece : worst,
  );
  return pieces.filter(
    (piece, index) =>
      piece === slowest || Math.floor(index / step) !== Math.floor((index - 1) / step),
  );
}

/** Heights from zero to the greatest; a dot where nothing was measured. */
function bars(values: readonly (number | undefined)[]): string {
  const most = Math.max(0, ...values.flatMap((value) => value ?? []));
  return values
    .map((value) => {
      if (value === undefined || !Number.isFinite(value)) return NOTHING;
      const height = most === 0 ? 0 : Math.round((value / most) * (BARS.length - 1));
      return BARS.charAt(height);
    })
    .join("");
}

function medianOf(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  return upper === undefined || lower === undefined ? undefined : (lower + upper) / 2;
}
