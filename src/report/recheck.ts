/** The report's own check of the journal: the medians that effects carry, worked out again from the windows they came from. */
import { metricOf } from "../core/metric.ts";
import type { Constraint } from "../core/persona.ts";
import type { Effect } from "../core/trial.ts";
import type { Line } from "./lines.ts";
import type { TrialSummary } from "./phases.ts";
import { isUsable } from "./effects.ts";
import { pairValues, readArm, type Block } from "./windows.ts";

export interface Recheck {
  readonly checked: number;
  /** Constraints that were judged at the usual load, after a gain under overload. */
  readonly constraints: number;
  /** One sentence for each effect or constraint that does not follow from its windows. */
  readonly disagreements: readonly string[];
}

/** Rounding in the journal may move a median by this share, nothing else may. */
const TOLERANCE = 1e-3;

export function recheckMedians(
  trials: readonly TrialSummary[],
  confirmed: Line<"confirmed"> | undefined,
  confirmBlock: Block,
  constraints: readonly Constraint[],
): Recheck {
  const results = [
    ...trials.flatMap((trial) =>
      trial.effects.map((effect) => recheck(trial.candidate.id, trial.block, effect)),
    ),
    ...(confirmed?.event.effects.filter(isUsable) ?? []).map((effect) =>
      recheck("confirm", confirmBlock, effect),
    ),
  ];
  const judged = trials.flatMap((trial) => recheckUsual(trial, constraints));
  return {
    checked: results.length,
    constraints: judged.length,
    disagreements: [...results, ...judged].filter((result) => result !== undefined),
  };
}

/** What was said of constraints at the usual load has to have windows there, and a limit has to lie where their medians say. */
function recheckUsual(
  { candidate, usual, constraints: results }: TrialSummary,
  constraints: readonly Constraint[],
): readonly (string | undefined)[] {
  if (usual.windows.length === 0) return [];
  return results.map(({ metric, ok }) => {
    const { title, better } = metricOf(metric);
    const name = `${candidate.id} at the usual load, ${title}`;
    const after = readArm(usual, "candidate", metric)?.median;
    const before = readArm(usual, "incumbent", metric)?.median;
    if (after === undefined || before === undefined)
      return ok ? `${name}: the constraint is said to hold, and no window has it` : undefined;
    const constraint = constraints.find((each) => each.metric === metric);
    if (constraint?.kind !== "limit") return undefined;
    const isBeyond = (value: number) =>
      better === "lower" ? value > constraint.limit : value < constraint.limit;
    const isWrong = ok ? isBeyond(after) && !isBeyond(before) : !isBeyond(after);
    return isWrong ? `${name}: what is said of the limit is not what the medians say` : undefined;
  });
}

function recheck(block: string, windows: Block, effect: Effect): string | undefined {
  const name = `${block}, ${metricOf(effect.metric).title}`;
  const pairs = pairValues(windows, effect.metric).length;
  if (pairs !== effect.pairs)
    return `${name}: the effect names ${effect.pairs} pairs, the windows make ${pairs}`;
  const before = readArm(windows, "incumbent", effect.metric)?.median;
  const after = readArm(windows, "candidate", effect.metric)?.median;
  return agree(before, effect.incumbentMedian) && agree(after, effect.candidateMedian)
    ? undefined
    : `${name}: the effect's medians are not those of its windows`;
}

function agree(found: number | undefined, stated: number): boolean {
  if (found === undefined) return false;
  return Math.abs(found - stated) <= TOLERANCE * Math.max(Math.abs(found), Math.abs(stated));
}
