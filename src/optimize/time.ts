/** How the run's time is shared out. */
import type { OverloadPlan } from "../core/capacity.ts";
import {
  CONFIRM_PAIRS,
  costsOf,
  FIRST_LOOK_PAIRS,
  overloadPairMs,
  RESTART_MS,
  USUAL_PAIRS,
} from "../plan.ts";
import type { PhaseState, Run, RunState } from "./run.ts";

/** A phase may take this much more than an equal share of what is left, since many end early. */
const BORROW = 1.75;

/** By the clock: when a phase has to be over so that the others of so many that are left, itself among them, and the confirmation still fit. */
export function phaseDeadline(run: Run, state: RunState, phasesLeft: number): number {
  const end = run.deadline - confirmMsOf(run, state) - capacityMs(run);
  const now = run.clock.now();
  const share = Math.max(0, end - now) / phasesLeft;
  return now + (phasesLeft === 1 ? share : share * BORROW);
}

/** What both capacity blocks may take at the end. */
export function capacityMs({ plan: { capacity } }: Run): number {
  return capacity ? capacity.baselineMs + capacity.keptMs : 0;
}

/** What the confirmation will take: as planned, or longer where pairs do, as those whose windows go on until their tasks are done. */
export function confirmMsOf(run: Run, state: RunState): number {
  const { confirmMs, pairMs } = costsOf(run.persona);
  return confirmMs + CONFIRM_PAIRS * (pairMsOf(run, state, undefined) - pairMs);
}

/**
 * What a pair takes on this target: as planned, or as the pairs so far of the same load did where they took longer. How long an overload is
 * felt is the service's own doing: of that, what was measured counts alone, once there is a window.
 */
export function pairMsOf(
  run: Run,
  { pairsTook }: RunState,
  overload: OverloadPlan | undefined,
): number {
  const { pairs, ms } = pairsTook[overload ? "overload" : "usual"];
  const measuredMs = pairs === 0 ? undefined : ms / pairs;
  if (overload) return measuredMs ?? overloadPairMs(run.persona, overload);
  return Math.max(costsOf(run.persona).pairMs, measuredMs ?? 0);
}

/** Whether one window, and the confirmation of what is kept, end before the run has to. */
export function hasTimeToLook(run: Run, state: RunState, { strategy }: PhaseState): boolean {
  const confirmMs = state.kept.length > 0 ? confirmMsOf(run, state) : 0;
  const windowMs = pairMsOf(run, state, strategy.overload) / 2;
  return run.clock.now() + windowMs <= run.deadline - confirmMs;
}

/** The most pairs that fit before a phase's deadline; 0 when not even the first look of the test does. */
export function pairsAffordable(run: Run, state: RunState, phase: PhaseState): number {
  const { overload } = phase.strategy;
  const leftMs = phase.deadline - run.clock.now() - usualPairsMs(run, state, overload);
  const fits = Math.floor(leftMs / pairMsOf(run, state, overload));
  return fits < FIRST_LOOK_PAIRS ? 0 : Math.min(run.plan.pairsMax, fits);
}

/** What is measured at the usual load after a trial under overload: constraints do not hold there by design. */
export function usualPairsMs(
  run: Run,
  state: RunState,
  overload: OverloadPlan | undefined,
): number {
  return overload && run.persona.constraints.length > 0
    ? RESTART_MS + USUAL_PAIRS * pairMsOf(run, state, undefined)
    : 0;
}
