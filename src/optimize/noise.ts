/** The A/A block: the incumbent on both arms, to know what this machine can tell apart before anything is tried. */
import { metricOf, type MetricId } from "../core/metric.ts";
import type { Strategy } from "../core/persona.ts";
import type { Pair } from "../core/trial.ts";
import { PerfoptError } from "../core/errors.ts";
import { fixedEffects, noiseOf } from "../decide/noise.ts";
import { NOISE_PAIRS } from "../plan.ts";
import { measurePair, windowOf } from "./pairs.ts";
import type { Run, RunState } from "./run.ts";

/** Measures A/A pairs and journals them; returns them. Throws cannot-measure when no phase's objective is known of them. */
export async function measureNoise(run: Run, state: RunState): Promise<readonly Pair[]> {
  await run.bench.setArm("candidate", []);
  const pairs = await measurePairs(run, state, "noise", NOISE_PAIRS);
  checkConstraints(run, pairs);
  const objective = shownObjective(run, pairs);
  await run.journal.append({
    type: "noise-measured",
    objective,
    effects: fixedEffects(pairs, run.watched),
    detectable: noiseOf(pairs, objective, run.plan.pairsMax).detectable,
    pairs: pairs.length,
  });
  return pairs;
}

/** What A/A pairs show of a phase's objective: relative for ratios, in its own unit for differences; 0 where they do not show it, as under overload. */
export function noiseFloorOf(run: Run, state: RunState, { objective, overload }: Strategy): number {
  return !overload && shows(state.noise, objective)
    ? noiseOf(state.noise, objective, run.plan.pairsMax).noiseFloor
    : 0;
}

/** A fixed number of valid pairs, with all of the workload's tasks. Throws cannot-measure when too many windows are invalid. */
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
    run.say(`${titleOf(block)}: pair ${pairs.length + 1} of ${count}`);
    const window = { ...windowOf(run, state), tasks: "all" as const };
    const result = await measurePair(run, state, { name: block, window }, index);
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

function titleOf(block: string): string {
  if (block === "noise") return "A/A noise";
  return block === "confirm" ? "confirming" : `${block}, at the usual load`;
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

/**
 * That of the first phase whose objective all windows have; of the first phase at all when none has, which then throws. Phases under
 * overload have objectives of their own: where there are only such, the persona's are shown.
 */
function shownObjective(run: Run, pairs: readonly Pair[]): MetricId {
  const strategies = run.plan.phases
    .filter(({ tuner }) => tuner !== undefined)
    .flatMap(({ name }) => run.persona.strategies.find((strategy) => strategy.name === name) ?? []);
  const usual = strategies.filter(({ overload }) => !overload);
  const objectives =
    usual.length > 0
      ? usual.map(({ objective }) => objective)
      : [
          ...run.persona.objectives.map(({ metric }) => metric),
          ...strategies.map(({ objective }) => objective),
        ];
  const [first] = objectives;
  if (first === undefined) {
    throw new PerfoptError(
      "bad-input",
      `persona ${run.persona.name} has no strategy that this version can run`,
      "run `perfopt personas list` to see what can",
    );
  }
  return objectives.find((objective) => shows(pairs, objective)) ?? first;
}

function shows(pairs: readonly Pair[], metric: MetricId): boolean {
  return (
    pairs.length > 0 &&
    pairs.every(
      ({ incumbent, candidate }) =>
        incumbent.metrics[metric] !== undefined && candidate.metrics[metric] !== undefined,
    )
  );
}
