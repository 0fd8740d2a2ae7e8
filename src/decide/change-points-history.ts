/** The series of a history: runs that were measured alike, metric by metric, with the change points of each. */
import type {
  HistoryChange,
  HistoryGroup,
  HistoryRecord,
  HistorySeries,
  SeriesKey,
} from "../core/history.ts";
import { metricOf } from "../core/metric.ts";
import { changePoints, valuesNeeded, type FoundChange } from "./change-points.ts";
import { endpointValue } from "./compare-endpoints.ts";
import { conditionDifferences } from "./compare-conditions.ts";

export interface HistoryRequest {
  readonly series: readonly SeriesKey[];
  /** Only the latest so many runs of each group. */
  readonly last?: number;
  /** Of metrics compared as ratios: smaller changes are left out. 0.01 is 1 %. */
  readonly changeMin: number;
}

/** The group that was measured last comes first. Records have to be in the order of measuring. */
export function seriesOf(
  records: readonly HistoryRecord[],
  request: HistoryRequest,
): readonly HistoryGroup[] {
  const groups: HistoryRecord[][] = [];
  for (const record of records) {
    const group = groups.find(([first]) => first !== undefined && isAlike(first, record));
    if (group) group.push(record);
    else groups.push([record]);
  }
  return groups
    .map((group) => (request.last === undefined ? group : group.slice(-request.last)))
    .toSorted((a, b) => latest(b) - latest(a))
    .map((group) => groupOf(group, request));
}

function isAlike(a: HistoryRecord, b: HistoryRecord): boolean {
  return conditionDifferences(a, b).every(({ alongSeries }) => alongSeries);
}

function latest(group: readonly HistoryRecord[]): number {
  return Date.parse(group.at(-1)?.startedAt ?? "");
}

function groupOf(records: readonly HistoryRecord[], request: HistoryRequest): HistoryGroup {
  const last = records.at(-1);
  if (!last) throw new RangeError("a group has at least one run");
  const { target, workload, scale, load, environment } = last;
  return {
    target,
    workload,
    ...(scale === undefined ? {} : { scale }),
    load,
    environment,
    runs: records.length,
    unusable: records.filter(({ windows, limit }) => windows.valid === 0 && !limit).length,
    series: request.series.flatMap((key) => oneSeries(key, records, request.changeMin) ?? []),
  };
}

/** Undefined when no run has the metric. */
function oneSeries(
  key: SeriesKey,
  records: readonly HistoryRecord[],
  changeMin: number,
): HistorySeries | undefined {
  const measured = records.flatMap((record) => {
    const value = valueOf(record, key);
    return value === undefined || !Number.isFinite(value) ? [] : [{ record, value }];
  });
  if (measured.length === 0) return undefined;
  const { compare } = metricOf(key.metric);
  const found = changePoints(
    measured.map(({ value }) => value),
    { compare, magnitudeMin: compare === "ratio" ? changeMin : 0 },
  );
  const runs = measured.map(({ record }) => record);
  const needed = valuesNeeded();
  return {
    ...key,
    points: measured.map(({ record: { startedAt, side }, value }) => ({ startedAt, side, value })),
    changes: found.map((change) => changeOf(key, change, runs)),
    ...(measured.length < needed ? { needed } : {}),
  };
}

function valueOf(record: HistoryRecord, { metric, endpoint }: SeriesKey): number | undefined {
  if (endpoint === undefined) return record.metrics[metric]?.value;
  const found = record.endpoints.find(({ name }) => name === endpoint);
  return found && endpointValue(found, metric);
}

function changeOf(
  { metric }: SeriesKey,
  { index, before, after, p }: FoundChange,
  runs: readonly HistoryRecord[],
): HistoryChange {
  const { better, compare } = metricOf(metric);
  const [last, first] = [runs[index - 1], runs[index]];
  const differences = last && first ? conditionDifferences(last, first) : [];
  return {
    index,
    before,
    after,
    change: compare === "ratio" ? after / before : after - before,
    p,
    reading: after > before === (better === "lower") ? "regression" : "improvement",
    also: differences.map(({ what, a, b }) => `${what} ${a} -> ${b}`),
  };
}
