/** The report's own check of the journal: the medians that effects carry, worked out again from the windows they came from. */
import { metricOf } from "../core/metric.ts";
import type { Effect } from "../core/trial.ts";
import type { Line } from "./lines.ts";
import type { TrialSummary } from "./phases.ts";
import { isUsable } from "./effects.ts";
import { pairValues, readArm, type Block } from "./windows.ts";

export interface Recheck {
  readonly checked: number;
  /** One sentence for each effect that does not follow from its windows. */
  readonly disagreements: readonly string[];
}

/** Rounding in the journal may move a median by this share, nothing else may. */
const TOLERANCE = 1e-3;

export function recheckMedians(
  trials: readonly TrialSummary[],
  confirmed: Line<"confirmed"> | undefined,
  confirmBlock: Block,
): Recheck {
  const results = [
    ...trials.flatMap((trial) =>
      trial.effects.map((effect) => recheck(trial.candidate.id, trial.block, effect)),
    ),
    ...(confirmed?.event.effects.filter(isUsable) ?? []).map((effect) =>
      recheck("confirm", confirmBlock, effect),
    ),
  ];
  return {
    checked: results.length,
    disagreements: results.filter((result) => result !== undefined),
  };
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
