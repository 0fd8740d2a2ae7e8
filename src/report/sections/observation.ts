/** What a tuner saw, as short facts: its observation is plain data whose shape only the tuner knows. */
import { formatBytes, formatDuration, formatRatio, significant } from "../../core/units.ts";
import { redactSecrets } from "../../core/errors.ts";
import { plain } from "../markdown-text.ts";

/** More are left to the journal: the first ones are those that the tuner put first. */
const FACTS_MAX = 14;

export function observationFacts(observation: unknown): readonly string[] {
  return factsOf(observation, "", 0).slice(0, FACTS_MAX);
}

function factsOf(value: unknown, name: string, depth: number): readonly string[] {
  if (!isShown(value)) return [];
  if (Array.isArray(value)) return [`${words(name)}: ${value.length} listed`];
  const reading = knobReading(value);
  if (reading !== undefined) return [`${words(name)}: ${reading}`];
  if (typeof value === "object")
    return depth > 2
      ? []
      : Object.entries(value).flatMap(([key, inner]) =>
          factsOf(inner, name === "" ? key : `${name}.${key}`, depth + 1),
        );
  if (typeof value === "number")
    return Number.isFinite(value) ? [`${words(name)}: ${formatNamed(name, value)}`] : [];
  return [`${words(name)}: ${plain(shortened(String(value)))}`];
}

type Shown = object | string | number | boolean;

function isShown(value: unknown): value is Shown {
  return value !== null && ["object", "string", "number", "boolean"].includes(typeof value);
}

/** A knob with its value is one fact, not a list of the knob's properties. */
function knobReading(value: Shown): string | undefined {
  if (typeof value !== "object" || !("knob" in value) || !("value" in value)) return undefined;
  const { knob } = value;
  if (typeof knob !== "object" || knob === null || !("id" in knob)) return undefined;
  return plain(`${String(knob.id)} is ${String(value.value)}`);
}

/** Names carry their unit at the end: latencyP99Ms, usedBytes, hitRate. */
function formatNamed(name: string, value: number): string {
  const size = Math.abs(value);
  const sign = value < 0 ? "-" : "";
  if (name.endsWith("Ms")) return sign + (size === 0 ? "0 ms" : formatDuration(size));
  if (/Bytes(Max|Min|Mean)?$/.test(name)) return sign + formatBytes(size);
  if (/(Rate|Ratio|Share|Utilization)$/.test(name) && size <= 1) return sign + formatRatio(size);
  return Number.isInteger(value) ? String(value) : sign + significant(size);
}

function words(name: string): string {
  return plain(
    name
      .replaceAll(".", ", ")
      .replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2")
      .toLowerCase()
      .replace(/ (ms|bytes)$/, ""),
  );
}

function shortened(text: string): string {
  // Hidden before it is cut, for half a URL no longer looks like one.
  const line = redactSecrets(text).replaceAll(/\s+/g, " ");
  return line.length <= 160 ? line : `${line.slice(0, 159)}…`;
}
