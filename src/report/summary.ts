/** The one fold from journal lines to what every report format shows. */
import { PerfoptError } from "../core/errors.ts";
import type { Entry } from "../core/event.ts";
import type { Knob } from "../core/knob.ts";
import type { MetricId } from "../core/metric.ts";
import { capacityOf, judgeCapacity, type CapacityLines } from "./capacity.ts";
import { changeRecords, netChanges, type ChangeRecord, type NetChanges } from "./changes.ts";
import { isUsable, usableEffect } from "./effects.ts";
import { linesOf, type Line } from "./lines.ts";
import {
  judgeObjective,
  satisfactionOf,
  type ObjectiveResult,
  type Satisfaction,
} from "./objectives.ts";
import { summarisePhases, type PhaseSummary, type TrialSummary } from "./phases.ts";
import { recheckMedians, type Recheck } from "./recheck.ts";
import { blockOf, metricValue, readArm, readBothArms, readingOf, type Block } from "./windows.ts";

interface Outcome {
  /** `unfinished`: the journal has no last line, so the run was killed or still goes on. */
  readonly kind: "completed" | "interrupted" | "failed" | "unfinished";
  readonly detail: string;
  readonly seq: number | undefined;
}

/**
 * What the goals are judged on. `confirm`: everything kept, against the baseline. `undone`: the confirmation led to undoing it all.
 * `baseline`: nothing was kept, the service is as it was. `none`: the final state was not measured, so no goal counts as met.
 */
type Basis = "confirm" | "undone" | "baseline" | "none";

export interface Summary {
  readonly entries: readonly Entry[];
  readonly start: Line<"run-started">;
  readonly knobs: readonly Knob[];
  readonly rate: Line<"rate-set"> | undefined;
  readonly noise: Line<"noise-measured"> | undefined;
  readonly noiseBlock: Block;
  readonly phases: readonly PhaseSummary[];
  /** Every trial of every phase, in order. */
  readonly trials: readonly TrialSummary[];
  readonly kept: readonly TrialSummary[];
  readonly confirmed: Line<"confirmed"> | undefined;
  readonly confirmBlock: Block;
  readonly basis: Basis;
  readonly objectives: readonly ObjectiveResult[];
  readonly satisfaction: Satisfaction | undefined;
  readonly capacity: CapacityLines;
  readonly changes: readonly ChangeRecord[];
  readonly net: NetChanges;
  readonly warnings: readonly Line<"warning">[];
  readonly rollbacks: readonly Line<"rolled-back">[];
  readonly recheck: Recheck;
  readonly outcome: Outcome;
}

/** Throws when the journal does not begin a run: there is nothing to report then. */
export function summarise(entries: readonly Entry[]): Summary {
  const start = linesOf(entries, "run-started")[0];
  if (!start)
    throw new PerfoptError(
      "bad-input",
      "the journal has no `run-started` line",
      "give the journal of a run, a file named run.jsonl in the run's folder",
    );
  const phases = summarisePhases(entries, start.event);
  const trials = phases.flatMap((phase) => phase.trials);
  const kept = trials.filter((trial) => trial.verdict === "keep");
  const confirmed = linesOf(entries, "confirmed").at(-1);
  const confirmBlock = blockOf(entries, "confirm");
  const noiseBlock = blockOf(entries, "noise");
  const changes = changeRecords(entries);
  const outcome = outcomeOf(entries);
  const basis = basisOf(confirmed, confirmBlock, kept, changes, outcome);
  const capacity = capacityOf(entries);
  const objectives = [
    ...judgeAll(basis, start, confirmed, confirmBlock, noiseBlock, entries),
    ...judgeCapacity(start.event.persona.capacityObjectives ?? [], capacity, basis),
  ];
  return {
    entries,
    start,
    knobs: start.event.target.knobs ?? [],
    rate: linesOf(entries, "rate-set").at(-1),
    noise: linesOf(entries, "noise-measured").at(-1),
    noiseBlock,
    phases,
    trials,
    kept,
    confirmed,
    confirmBlock,
    basis,
    objectives,
    satisfaction: satisfactionOf(objectives),
    capacity,
    changes,
    net: netChanges(changes),
    warnings: linesOf(entries, "warning"),
    rollbacks: linesOf(entries, "rolled-back"),
    recheck: recheckMedians(trials, confirmed, confirmBlock, start.event.persona.constraints),
    outcome,
  };
}

function outcomeOf(entries: readonly Entry[]): Outcome {
  const finished = linesOf(entries, "run-finished").at(-1);
  if (!finished)
    return {
      kind: "unfinished",
      detail: "the journal has no `run-finished` line: the run was killed, or still goes on",
      seq: undefined,
    };
  return { kind: finished.event.outcome, detail: finished.event.detail, seq: finished.seq };
}

function basisOf(
  confirmed: Line<"confirmed"> | undefined,
  block: Block,
  kept: readonly TrialSummary[],
  changes: readonly ChangeRecord[],
  outcome: Outcome,
): Basis {
  if (confirmed && confirmed.event.effects.some(isUsable) && block.pairs.length > 0)
    return undoneBefore(changes, confirmed.seq) ? "undone" : "confirm";
  return outcome.kind === "completed" && kept.length === 0 && changes.length === 0
    ? "baseline"
    : "none";
}

/** Every change was taken back before the confirmation was written down: because of what it showed. A later rollback is another matter. */
function undoneBefore(changes: readonly ChangeRecord[], seq: number): boolean {
  return (
    changes.length > 0 &&
    changes.every(({ state, seqs }) => state === "reverted" && seqs.every((each) => each < seq))
  );
}

function judgeAll(
  basis: Basis,
  start: Line<"run-started">,
  confirmed: Line<"confirmed"> | undefined,
  confirmBlock: Block,
  noiseBlock: Block,
  entries: readonly Entry[],
): readonly ObjectiveResult[] {
  return start.event.persona.objectives.map((objective) => {
    const { metric } = objective;
    if (basis === "confirm")
      return judgeObjective(
        objective,
        readArm(confirmBlock, "incumbent", metric),
        readArm(confirmBlock, "candidate", metric),
        usableEffect(confirmed?.event.effects ?? [], metric),
      );
    const before =
      basis === "undone"
        ? readArm(confirmBlock, "incumbent", metric)
        : (readBothArms(noiseBlock, metric) ?? firstObserved(entries, metric));
    // When the service is as it was, what was measured of the baseline holds for its present state.
    return judgeObjective(objective, before, basis === "none" ? undefined : before, undefined);
  });
}

/** The run's first observation is of the baseline: one window, better than nothing when A/A pairs are missing. */
function firstObserved(entries: readonly Entry[], metric: MetricId) {
  const first = linesOf(entries, "observed")[0];
  if (!first?.event.sample.valid) return undefined;
  const value = metricValue(first.event.sample, metric);
  return value === undefined ? undefined : readingOf([value], [first.seq]);
}
