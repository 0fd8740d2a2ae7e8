/** Everything kept against the baseline, measured afresh: the only source of headline numbers. */
import { metricOf } from "../core/metric.ts";
import { formatChange, formatRatio } from "../core/units.ts";
import type { Effect } from "../core/trial.ts";
import { fixedEffects, isWorse } from "../decide/noise.ts";
import { CONFIRM_PAIRS } from "../plan.ts";
import { capacityMs, pairMsOf } from "./time.ts";
import { undoAll } from "./changes.ts";
import { measurePairs } from "./noise.ts";
import { keptChanges, type Run, type RunState } from "./run.ts";

const CONFIRM_PAIRS_LEAST = 4;

/** Returns one sentence on what was confirmed. Changes that prove harmful together are undone. */
export async function confirm(run: Run, state: RunState): Promise<string> {
  if (state.kept.length === 0) return "nothing was kept, so there is nothing to confirm";
  await run.bench.setArm("incumbent", []);
  await run.bench.setArm("candidate", keptChanges(state));
  await run.bench.restartArms();
  const pairs = await measurePairs(run, state, "confirm", pairsThatFit(run, state));
  const effects = fixedEffects(pairs, run.watched);
  const objective = run.persona.objectives[0]?.metric;
  const headline = effects.find((effect) => effect.metric === objective);
  const detail = await verdictOf(run, state, headline);
  await run.journal.append({ type: "confirmed", effects, pairs: pairs.length, detail });
  return detail;
}

function pairsThatFit(run: Run, state: RunState): number {
  const leftMs = run.deadline - run.clock.now() - capacityMs(run);
  const fits = Math.floor(leftMs / pairMsOf(run, state, undefined));
  return Math.min(CONFIRM_PAIRS, Math.max(CONFIRM_PAIRS_LEAST, fits));
}

async function verdictOf(run: Run, state: RunState, headline: Effect | undefined): Promise<string> {
  if (!headline) return "the persona's first objective could not be measured in the confirmation";
  const title = metricOf(headline.metric).title;
  const words = `${title} ${wordsOf(headline)} against the baseline, ${headline.pairs} pairs`;
  if (isWorse(headline)) {
    await undoAll(run, state);
    return `${words}: proven worse together, so everything was undone`;
  }
  return words;
}

function wordsOf(effect: Effect): string {
  const format =
    effect.compare === "ratio"
      ? formatChange
      : (value: number) => `${value >= 0 ? "+" : ""}${formatRatio(value)}`;
  return `${format(effect.estimate)} (${formatRatio(effect.confidence)} interval ${format(effect.low)} to ${format(effect.high)})`;
}
