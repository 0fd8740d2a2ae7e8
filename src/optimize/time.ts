/** How the run's time is shared out. */
import type { PlanPhase } from "../core/plan.ts";
import { CONFIRM_PAIRS, costsOf, FIRST_LOOK_PAIRS } from "../plan.ts";
import type { Run, RunState } from "./run.ts";

/** A phase may take this much more than an equal share of what is left, since many end early. */
const BORROW = 1.75;

/** By the clock: when this phase has to be over so that the later ones and the confirmation still fit. */
export function phaseDeadline(run: Run, state: RunState, phase: PlanPhase): number {
  const runnable = run.plan.phases.filter((each) => each.tuner !== undefined);
  const phasesLeft = runnable.length - runnable.indexOf(phase);
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
  return confirmMs + CONFIRM_PAIRS * (pairMsOf(run, state) - pairMs);
}

/** What a pair takes on this target: as planned, or as the pairs so far did where they took longer. */
export function pairMsOf(run: Run, { pairsTook }: RunState): number {
  return Math.max(
    costsOf(run.persona).pairMs,
    pairsTook.pairs === 0 ? 0 : pairsTook.ms / pairsTook.pairs,
  );
}

/** The most pairs that fit before a deadline; 0 when not even the first look of the test does. */
export function pairsAffordable(run: Run, state: RunState, deadline: number): number {
  const fits = Math.floor((deadline - run.clock.now()) / pairMsOf(run, state));
  return fits < FIRST_LOOK_PAIRS ? 0 : Math.min(run.plan.pairsMax, fits);
}
