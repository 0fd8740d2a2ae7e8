/** Measured windows of one block of the journal: paired, valid ones apart from invalid ones, read metric by metric. */
import type { Entry } from "../core/event.ts";
import type { MetricId } from "../core/metric.ts";
import type { LoadResult, Sample } from "../core/sample.ts";
import type { Role } from "../core/trial.ts";

interface Window {
  readonly seq: number;
  readonly pair: number;
  readonly role: Role;
  readonly order: "incumbent-first" | "candidate-first";
  readonly sample: Sample;
}

/** Both windows of a pair, both valid. */
interface MeasuredPair {
  readonly pair: number;
  readonly order: Window["order"];
  readonly incumbent: Window;
  readonly candidate: Window;
}

export interface Block {
  /** Every window of the block, in the journal's order. */
  readonly windows: readonly Window[];
  /** The complete pairs: what effects are made of. */
  readonly pairs: readonly MeasuredPair[];
  /** Windows that failed a validity check: shown, never averaged in. */
  readonly invalid: readonly Window[];
}

/** A metric over several windows: median, least and greatest, with the journal lines it comes from. */
export interface Reading {
  readonly median: number;
  readonly least: number;
  readonly greatest: number;
  readonly values: readonly number[];
  readonly seqs: readonly number[];
  /** Shown instead of the median, where that alone would say too much: `300 or more`. */
  readonly words?: string;
}

export interface PairValues {
  readonly pair: number;
  readonly order: Window["order"];
  readonly incumbent: number;
  readonly candidate: number;
  readonly seqs: readonly number[];
}

/** The windows of a block between two journal positions (`after` excluded, `before` excluded). */
export function blockOf(
  entries: readonly Entry[],
  block: string,
  after = -Infinity,
  before = Infinity,
): Block {
  const windows: Window[] = [];
  for (const { seq, event } of entries) {
    if (event.type !== "sampled" || event.block !== block || seq <= after || seq >= before)
      continue;
    const { pair, role, order, sample } = event;
    windows.push({ seq, pair, role, order, sample });
  }
  return {
    windows,
    pairs: completePairs(windows),
    invalid: windows.filter((window) => !window.sample.valid),
  };
}

export function metricValue(sample: Sample, metric: MetricId): number | undefined {
  const value = sample.metrics[metric];
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** Of every complete pair in which both arms have the metric. */
export function pairValues(block: Block, metric: MetricId): readonly PairValues[] {
  return block.pairs.flatMap(({ pair, order, incumbent, candidate }) => {
    const before = metricValue(incumbent.sample, metric);
    const after = metricValue(candidate.sample, metric);
    if (before === undefined || after === undefined) return [];
    return [
      { pair, order, incumbent: before, candidate: after, seqs: [incumbent.seq, candidate.seq] },
    ];
  });
}

export function readArm(block: Block, role: Role, metric: MetricId): Reading | undefined {
  const values = pairValues(block, metric);
  return readingOf(
    values.map((each) => each[role]),
    values.flatMap((each) => each.seqs),
  );
}

/** One arm alone: a tier that the other arm does not have is measured here all the same. */
export function readOneArm(block: Block, role: Role, metric: MetricId): Reading | undefined {
  const found = block.pairs.flatMap((pair) => {
    const value = metricValue(pair[role].sample, metric);
    return value === undefined ? [] : [{ value, seq: pair[role].seq }];
  });
  return readingOf(
    found.map(({ value }) => value),
    found.map(({ seq }) => seq),
  );
}

/** Both arms of an A/A block together, since both ran the same state. */
export function readBothArms(block: Block, metric: MetricId): Reading | undefined {
  const values = pairValues(block, metric);
  return readingOf(
    values.flatMap((each) => [each.incumbent, each.candidate]),
    values.flatMap((each) => each.seqs),
  );
}

/** One figure of the load engine over the complete pairs of one arm. */
export function readLoad(
  block: Block,
  role: Role,
  figure: (load: LoadResult) => number | undefined,
): Reading | undefined {
  const found = block.pairs.flatMap((pair) => {
    const value = figure(pair[role].sample.load);
    return value !== undefined && Number.isFinite(value) ? [{ value, seq: pair[role].seq }] : [];
  });
  return readingOf(
    found.map((each) => each.value),
    found.map((each) => each.seq),
  );
}

export function readingOf(values: readonly number[], seqs: readonly number[]): Reading | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const least = sorted[0];
  const greatest = sorted.at(-1);
  if (least === undefined || greatest === undefined) return undefined;
  return { median: medianOfSorted(sorted), least, greatest, values, seqs };
}

function medianOfSorted(sorted: readonly number[]): number {
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}

/** A pair that was measured again counts with its last windows only. */
function completePairs(windows: readonly Window[]): readonly MeasuredPair[] {
  const last = new Map<number, { incumbent?: Window; candidate?: Window }>();
  for (const window of windows)
    last.set(window.pair, { ...last.get(window.pair), [window.role]: window });
  return [...last].flatMap(([pair, { incumbent, candidate }]) =>
    incumbent?.sample.valid === true && candidate?.sample.valid === true
      ? [{ pair, order: candidate.order, incumbent, candidate }]
      : [],
  );
}
