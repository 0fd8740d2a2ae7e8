/** The gate: count exactly, then compare by interleaved pairs until every metric is decided, then confirm what failed. */
import type { CounterVerdict, GateResult, MetricVerdict, SloVerdict } from "../core/gate.ts";
import { metricOf } from "../core/metric.ts";
import type { Slo } from "../core/slo.ts";
import type { Effect, Role } from "../core/trial.ts";
import { judgeConfirmation } from "../decide/confirmation.ts";
import { judgeGate } from "../decide/gate.ts";
import { fixedEffects } from "../decide/noise.ts";
import { overallVerdict } from "../decide/overall.ts";
import { judgeSlo } from "../decide/slo.ts";
import type { GatePair } from "../decide/usable.ts";
import { PAIRS_LEAST } from "../decide/gate-bounds.ts";
import { measureBlock } from "./block.ts";
import { compareCounters } from "./counters.ts";
import { chooseRate } from "./rate.ts";
import type { GateRun, GateState } from "./run.ts";

/** What a gate found out; who compared what, where and when is its caller's to add. */
export type GateFindings = Pick<
  GateResult,
  | "verdict"
  | "reasons"
  | "warnings"
  | "counters"
  | "metrics"
  | "watched"
  | "slos"
  | "windows"
  | "rate"
>;

/** Throws cannot-measure for a base that cannot be loaded, interrupted when the signal aborts, and what the arms throw. */
export async function gate(run: GateRun): Promise<GateFindings> {
  const state: GateState = { windows: [], rate: undefined, nextSeed: run.seed, generation: 0 };
  const counters = await compareCounters(run);
  if (counters?.verdict === "fail" && !run.keepGoing) {
    const skipped =
      "the trials were left out, since counters have failed already; --keep-going measures them too";
    return concluded(run, state, { counters, metrics: [], pairs: [], warnings: [skipped] });
  }
  state.rate = await chooseRate(run);
  const trial = await measureBlock(run, state, "trial", (pairs, ended) =>
    judgeGate(pairs, run.rule, ended),
  );
  const metrics = await confirmed(run, state, trial.decided.metrics);
  return concluded(run, state, { counters, metrics, pairs: trial.pairs, warnings: [] });
}

/** A proven regression is believed when it is there again, on fresh processes with swapped ports. */
async function confirmed(
  run: GateRun,
  state: GateState,
  metrics: readonly MetricVerdict[],
): Promise<readonly MetricVerdict[]> {
  if (metrics.every(({ verdict }) => verdict !== "fail")) return metrics;
  const block = await measureBlock(run, state, "confirm", (pairs, ended) =>
    judgeConfirmation(pairs, metrics, run.rule, ended),
  );
  return block.decided.metrics;
}

interface Measured {
  readonly counters: CounterVerdict | undefined;
  readonly metrics: readonly MetricVerdict[];
  readonly pairs: readonly GatePair[];
  readonly warnings: readonly string[];
}

function concluded(run: GateRun, state: GateState, measured: Measured): GateFindings {
  const { counters, metrics, pairs } = measured;
  const { slos, warnings } = judgeSlos(run, pairs);
  return {
    ...overallVerdict(counters, metrics, slos),
    warnings: [
      ...measured.warnings,
      ...oneGeneration(run, pairs),
      ...warnings,
      ...(counters?.unmeasured ?? []).map(notCounted),
    ],
    ...(counters ? { counters } : {}),
    metrics,
    watched: watchedOf(run, pairs),
    slos,
    windows: state.windows,
    ...(state.rate ? { rate: state.rate } : {}),
  };
}

function oneGeneration({ arms }: GateRun, pairs: readonly GatePair[]): readonly string[] {
  if (arms.restartArms || pairs.length === 0) return [];
  return [
    "perfopt did not start these services, so all pairs share one process a side: what differs between two starts of one build is in the comparison, and makes its intervals wider",
  ];
}

function notCounted(what: string): string {
  return `not counted: ${what}`;
}

/** Without pairs there is nothing to hold a limit against: the counters have decided by themselves. */
function judgeSlos(
  run: GateRun,
  pairs: readonly GatePair[],
): { readonly slos: readonly SloVerdict[]; readonly warnings: readonly string[] } {
  if (pairs.length === 0) return { slos: [], warnings: [] };
  const of = (slo: Slo, role: Role) =>
    judgeSlo(
      slo,
      pairs.map((pair) => pair[role]),
    );
  const own = run.slos.map((slo) => of(slo, "candidate"));
  const warnings: string[] = [];
  const shared = run.sharedSlos.map((slo) => {
    const head = of(slo, "candidate");
    if (head.verdict !== "fail" || of(slo, "incumbent").verdict === "pass") return head;
    warnings.push(
      `${slo.text} of the persona is missed by the base too, so that this change is not to blame: ${metricOf(slo.metric).title} of the head: ${head.detail}`,
    );
    return { ...head, verdict: "inconclusive" as const };
  });
  return { slos: [...own, ...shared], warnings };
}

function watchedOf(run: GateRun, pairs: readonly GatePair[]): readonly Effect[] {
  const gated = new Set(run.rule.metrics.map(({ metric }) => metric));
  const valid = pairs.filter(({ incumbent, candidate }) => incumbent.valid && candidate.valid);
  if (valid.length < PAIRS_LEAST) return [];
  return fixedEffects(
    valid,
    run.watched.filter((metric) => !gated.has(metric)),
  );
}
