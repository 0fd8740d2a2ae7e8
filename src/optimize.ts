/** The loop: observe, ask the tuner, prove each change by interleaved pairs, keep or undo, confirm. */
import type { Change } from "./core/knob.ts";
import { DirtyTargetError, messageOf, throwIfAborted } from "./core/errors.ts";
import type { Past } from "./core/observation.ts";
import type { PlanPhase } from "./core/plan.ts";
import { measureCapacity } from "./optimize/capacity.ts";
import { confirm } from "./optimize/confirm.ts";
import { keepChanges, undoAll } from "./optimize/changes.ts";
import { measureNoise, noiseFloorOf } from "./optimize/noise.ts";
import { chooseRate } from "./optimize/rate.ts";
import type { Outcome, PhaseState, Run, RunState } from "./optimize/run.ts";
import { pairsAffordable, phaseDeadline } from "./optimize/time.ts";
import { observeIncumbent, probe, tryCandidate } from "./optimize/trial.ts";

export type { Outcome, Run } from "./optimize/run.ts";

/**
 * Runs the plan to its end. Whatever happens, the target ends at what was proven and confirmed, or at the baseline:
 * an interrupt or a failure undoes every change of the run. Throws DirtyTargetError when an undo fails.
 */
export async function optimize(run: Run): Promise<Outcome> {
  const state: RunState = {
    kept: [],
    requestsPerSecond: 0,
    saturationRequestsPerSecond: undefined,
    noise: [],
    usersHeld: undefined,
    pairsTook: { pairs: 0, ms: 0 },
    nextSeed: run.seed,
  };
  try {
    await chooseRate(run, state);
    state.noise = await measureNoise(run, state);
    for (const phase of run.plan.phases) {
      if (phase.tuner !== undefined) await runPhase(run, state, phase);
    }
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

async function runPhase(run: Run, state: RunState, plan: PlanPhase): Promise<void> {
  const strategy = run.persona.strategies.find((each) => each.name === plan.name);
  const tuner = run.tunerOf(plan.tuner ?? "");
  if (!strategy || !tuner)
    throw new Error(`the plan names an unknown strategy or tuner: ${plan.name}`);
  await run.journal.append({ type: "phase-started", phase: plan.name, strategy: strategy.name });
  const deadline = phaseDeadline(run, state, plan);
  const phase: PhaseState = { plan, strategy, tuner, deadline, history: [] };
  const because = await takeSteps(run, state, phase);
  await run.journal.append({ type: "phase-finished", phase: plan.name, because });
}

/** Asks the tuner until it is done or the phase's budget is; returns why it ended. */
async function takeSteps(run: Run, state: RunState, phase: PhaseState): Promise<string> {
  let observation = await observeIncumbent(run, state, phase);
  for (let steps = 0; steps < run.limits.stepsMax; steps += 1) {
    throwIfAborted(run.signal);
    const step = phase.tuner.next({
      observation,
      history: phase.history,
      strategy: phase.strategy,
      noiseFloor: noiseFloorOf(run, state, phase.strategy.objective),
      candidatesMax: run.plan.candidatesMax,
      constraints: run.persona.constraints,
      requestsPerSecond: state.requestsPerSecond,
      ...(state.saturationRequestsPerSecond === undefined
        ? {}
        : { saturationRequestsPerSecond: state.saturationRequestsPerSecond }),
    });
    if (step.kind === "done") return step.because;
    if (step.kind === "probe") {
      if (run.clock.now() > phase.deadline) return "the phase's time is used up";
      phase.history.push(await probe(run, state, phase, step));
      continue;
    }
    if (candidatesTried(phase.history) >= run.plan.candidatesMax) {
      return `the budget of ${run.plan.candidatesMax} candidates is used up`;
    }
    const pairsMax = pairsAffordable(run, state, phase.deadline);
    if (pairsMax === 0)
      return "the time left in this phase does not pay for a trial that could decide";
    const decision = await tryCandidate(run, state, phase, step.candidate, pairsMax);
    phase.history.push({ kind: "trial", candidate: step.candidate, decision });
    if (decision.verdict === "keep") {
      await keepChanges(run, state, step.candidate.changes);
      observation = await observeIncumbent(run, state, phase);
    }
  }
  return `stopped after ${run.limits.stepsMax} steps`;
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
