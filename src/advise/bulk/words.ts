/** Searches over several settings, in words: every single window with what it measured, or why it does not count. */
import type { Probed } from "../concurrency/probed.ts";
import type { Values } from "../concurrency/search.ts";
import { formatQuantity, metricOf } from "../../core/metric.ts";
import type { MetricId } from "../../core/metric.ts";
import type { Past } from "../../core/observation.ts";
import type { Sample } from "../../core/sample.ts";
import { formatBytes, formatChange } from "../../core/units.ts";

type Probe = Extract<Past, { kind: "probe" }>;

export interface WindowsQuestion {
  readonly objective: MetricId;
  /** Ids of the knobs, in the order in which they are written, and what to call them. */
  readonly knobs: readonly { readonly id: string; readonly bytes?: boolean }[];
  /** The present setting, and what its window measured. */
  readonly present: Values;
  readonly observed: number | undefined;
  readonly probes: readonly Probe[];
  readonly refusal: (sample: Sample) => string | undefined;
}

/** `single windows, bulk records/s by batch-size x batch-parallel: 100 x 1: 8500/s; 500 x 2: not usable (API p95 +40.0 %, ...)`. */
export function windowsInWords(question: WindowsQuestion): string {
  const { knobs, objective, present, observed, probes, refusal } = question;
  const { title, unit } = metricOf(objective);
  const written = (values: Values) =>
    knobs
      .map(({ id, bytes }) => {
        const value = values[id] ?? present[id] ?? 0;
        return bytes === true ? formatBytes(value) : String(value);
      })
      .join(" x ");
  const quantity = (value: number | undefined) =>
    value === undefined ? "not measured" : formatQuantity(unit, value);
  const rest = probes.map(({ changes, sample }) => {
    const values = Object.fromEntries(
      changes.flatMap((change) =>
        change.kind === "set-knob" && typeof change.to === "number"
          ? [[change.knob, change.to]]
          : [],
      ),
    );
    const because = refusal(sample);
    const value = quantity(sample.metrics[objective]);
    return `${written(values)}: ${because === undefined ? value : `not usable (${because})`}`;
  });
  const names = knobs.map(({ id }) => id).join(" x ");
  return `single windows, ${title} by ${names}: ${[`${written(present)}: ${quantity(observed)}`, ...rest].join("; ")}`;
}

/** What became of a value that the strategy presets, where its single window was worse than the present setting's. */
export function presetInWords(
  { measured }: Probed,
  { objective, knob, preset }: { objective: MetricId; knob: string; preset: number },
  cores: number,
): readonly string[] {
  const [present] = measured;
  const tried = measured.find(
    ({ values }) => values[knob] === preset && isOnlyChange(present?.values, values, knob),
  );
  const [before, now] = [present?.metric, tried?.metric];
  const from = present?.values[knob];
  if (before === undefined || now === undefined || before <= 0 || from === preset) return [];
  const { better, title } = metricOf(objective);
  const isWorse = better === "lower" ? now > before : now < before;
  if (!isWorse) return [];
  return [
    `the preset of ${preset} for ${knob} loses to the present ${from} on ${cores} cores: ${title} ${formatChange(now / before)} in its window`,
  ];
}

function isOnlyChange(present: Values | undefined, values: Values, knob: string): boolean {
  return Object.keys(values).every((id) => id === knob || values[id] === present?.[id]);
}

/** From which values on settings fell off a cliff, where a search met one. */
export function boundaryInWords({ step }: Probed): readonly string[] {
  if (step.kind !== "best" || !step.boundary) return [];
  return step.boundary.map(
    ({ knob, value }) =>
      `${knob} of ${value} fell off a cliff: nothing at or beyond it is chosen, and a distance is kept from it`,
  );
}
