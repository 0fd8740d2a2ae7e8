/** The A/A block: the incumbent on both arms, to know what this machine can tell apart before anything is tried. */
import { metricOf } from "../core/metric.ts";
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
  checkConstraints(run, pairs);
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

/** A constraint on a metric that nobody reports would discard every candidate, after hours of load: said at once instead. */
function checkConstraints(run: Run, pairs: readonly Pair[]): void {
  const missing = run.persona.constraints
    .map(({ metric }) => metric)
    .filter((metric) => pairs.every(({ incumbent }) => incumbent.metrics[metric] === undefined));
  if (missing.length === 0) return;
  throw new PerfoptError(
    "bad-input",
    `persona ${run.persona.name} has a constraint on ${missing.join(", ")}, which this target does not report`,
    `take the constraint out of the persona, or make it measurable (${missing.map((metric) => metricOf(metric).source).join("; ")})`,
  );
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
