/** Two knobs that were searched together, as a grid of what each combination gave: how one's best depends on the other. */
import type { Knob } from "../../core/knob.ts";
import { metricOf, type MetricId } from "../../core/metric.ts";
import { cite, countOf, formatKnobValue, formatMetric } from "../format.ts";
import { valuesAt } from "../lines.ts";
import { blocks, code, table } from "../markdown-text.ts";
import type { PhaseSummary } from "../phases.ts";
import type { Summary } from "../summary.ts";
import { metricValue } from "../windows.ts";

type Knobs = readonly [string, string];

/** One window. */
interface Point {
  readonly seq: number;
  readonly settings: readonly [number, number];
  readonly value: number;
}

interface Grid {
  readonly points: readonly Point[];
  /** Probes of these two that changed yet another knob: they belong into no cell. */
  readonly elsewhere: number;
}

/** Undefined where no two numeric knobs were probed at two values each or more, together. */
export function gridText(phase: PhaseSummary, summary: Summary): string | undefined {
  const { objective } = phase;
  if (objective === undefined) return undefined;
  return blocks(
    pairsOfKnobs(phase).map((knobs) => {
      const grid = gridOf(phase, summary, knobs, objective);
      return isGrid(grid) ? written(grid, knobs, objective, summary.knobs) : undefined;
    }),
  );
}

/** Every two knobs that some probe set at once, in the order met. */
function pairsOfKnobs({ probes }: PhaseSummary): readonly Knobs[] {
  const found = new Map<string, Knobs>();
  for (const { event } of probes) {
    const ids = event.changes.flatMap((change) =>
      change.kind === "set-knob" && typeof change.to === "number" ? [change.knob] : [],
    );
    for (const [index, first] of ids.entries())
      for (const second of ids.slice(index + 1)) {
        const sorted: Knobs = first < second ? [first, second] : [second, first];
        if (!found.has(sorted.join("\n"))) found.set(sorted.join("\n"), sorted);
      }
  }
  return [...found.values()];
}

function gridOf(phase: PhaseSummary, summary: Summary, knobs: Knobs, metric: MetricId): Grid {
  const points: Point[] = [];
  let elsewhere = 0;
  for (const { seq, event } of [...phase.observations, ...phase.probes]) {
    const changes = event.type === "probed" ? event.changes : [];
    // Another load says nothing of this grid.
    if (event.type === "probed" && event.load !== undefined) continue;
    const touches = changes.some((change) => isOf(knobs, change));
    if (changes.some((change) => !isOf(knobs, change))) {
      if (touches) elsewhere += 1;
      continue;
    }
    const values: Record<string, unknown> = {
      ...valuesAt(summary.start.event.baselineValues, summary.entries, seq),
      ...Object.fromEntries(
        changes.flatMap((change) =>
          change.kind === "set-knob" ? [[change.knob, change.to] as const] : [],
        ),
      ),
    };
    const [first, second] = [values[knobs[0]], values[knobs[1]]];
    const value = event.sample.valid ? metricValue(event.sample, metric) : undefined;
    if (typeof first === "number" && typeof second === "number" && value !== undefined)
      points.push({ seq, settings: [first, second], value });
  }
  return { points, elsewhere };
}

function isOf(knobs: Knobs, change: { readonly kind: string; readonly knob?: string }): boolean {
  return change.kind === "set-knob" && change.knob !== undefined && knobs.includes(change.knob);
}

function isGrid({ points }: Grid): boolean {
  return ([0, 1] as const).every(
    (axis) => new Set(points.map(({ settings }) => settings[axis])).size >= 2,
  );
}

function written(
  { points, elsewhere }: Grid,
  [rows, columns]: Knobs,
  metric: MetricId,
  knobs: readonly Knob[],
): string {
  const knobOf = (id: string) => knobs.find((each) => each.id === id);
  const valuesOf = (axis: 0 | 1) =>
    [...new Set(points.map(({ settings }) => settings[axis]))].toSorted((a, b) => a - b);
  const { title, better } = metricOf(metric);
  const values = points.map(({ value }) => value);
  const best = better === "lower" ? Math.min(...values) : Math.max(...values);
  const others =
    elsewhere > 0
      ? ` ${countOf(elsewhere, "probe")} of them changed other knobs too: left out.`
      : "";
  return blocks([
    `${code(rows)} (down) and ${code(columns)} (across), searched together: ${title} of single windows, the best in bold (${cite(points.map(({ seq }) => seq))}).${others} A dash: not probed.`,
    table(
      [
        `${code(rows)} \\ ${code(columns)}`,
        ...valuesOf(1).map((value) => formatKnobValue(knobOf(columns), value)),
      ],
      valuesOf(0).map((row) => [
        formatKnobValue(knobOf(rows), row),
        ...valuesOf(1).map((column) =>
          cellText(
            points.filter(({ settings }) => settings[0] === row && settings[1] === column),
            metric,
            best,
          ),
        ),
      ]),
    ),
  ]);
}

function cellText(points: readonly Point[], metric: MetricId, best: number): string {
  if (points.length === 0) return "-";
  return points
    .map(({ value }) => {
      const text = formatMetric(metric, value);
      return value === best ? `**${text}**` : text;
    })
    .join(", ");
}
