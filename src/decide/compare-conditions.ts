/** What has to be the same for two stored results to be compared at all. */
import type { ConditionDifference } from "../core/comparison.ts";
import type { BenchResult } from "../core/result.ts";
import { formatBytes, formatDuration, significant } from "../core/units.ts";

/** What was measured, how, and on what machine: everything but the version under test. */
export type Conditions = Pick<
  BenchResult,
  "target" | "workload" | "scale" | "seed" | "load" | "environment"
>;

/** Rates derived from a saturation search differ a little from run to run, and so does the memory that a virtual machine shows. */
const ALIKE = 0.01;

interface Condition {
  readonly what: string;
  readonly read: (of: Conditions) => string;
  readonly alongSeries?: true;
  /** Where texts that differ may still be alike. */
  readonly differs?: (a: Conditions, b: Conditions) => boolean;
}

const CONDITIONS: readonly Condition[] = [
  { what: "target", read: ({ target }) => target },
  { what: "workload", read: ({ workload }) => workload },
  { what: "scale", read: ({ scale }) => scale ?? "none" },
  { what: "seed", alongSeries: true, read: ({ seed }) => String(seed) },
  { what: "kind of load", read: ({ load }) => load.kind },
  { what: "arrivals", read: ({ load }) => load.arrivals },
  {
    what: "load",
    read: ({ load }) => `${significant(load.amount)} ${load.kind === "users" ? "users" : "/s"}`,
    differs: apart(({ load }) => load.amount),
  },
  { what: "scenario", read: ({ load }) => load.scenario },
  { what: "warm-up", read: ({ load }) => formatDuration(load.warmupMs) },
  { what: "window", read: ({ load }) => formatDuration(load.windowMs) },
  { what: "CPU", read: ({ environment }) => environment.cpu },
  { what: "cores", read: ({ environment }) => String(environment.cores) },
  {
    what: "memory",
    read: ({ environment }) => formatBytes(environment.memoryBytes),
    differs: apart(({ environment }) => environment.memoryBytes),
  },
  { what: "platform", alongSeries: true, read: ({ environment }) => environment.platform },
  { what: "Node", alongSeries: true, read: ({ environment }) => versionParts(environment.node, 2) },
  { what: "PostgreSQL", alongSeries: true, read: ({ environment }) => environment.postgres },
  { what: "Redis", alongSeries: true, read: ({ environment }) => environment.redis },
  {
    what: "perfopt",
    alongSeries: true,
    read: ({ environment }) => versionParts(environment.perfopt, 1),
  },
];

/** In a fixed order; empty when the two can be compared. */
export function conditionDifferences(a: Conditions, b: Conditions): readonly ConditionDifference[] {
  return CONDITIONS.flatMap(({ what, read, alongSeries = false, differs = textsDiffer(read) }) =>
    differs(a, b) ? [{ what, a: read(a), b: read(b), alongSeries }] : [],
  );
}

function textsDiffer(read: Condition["read"]): (a: Conditions, b: Conditions) => boolean {
  return (a, b) => read(a) !== read(b);
}

function apart(read: (of: Conditions) => number): (a: Conditions, b: Conditions) => boolean {
  return (a, b) => Math.abs(read(a) - read(b)) > ALIKE * Math.max(read(a), read(b));
}

/** `v20.19.4` to `20.19`. */
function versionParts(version: string, parts: number): string {
  return version.replace(/^v/, "").split(".").slice(0, parts).join(".");
}
