/** The persona's objectives against what was measured, and the satisfaction that follows from them by a printed formula. */
import { goalMetricOf } from "../core/metric.ts";
import type { JudgedObjective } from "../core/persona.ts";
import type { Effect } from "../core/trial.ts";
import { readEffect, type EffectReading } from "./effects.ts";
import type { Reading } from "./windows.ts";

export type GoalStatus = "met" | "missed" | "not measured";

export interface ObjectiveResult {
  readonly objective: JudgedObjective;
  readonly before: Reading | undefined;
  readonly after: Reading | undefined;
  /** From the confirm block alone. */
  readonly effect: Effect | undefined;
  readonly statusBefore: GoalStatus;
  readonly status: GoalStatus;
  /** Undefined: the objective has no stretch goal. */
  readonly stretchStatus: GoalStatus | undefined;
  /** Of the windows that `status` was read from, those on the good side of the goal. */
  readonly windowsMet: number;
  readonly windows: number;
  /** Of a goal of the capacity blocks: measured once before and once after. */
  readonly unpaired?: UnpairedChange;
}

export interface UnpairedChange {
  readonly reading: EffectReading;
  /** As a table and a sentence say it. */
  readonly words: string;
}

interface Credit {
  readonly result: ObjectiveResult;
  /** From 0 to 1. */
  readonly credit: number;
  readonly because: string;
}

export interface Satisfaction {
  readonly credits: readonly Credit[];
  /** Weighted mean of the credits, 0 to 1. */
  readonly score: number;
}

/** `after` undefined: the final state was not measured, so no goal counts as met. */
export function judgeObjective(
  objective: JudgedObjective,
  before: Reading | undefined,
  after: Reading | undefined,
  effect: Effect | undefined,
): ObjectiveResult {
  const { goal, stretch } = objective;
  return {
    objective,
    before,
    after,
    effect,
    statusBefore: statusOf(objective, before, goal),
    status: statusOf(objective, after, goal),
    stretchStatus: stretch === undefined ? undefined : statusOf(objective, after, stretch),
    windowsMet: after?.values.filter((value) => reaches(objective, value, goal)).length ?? 0,
    windows: after?.values.length ?? 0,
  };
}

/** Undefined when no objective's final state was measured. */
export function satisfactionOf(results: readonly ObjectiveResult[]): Satisfaction | undefined {
  const weights = results.reduce((sum, { objective }) => sum + objective.weight, 0);
  if (!(weights > 0) || results.every(({ status }) => status === "not measured")) return undefined;
  const credits = results.map(creditOf);
  const sum = credits.reduce(
    (total, { credit, result }) => total + credit * result.objective.weight,
    0,
  );
  return { credits, score: sum / weights };
}

export function statusOf(
  objective: JudgedObjective,
  reading: Reading | undefined,
  goal: number,
): GoalStatus {
  if (!reading) return "not measured";
  return reaches(objective, reading.median, goal) ? "met" : "missed";
}

function reaches(objective: JudgedObjective, value: number, goal: number): boolean {
  return goalMetricOf(objective.metric).better === "lower" ? value <= goal : value >= goal;
}

/** A step towards a missed goal counts only where the paired interval shows that there was one. */
function creditOf(result: ObjectiveResult): Credit {
  const { status, before, after, effect, objective } = result;
  if (status === "not measured") return { result, credit: 0, because: "not measured, counts as 0" };
  if (status === "met") return { result, credit: 1, because: "goal met" };
  if (before === after) return { result, credit: 0, because: "missed, nothing changed" };
  const { unpaired } = result;
  const reading = unpaired ? unpaired.reading : effect && readEffect(effect);
  if (!before || !after || reading === undefined)
    return { result, credit: 0, because: "missed, no paired effect" };
  if (result.statusBefore === "met")
    return { result, credit: 0, because: "missed, was met before" };
  if (reading !== "better")
    return {
      result,
      credit: 0,
      because: unpaired ? "missed, no improvement shown" : "missed, no improvement proven",
    };
  const progress = (before.median - after.median) / (before.median - objective.goal);
  return {
    result,
    credit: Math.min(1, Math.max(0, progress)),
    because: "missed, part of the way",
  };
}
