/** One trial on simulated windows, straight through the judge: interleaved pairs until there is a verdict. */
import type { MetricValues, Sample } from "../src/core/sample.ts";
import type { Pair, Role } from "../src/core/trial.ts";
import { judge, type Judgement, type Rule } from "../src/decide/judge.ts";
import { orderOf } from "../src/decide/order.ts";
import { defaultLimits } from "../src/optimize/run.ts";
import { createNoise, type NoiseSettings } from "./noise.ts";
import { makeSample } from "./samples.ts";

const ROLES: readonly Role[] = ["incumbent", "candidate"];

interface SimulatedTrial {
  readonly truth: Readonly<Record<Role, MetricValues>>;
  readonly noise: NoiseSettings;
  readonly seed: number;
}

interface JudgedTrial {
  readonly judgement: Extract<Judgement, { kind: "decided" }>;
  readonly pairs: readonly Pair[];
}

export function simulatedTrial(trial: SimulatedTrial & { readonly rule: Rule }): JudgedTrial {
  const next = simulatedPairs(trial);
  const pairs: Pair[] = [];
  for (;;) {
    pairs.push(next());
    const judgement = judge(pairs, trial.rule);
    if (judgement.kind === "decided") return { judgement, pairs };
  }
}

/** Pairs without end, on processes that are started afresh as often as the loop does. */
export function simulatedPairs({ truth, noise, seed }: SimulatedTrial): () => Pair {
  const source = createNoise(noise, seed);
  let offsets = { incumbent: source.startProcess(), candidate: source.startProcess() };
  let index = 0;
  return () => {
    if (index > 0 && index % defaultLimits.restartEveryPairs === 0) {
      offsets = { incumbent: source.startProcess(), candidate: source.startProcess() };
    }
    const order = orderOf(seed, "simulated", index);
    index += 1;
    const samples: Partial<Record<Role, Sample>> = {};
    for (const role of order === "incumbent-first" ? ROLES : ROLES.toReversed()) {
      samples[role] = makeSample(source.window(truth[role], offsets[role]));
    }
    const { incumbent, candidate } = samples;
    if (!incumbent || !candidate) throw new Error("a pair has two samples");
    return { order, incumbent, candidate };
  };
}
