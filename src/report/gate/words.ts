/** What is said alike of gates, self-tests and benches: sides, environment, windows, effects. */
import type { EnvironmentFacts } from "../../core/event.ts";
import type { CounterFinding, GateSide, GateWindow } from "../../core/gate.ts";
import type { MetricId } from "../../core/metric.ts";
import { metricNamed, sloShortNames } from "../../core/slo.ts";
import type { Effect } from "../../core/trial.ts";
import { formatBytes, formatRatio, significant } from "../../core/units.ts";
import { countOf, formatSetDuration, neat, NOT_MEASURED } from "../format.ts";
import { shortened } from "../outputs/document.ts";

const LABEL_CHARACTERS_MOST = 80;

/** `main (41d0c3e)`. */
export function sideInWords({ label, commit }: GateSide): string {
  const name = shortened(label, LABEL_CHARACTERS_MOST);
  return commit === undefined || commit === label ? name : `${name} (${commit})`;
}

export function nameOf(result: { readonly target: string; readonly workload: string }): string {
  return shortened(`${result.target}/${result.workload}`, LABEL_CHARACTERS_MOST);
}

/** The name of a metric as `--margin` and `--slo` take it. */
export function shortNameOf(metric: MetricId): string {
  return sloShortNames.find((name) => metricNamed(name) === metric) ?? metric;
}

export function environmentFacts(environment: EnvironmentFacts): readonly string[] {
  const { perfopt, node, platform, cpu, cores, memoryBytes, postgres, redis } = environment;
  return [
    `Machine: ${countOf(cores, "core")} of ${cpu}, ${formatBytes(memoryBytes)} of memory, ${platform}`,
    `Versions: perfopt ${perfopt}, Node ${node}, PostgreSQL ${postgres}, Redis ${redis}`,
  ];
}

/** How many windows could be used, of what length. */
export function windowsInWords(
  windows: readonly { readonly valid: boolean }[],
  { windowMs, warmupMs }: { readonly windowMs: number; readonly warmupMs: number },
): string {
  if (windows.length === 0) return "Windows: none was measured";
  const valid = windows.filter((window) => window.valid).length;
  return `Windows: ${valid} of ${windows.length} valid, ${formatLength(windowMs)} each after ${formatLength(warmupMs)} of warm-up`;
}

/** When, how long, from which seed. */
export function runFacts(result: {
  readonly startedAt: string;
  readonly tookMs: number;
  readonly seed: number;
  readonly scale?: string;
}): string {
  const scale = result.scale === undefined ? "" : `, data of scale ${result.scale}`;
  return `Run: ${result.startedAt}, took ${formatLength(result.tookMs)}, seed ${result.seed}${scale}`;
}

/** A length of time that nobody wants to the millisecond. */
export function formatLength(ms: number): string {
  if (!Number.isFinite(ms)) return NOT_MEASURED;
  return formatSetDuration(ms < 1_000 ? Math.round(ms) : Math.round(ms / 1_000) * 1_000);
}

/** A count for a person: `1,240`, `412`, `3.50`. */
export function formatCount(value: number): string {
  if (!Number.isFinite(value)) return NOT_MEASURED;
  const text = Number.isInteger(value) ? String(value) : significant(value);
  return text.replaceAll(/\B(?=(?:\d{3})+(?!\d))(?<!\.\d*)/g, ",");
}

/** `95 % interval` when all effects have that coverage. */
export function intervalHeader(effects: readonly Effect[]): string {
  const coverages = [...new Set(effects.map(({ confidence }) => confidence))];
  const [coverage] = coverages;
  return coverages.length === 1 && coverage !== undefined
    ? `${neat(formatRatio(coverage))} interval`
    : "interval";
}

export const COUNTER_TITLES: Readonly<Record<CounterFinding["counter"], string>> = {
  statements: "SQL statements",
  rows: "rows",
  buffers: "buffers",
  "redis-commands": "Redis commands",
  "response-bytes": "response bytes",
  errors: "errors",
};

/** Why windows were not used, a few of them by name. */
export function invalidWindows(windows: readonly GateWindow[]): readonly string[] {
  const SHOWN = 5;
  const invalid = windows.filter(({ valid }) => !valid);
  const shown = invalid
    .slice(0, SHOWN)
    .map((window) => `${windowInWords(window)}: ${window.invalidBecause.join("; ")}`);
  const more = invalid.length - shown.length;
  return more > 0 ? [...shown, `and ${countOf(more, "more window")}`] : shown;
}

function windowInWords({ block, pair, role }: GateWindow): string {
  const where = block === "confirm" ? "confirmation, pair" : "pair";
  return `${where} ${pair + 1}, ${role === "incumbent" ? "base" : "head"}`;
}
