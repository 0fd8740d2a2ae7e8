/** The gate's self-test: one build on both sides, to see what this machine can tell apart. */
import type { CounterVerdict, GateVerdict, MetricNoise, SelfTestResult } from "../core/gate.ts";
import { PerfoptError } from "../core/errors.ts";
import { metricOf } from "../core/metric.ts";
import { noiseForGate } from "../decide/self-test.ts";
import { distanceInWords } from "../decide/words.ts";
import type { GatePair } from "../decide/usable.ts";
import { compareCounters } from "./counters.ts";
import { freshProcesses } from "./block.ts";
import { measurePair } from "./pairs.ts";
import { chooseRate } from "./rate.ts";
import type { GateRun, GateState } from "./run.ts";

export type SelfTestFindings = Pick<
  SelfTestResult,
  "counters" | "metrics" | "windows" | "rate" | "msPerPair" | "verdict" | "reasons"
>;

/** Throws what `gate` throws. */
export async function selfTest(run: GateRun, pairCount: number): Promise<SelfTestFindings> {
  const state: GateState = { windows: [], rate: undefined, nextSeed: run.seed, generation: 0 };
  const counters = await compareCounters(run);
  const rate = await chooseRate(run);
  state.rate = rate;
  const startedAt = run.clock.now();
  const pairs = await measurePairs(run, state, pairCount);
  const msPerPair = (run.clock.now() - startedAt) / pairs.length;
  const metrics: MetricNoise[] = [];
  const unmeasured: string[] = [];
  for (const gated of run.rule.metrics) {
    try {
      metrics.push(noiseForGate(pairs, gated, run.rule, msPerPair));
    } catch (error) {
      // One metric that this target lacks must not hide what the others say.
      if (!(error instanceof PerfoptError) || error.code !== "cannot-measure") throw error;
      unmeasured.push(error.message);
    }
  }
  return {
    ...(counters ? { counters } : {}),
    rate,
    msPerPair,
    metrics,
    windows: state.windows,
    ...verdictOf(counters, metrics, unmeasured),
  };
}

async function measurePairs(
  run: GateRun,
  state: GateState,
  count: number,
): Promise<readonly GatePair[]> {
  const pairs: GatePair[] = [];
  while (pairs.length < count) {
    if (pairs.length > 0 && run.clock.now() >= run.deadline) break;
    if (pairs.length % run.limits.restartEveryPairs === 0) await freshProcesses(run, state);
    run.say(`one build against itself: pair ${pairs.length + 1} of ${count}`);
    pairs.push(await measurePair(run, state, "trial", pairs.length, state.generation));
  }
  return pairs;
}

/** Fails when one build differs from itself: then every verdict of a gate here would be about the machine. */
function verdictOf(
  counters: CounterVerdict | undefined,
  metrics: readonly MetricNoise[],
  unmeasured: readonly string[],
): { readonly verdict: GateVerdict; readonly reasons: readonly string[] } {
  const unlike = counters?.verdict === "fail" ? [counters.detail] : [];
  const blind = metrics.filter(({ ok }) => !ok);
  const reasons = [
    ...unlike.map((detail) => `One build does not count like itself: ${detail}`),
    ...unmeasured.map((message) => `Not measured: ${message}.`),
    ...blind.map(
      ({ metric, margin, detectable }) =>
        `${metricOf(metric).title}: a margin of ${distanceInWords(metric, margin)} is below what this machine can see, ${distanceInWords(metric, detectable)}.`,
    ),
  ];
  if (unlike.length > 0) return { verdict: "fail", reasons };
  if (unmeasured.length > 0) return { verdict: "invalid", reasons };
  return { verdict: blind.length > 0 ? "inconclusive" : "pass", reasons };
}
