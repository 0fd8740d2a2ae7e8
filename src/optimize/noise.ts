/** The A/A block: the incumbent on both arms, to know what this machine can tell apart before anything is tried. */
import type { Pair } from "../core/trial.ts";
import { PerfoptError } from "../core/errors.ts";
import { fixedEffects, noiseOf } from "../decide/noise.ts";
import { NOISE_PAIRS } from "../plan.ts";
import { measurePair } from "./pairs.ts";
import type { Run, RunState } from "./run.ts";

/** Measures A/A pairs and journals them; returns the smallest relative change that a trial could prove. */
export async function measureNoise(run: Run, state: RunState): Promise<number> {
  await run.bench.setArm("candidate", []);
  const pairs = await measurePairs(run, state, "noise", NOISE_PAIRS);
  const objective = firstObjective(run);
  const { noiseFloor, detectable } = noiseOf(pairs, objective, run.plan.pairsMax);
  await run.journal.append({
    type: "noise-measured",
    effects: fixedEffects(pairs, run.watched),
    detectable,
    pairs: pairs.length,
  });
  return noiseFloor;
}

/** A fixed number of valid pairs. Throws cannot-measure when too many windows are invalid. */
export async function measurePairs(
  run: Run,
  state: RunState,
  block: string,
  count: number,
): Promise<readonly Pair[]> {
  const pairs: Pair[] = [];
  let reasons: readonly string[] = [];
  for (let index = 0; pairs.length < count; index += 1) {
    if (index > 0 && index % run.limits.restartEveryPairs === 0) await run.bench.restartArms();
    run.say(
      `${block === "noise" ? "A/A noise" : "confirming"}: pair ${pairs.length + 1} of ${count}`,
    );
    const result = await measurePair(run, state, block, index);
    if (result.kind === "pair") pairs.push(result.pair);
    else reasons = result.sample.invalidBecause;
    if (index + 1 - pairs.length > run.limits.invalidPairsMax) {
      throw new PerfoptError(
        "cannot-measure",
        `${index + 1 - pairs.length} of ${index + 1} pairs of the ${block} block were invalid: ${reasons.join("; ")}`,
        "close other programs, lower workload.rate in the persona, or use a machine with more cores",
      );
    }
  }
  return pairs;
}

function firstObjective(run: Run) {
  const strategy = run.persona.strategies.find((each) => each.tuner !== undefined);
  if (!strategy) {
    throw new PerfoptError(
      "bad-input",
      `persona ${run.persona.name} has no strategy that this version can run`,
      "run `perfopt personas list` to see what can",
    );
  }
  return strategy.objective;
}
