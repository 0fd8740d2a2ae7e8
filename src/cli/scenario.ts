/** `--scenario`: how the rate changes over a window, as people type it. */
import { PerfoptError } from "../core/errors.ts";
import type { PersonaWorkload } from "../core/persona.ts";
import { meanRate, segmentsOf, type RateSegment, type Scenario } from "../core/scenario.ts";
import { parseDuration } from "../core/units.ts";
import type { ThinkTime } from "../core/workload.ts";

/** A scenario whose shares of saturation are not yet rates. */
export interface ScenarioPlan {
  readonly kind: Scenario["kind"];
  /** Multiples of the rate; `absolute`: requests a second. */
  readonly levels: readonly number[];
  readonly absolute: boolean;
}

const KINDS = "flat, soak, ramp:10..500, steps:100,200,400 or spike:100,800";

/**
 * `flat` and `soak` go at --rate; `ramp:A..B`, `steps:A,B,C` and `spike:A,B` name rates of their own, or multiples of --rate with an
 * x: `spike:1x,3x`. Throws bad-input for anything else.
 */
export function parseScenario(text: string): ScenarioPlan {
  const [kind = "", rest] = text.trim().split(/:(.*)/s);
  if ((kind === "flat" || kind === "soak") && rest === undefined) {
    return { kind, levels: [1], absolute: false };
  }
  if (kind === "ramp" && rest !== undefined) return levelsOf(text, kind, rest.split(".."), 2, 2);
  if (kind === "steps" && rest !== undefined) return levelsOf(text, kind, rest.split(","), 2, 50);
  if (kind === "spike" && rest !== undefined) return levelsOf(text, kind, rest.split(","), 2, 2);
  throw badScenario(text);
}

function levelsOf(
  text: string,
  kind: Scenario["kind"],
  words: readonly string[],
  least: number,
  most: number,
): ScenarioPlan {
  const numbers = words.map((word) => /^(\d+(?:\.\d+)?)(x?)$/.exec(word.trim()));
  const levels = numbers.map((match) => Number(match?.[1] ?? Number.NaN));
  const multiples = numbers.filter((match) => match?.[2] === "x").length;
  const mixed = multiples !== 0 && multiples !== words.length;
  const wrong =
    levels.some((level) => !Number.isFinite(level)) || levels.every((level) => level === 0);
  if (wrong || mixed || words.length < least || words.length > most) throw badScenario(text);
  return { kind, levels, absolute: multiples === 0 };
}

function badScenario(text: string): PerfoptError {
  return new PerfoptError(
    "bad-input",
    `--scenario ${text}: expected one of ${KINDS}`,
    "rates are requests a second, or multiples of --rate as in spike:1x,3x",
  );
}

/** Whether the scenario needs --rate, or a saturation rate, to be known. */
export function needsRate(plan: ScenarioPlan): boolean {
  return !plan.absolute;
}

/** The pieces of one window; undefined for a flat rate, which needs none. */
export function segmentsFor(
  plan: ScenarioPlan,
  requestsPerSecond: number,
  windowMs: number,
): { readonly segments: readonly RateSegment[]; readonly requestsPerSecond: number } | undefined {
  if (plan.kind === "flat" || plan.kind === "soak") return undefined;
  const rates = plan.levels.map((level) => (plan.absolute ? level : level * requestsPerSecond));
  const segments = segmentsOf(scenarioOf(plan.kind, rates, windowMs));
  return { segments, requestsPerSecond: meanRate(segments) };
}

function scenarioOf(
  kind: "ramp" | "steps" | "spike",
  rates: readonly number[],
  lengthMs: number,
): Scenario {
  const [first = 0, second = 0] = rates;
  switch (kind) {
    case "ramp":
      return { kind, from: first, to: second, lengthMs };
    case "steps":
      return { kind, rates, lengthMs };
    case "spike":
      return { kind, rate: first, peak: second, lengthMs };
  }
}

/** `--users 50 --think 2s`, `--think 1s..3s` (uniform), `--think ~2s` (exponential). */
export function parseThink(text: string): ThinkTime {
  const range = text.split("..");
  const [low, high] = range.map((part) => parseDuration(part));
  if (range.length === 2 && low !== undefined && high !== undefined && low <= high) {
    return { kind: "uniform", minMs: low, maxMs: high };
  }
  const exponential = text.startsWith("~") ? parseDuration(text.slice(1)) : undefined;
  if (exponential !== undefined) return { kind: "exponential", meanMs: exponential };
  const fixed = text === "0" ? 0 : parseDuration(text);
  if (fixed !== undefined) return { kind: "fixed", ms: fixed };
  throw new PerfoptError(
    "bad-input",
    `--think ${text}: expected a time`,
    "for example --think 2s, --think 1s..3s, or --think ~2s (exponential with that mean)",
  );
}

/** Rates in a sentence. */
export function scenarioInWords(plan: ScenarioPlan, rate: PersonaWorkload["rate"]): string {
  const unit = plan.absolute ? "" : rate.kind === "fixed" ? "x" : "x the rate";
  return plan.levels.length > 1
    ? `${plan.kind} ${plan.levels.map((level) => `${level}${unit}`).join(", ")}`
    : plan.kind;
}
