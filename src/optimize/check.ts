/** The last look at a sequence of runs: everything that they kept, against the state before the first, under one persona's load. */
import type { Change } from "../core/knob.ts";
import { fixedEffects } from "../decide/noise.ts";
import { CONFIRM_PAIRS } from "../plan.ts";
import { measurePairs } from "./noise.ts";
import { freshState } from "./run.ts";
import type { Run } from "./run.ts";
import { pairMsOf } from "./time.ts";

/** Fewer would only say that nothing can be said. */
const CHECK_PAIRS_LEAST = 4;

export interface CheckOptions {
  /** Of all runs, in their order, against the bench's baseline. */
  readonly changes: readonly Change[];
  /** Of the persona's own run, so that the figures can be set beside each other. */
  readonly requestsPerSecond: number;
  /** What a pair took in that run, by its journal; 0: unknown. */
  readonly pairMs: number;
}

/**
 * Journals the windows in the block `check-PERSONA`, then `sequence-checked`. Judges nothing and undoes nothing. Returns whether there
 * was time for it.
 */
export async function checkTogether(
  run: Run,
  { changes, requestsPerSecond, pairMs }: CheckOptions,
): Promise<boolean> {
  const state = { ...freshState(run), requestsPerSecond };
  await run.bench.setArm("incumbent", []);
  await run.bench.setArm("candidate", changes);
  await run.bench.restartArms();
  const costMs = Math.max(pairMs, pairMsOf(run, state, undefined));
  const fits = Math.floor((run.deadline - run.clock.now()) / costMs);
  if (fits < CHECK_PAIRS_LEAST) return false;
  const block = `check-${run.persona.name}`;
  const pairs = await measurePairs(run, state, block, Math.min(CONFIRM_PAIRS, fits));
  await run.journal.append({
    type: "sequence-checked",
    persona: run.persona.name,
    requestsPerSecond,
    effects: fixedEffects(pairs, run.watched),
    pairs: pairs.length,
  });
  return true;
}
