/** The loop: observe, ask the tuner, prove each change by interleaved pairs, keep or undo, confirm. */
import type { Change } from "./core/knob.ts";
import { DirtyTargetError, messageOf, PerfoptError, throwIfAborted } from "./core/errors.ts";
import type { Past } from "./core/observation.ts";
import type { PlanPhase } from "./core/plan.ts";
import { measureCapacity } from "./optimize/capacity.ts";
import { confirm } from "./optimize/confirm.ts";
import { keepChanges, undoAll } from "./optimize/changes.ts";
import { measureNoise, noiseFloorOf } from "./optimize/noise.ts";
import { chooseRate } from "./optimize/rate.ts";
import { freshState } from "./optimize/run.ts";
import type { Outcome, PhaseState, Run, RunState } from "./optimize/run.ts";
import { hasTimeToLook, pairsAffordable, phaseDeadline } from "./optimize/time.ts";
import { observeIncumbent, probe, tryCandidate } from "./optimize/trial.ts";

export type { Outcome, Run } from "./optimize/run.ts";

/**
 * Runs the plan to its end. Whatever happens, the target ends at what was proven and confirmed, or at the baseline:
 * an interrupt or a failure undoes every change of the run. Throws DirtyTargetError when an undo fails.
 */
export async function optimize(run: Run): Promise<Outcome> {
  const state = freshState(run);
  try {
    await chooseRate(run, state);
    state.noise = await measureNoise(run, state);
    await runPhases(run, state);
    const detail = await confirm(run, state);
    await measureCapacity(run, state, "baseline");
    await measureCapacity(run, state, "kept");
    await run.journal.append({ type: "run-finished", outcome: "completed", detail });
    return { outcome: "completed", kept: state.kept.map((each) => each.change), detail };
  } catch (error) {
    await giveUp(run, state, error);
    throwIfAborted(run.signal);
    throw error;
  }
}

interface CutShort {
  readonly phase: PhaseState;
  /** Changes that were kept when it ended. */
  readonly kept: number;
}

/** In the persona's order; those that ended for want of time go on, in that order, in what the others left. */
async function runPhases(run: Run, state: RunState): Promise<void> {
  const runnable = run.plan.phases.filter(({ tuner }) => tuner !== undefined);
  const cutShort: CutShort[] = [];
  for (const [index, plan] of runnable.entries()) {
    const deadline = phaseDeadline(run, state, runnable.length - index);
    const phase = phaseOf(run, plan, deadline);
    const end = await runPhase(run, state, phase);
    if (end.cutShort) cutShort.push({ phase, kept: state.kept.length });
  }
  for (const { phase, kept } of cutShort) {
    // All that is left: shared out, it might pay for no trial at all.
    const deadline = phaseDeadline(run, state, 1);
    // What a probe said held for what was kept then; what pairs decided is not asked again.
    const history =
      state.kept.length === kept
        ? phase.history
        : phase.history.filter((past) => past.kind === "trial");
    const again = { ...phase, deadline, history };
    if (pairsAffordable(run, state, again) > 0) await runPhase(run, state, again, { again: true });
  }
}

function phaseOf(run: Run, plan: PlanPhase, deadline: number): PhaseState {
  const strategy = run.persona.strategies.find((each) => each.name === plan.name);
  const tuner = run.tunerOf(plan.tuner ?? "");
  if (!strategy || !tuner)
    throw new Error(`the plan names an unknown strategy or tuner: ${plan.name}`);
  return { plan, strategy, tuner, deadline, history: [] };
}

interface PhaseEnd {
  readonly because: string;
  /** With more time it would have gone on. */
  readonly cutShort: boolean;
}

async function runPhase(
  run: Run,
  state: RunState,
  phase: PhaseState,
  how: { readonly again?: true } = {},
): Promise<PhaseEnd> {
  const { name } = phase.plan;
  const { strategy } = phase;
  await run.journal.append({
    type: "phase-started",
    phase: name,
    strategy: strategy.name,
    ...how,
  });
  const end = await takeSteps(run, state, phase);
  await run.journal.append({ type: "phase-finished", phase: name, because: end.because });
  return end;
}

/** Asks the tuner until it is done or the phase's budget is. */
async function takeSteps(run: Run, state: RunState, phase: PhaseState): Promise<PhaseEnd> {
  if (!hasTimeToLook(run, state, phase)) return cut("no time was left for it");
  const first = await lookAtIncumbent(run, state, phase);
  if (!first.seen) return ended(first.because);
  let { observation } = first;
  for (let steps = 0; steps < run.limits.stepsMax; steps += 1) {
    throwIfAborted(run.signal);
    const step = phase.tuner.next({
      observation,
      history: phase.history,
      strategy: phase.strategy,
      noiseFloor: noiseFloorOf(run, state, phase.strategy),
      candidatesMax: run.plan.candidatesMax,
      constraints: run.persona.constraints,
      requestsPerSecond: state.requestsPerSecond,
      ...(state.saturationRequestsPerSecond === undefined
        ? {}
        : { saturationRequestsPerSecond: state.saturationRequestsPerSecond }),
    });
    if (step.kind === "done") return ended(step.because);
    if (step.kind === "probe") {
      if (run.clock.now() > phase.deadline) return cut("the phase's time is used up");
      phase.history.push(await probe(run, state, phase, step));
      continue;
    }
    if (candidatesTried(phase.history) >= run.plan.candidatesMax) {
      return ended(`the budget of ${run.plan.candidatesMax} candidates is used up`);
    }
    const pairsMax = pairsAffordable(run, state, phase);
    if (pairsMax === 0) {
      return cut("the time left in this phase does not pay for a trial that could decide");
    }
    const decision = await tryCandidate(run, state, phase, step.candidate, pairsMax);
    phase.history.push({ kind: "trial", candidate: step.candidate, decision });
    if (decision.verdict === "keep") {
      await keepChanges(run, state, step.candidate.changes);
      const next = await lookAtIncumbent(run, state, phase);
      if (!next.seen) return ended(next.because);
      ({ observation } = next);
    }
  }
  return ended(`stopped after ${run.limits.stepsMax} steps`);
}

type Look =
  | { readonly seen: true; readonly observation: unknown }
  | { readonly seen: false; readonly because: string };

/** Overload may be too much to look at anything, which is no failure of the run. */
async function lookAtIncumbent(run: Run, state: RunState, phase: PhaseState): Promise<Look> {
  try {
    return { seen: true, observation: await observeIncumbent(run, state, phase) };
  } catch (error) {
    throwIfAborted(run.signal);
    const isMeasuring = error instanceof PerfoptError && error.code === "cannot-measure";
    if (!phase.strategy.overload || !isMeasuring) throw error;
    await run.bench.restartArms();
    return {
      seen: false,
      because: `the incumbent could not be measured under overload: ${messageOf(error)}`,
    };
  }
}

function ended(because: string): PhaseEnd {
  return { because, cutShort: false };
}

function cut(because: string): PhaseEnd {
  return { because, cutShort: true };
}

function candidatesTried(history: readonly Past[]): number {
  return history.filter((past) => past.kind === "trial").length;
}

/** Back to the baseline: nothing of an unfinished run is confirmed, so nothing of it stays. */
async function giveUp(run: Run, state: RunState, error: unknown): Promise<void> {
  if (error instanceof DirtyTargetError) throw error;
  const undone: readonly Change[] = await undoAll(run, state);
  await run.journal.append({
    type: "run-finished",
    outcome: run.signal.aborted ? "interrupted" : "failed",
    detail: `${messageOf(error)}; ${undone.length} kept change(s) undone, the target is at its baseline`,
  });
}
