/** A run's phases as the journal tells them: what was observed, probed, tried and decided in each. */
import type { Entry, RunEvent } from "../core/event.ts";
import type { MetricId } from "../core/metric.ts";
import type { Strategy } from "../core/persona.ts";
import type { PlanPhase } from "../core/plan.ts";
import { usualBlockOf } from "../core/trial.ts";
import type { Candidate, ConstraintResult, Effect } from "../core/trial.ts";
import { isUsable } from "./effects.ts";
import { linesOf, type Line } from "./lines.ts";
import { blockOf, type Block } from "./windows.ts";

export interface PhaseSummary {
  readonly number: number;
  readonly plan: PlanPhase;
  readonly strategy: Strategy | undefined;
  readonly objective: MetricId | undefined;
  readonly status: "finished" | "unfinished" | "not reached" | "cannot run";
  readonly started: Line<"phase-started"> | undefined;
  readonly finished: Line<"phase-finished"> | undefined;
  /** Every time that it went on or began, the first among them, with how that ended. */
  readonly turns: readonly Turn[];
  readonly observations: readonly Line<"observed">[];
  readonly probes: readonly Line<"probed">[];
  readonly trials: readonly TrialSummary[];
}

interface Turn {
  readonly started: Line<"phase-started">;
  /** Absent: the run ended in it. */
  readonly finished: Line<"phase-finished"> | undefined;
}

export interface TrialSummary {
  readonly phase: string;
  readonly candidate: Candidate;
  /** `undecided`: the run ended during the trial. */
  readonly verdict: "keep" | "discard" | "inconclusive" | "undecided";
  readonly decided: Line<"trial-decided"> | undefined;
  /** The phase's last look at the incumbent before the trial: what the candidate was made of. */
  readonly observed: Line<"observed"> | undefined;
  readonly block: Block;
  /** Windows at the usual load, after a gain under overload; none for other trials. */
  readonly usual: Block;
  /** The metric that the trial was decided by. */
  readonly metric: MetricId | undefined;
  readonly effect: Effect | undefined;
  readonly effects: readonly Effect[];
  readonly constraints: readonly ConstraintResult[];
  /** Lines that start, measure and decide it. */
  readonly seqs: readonly number[];
}

export function summarisePhases(
  entries: readonly Entry[],
  start: Extract<RunEvent, { type: "run-started" }>,
): readonly PhaseSummary[] {
  return start.phases.map((plan, index) => {
    const strategy = start.persona.strategies.find((each) => each.name === plan.name);
    const turns = turnsOf(entries, plan.name);
    const started = turns[0]?.started;
    const finished = turns.at(-1)?.finished;
    return {
      number: index + 1,
      plan,
      strategy,
      objective: strategy?.objective,
      status: statusOf(plan, started, finished),
      started,
      finished,
      turns,
      observations: ofPhase(linesOf(entries, "observed"), plan.name),
      probes: ofPhase(linesOf(entries, "probed"), plan.name),
      trials: trialsOf(entries, plan.name, strategy?.objective),
    };
  });
}

function ofPhase<L extends { readonly event: { readonly phase: string } }>(
  lines: readonly L[],
  phase: string,
): readonly L[] {
  return lines.filter((line) => line.event.phase === phase);
}

function turnsOf(entries: readonly Entry[], phase: string): readonly Turn[] {
  const ends = ofPhase(linesOf(entries, "phase-finished"), phase);
  const starts = ofPhase(linesOf(entries, "phase-started"), phase);
  return starts.map((started, index) => {
    const next = starts[index + 1]?.seq ?? Infinity;
    return { started, finished: ends.find(({ seq }) => seq > started.seq && seq < next) };
  });
}

function statusOf(
  plan: PlanPhase,
  started: Line<"phase-started"> | undefined,
  finished: Line<"phase-finished"> | undefined,
): PhaseSummary["status"] {
  if (plan.tuner === undefined) return "cannot run";
  if (!started) return "not reached";
  return finished ? "finished" : "unfinished";
}

/** A candidate that was tried twice has two trials: each reaches to the next start of the same candidate. */
function trialsOf(
  entries: readonly Entry[],
  phase: string,
  objective: MetricId | undefined,
): readonly TrialSummary[] {
  const starts = ofPhase(linesOf(entries, "trial-started"), phase);
  const decisions = ofPhase(linesOf(entries, "trial-decided"), phase);
  const observations = ofPhase(linesOf(entries, "observed"), phase);
  const fromStarts = starts.map((start) => {
    const { candidate } = start.event;
    const observed = observations.findLast(({ seq }) => seq < start.seq);
    const end =
      starts.find((other) => other.seq > start.seq && other.event.candidate.id === candidate.id)
        ?.seq ?? Infinity;
    const decided = decisions.find(
      (line) => line.seq > start.seq && line.seq < end && line.event.candidate.id === candidate.id,
    );
    const block = blockOf(entries, candidate.id, start.seq, end);
    const usual = blockOf(entries, usualBlockOf(candidate), start.seq, end);
    return trialOf({ phase, candidate, decided, observed, block, usual }, start.seq, objective);
  });
  const known = new Set(fromStarts.map((trial) => trial.decided?.seq));
  const unstarted = decisions
    .filter((line) => !known.has(line.seq))
    .map((line) =>
      trialOf(
        {
          phase,
          candidate: line.event.candidate,
          decided: line,
          observed: undefined,
          block: blockOf([], ""),
          usual: blockOf([], ""),
        },
        undefined,
        objective,
      ),
    );
  return [...fromStarts, ...unstarted];
}

function trialOf(
  told: Pick<TrialSummary, "phase" | "candidate" | "decided" | "observed" | "block" | "usual">,
  startSeq: number | undefined,
  objective: MetricId | undefined,
): TrialSummary {
  const { decided, block, usual } = told;
  const effect = decided?.event.decision.effect;
  return {
    ...told,
    verdict: decided?.event.decision.verdict ?? "undecided",
    metric: effect?.metric ?? objective,
    effect: isUsable(effect) ? effect : undefined,
    effects: decided?.event.effects.filter(isUsable) ?? [],
    constraints: decided?.event.constraints ?? [],
    seqs: [
      ...(startSeq === undefined ? [] : [startSeq]),
      ...[...block.windows, ...usual.windows].map((window) => window.seq),
      ...(decided ? [decided.seq] : []),
    ],
  };
}
