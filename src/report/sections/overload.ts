/** Phases whose windows are overload: under which load they were, what was judged at the usual load, and what was kept for it. */
import { metricOf } from "../../core/metric.ts";
import { significant } from "../../core/units.ts";
import {
  cite,
  countOf,
  describeEffect,
  formatMetric,
  formatReading,
  formatSetDuration,
  neat,
  NOT_MEASURED,
} from "../format.ts";
import { blocks, fold, list, plain, table } from "../markdown-text.ts";
import type { PhaseSummary, TrialSummary } from "../phases.ts";
import type { Summary } from "../summary.ts";
import { pairValues, readArm } from "../windows.ts";

/** Undefined for a phase at the usual load. */
export function overloadLoadText(phase: PhaseSummary, summary: Summary): string | undefined {
  const overload = phase.strategy?.overload;
  if (!overload) return undefined;
  const { factor, windowMs, withinMs } = overload;
  const rate = rateOf(phase);
  const { timeoutMs } = summary.start.event.persona.workload;
  return blocks([
    `**Every window of this phase is overload**, ${neat(significant(factor))} times what the baseline completes in a closed loop${rate === undefined ? "" : `: ${rate} requests/s`}, for ${formatSetDuration(windowMs)} after the warm-up, of requests alone. An answer counts as good when its status is 2xx or 3xx and it is complete within ${formatSetDuration(withinMs ?? timeoutMs)} of being due. Requests that are refused or late are what is measured here, and make no window invalid.`,
    usualLoadText(phase, summary),
  ]);
}

function usualLoadText({ trials }: PhaseSummary, summary: Summary): string {
  if (summary.start.event.persona.constraints.length === 0)
    return "The persona has no constraints, so nothing had to be judged at the usual load.";
  const judged = trials.filter(({ usual }) => usual.windows.length > 0);
  const which =
    judged.length === 0
      ? "None of this phase's candidates was measured there."
      : `${judged
          .map(
            ({ candidate, usual }) =>
              `${plain(candidate.id)} in ${countOf(usual.pairs.length, "pair")} (${cite(usual.windows.map(({ seq }) => seq))})`,
          )
          .join("; ")}.`;
  return `The constraints are about the usual load${usualRate(summary)} and are broken here by design. So they decide nothing in these windows: of a candidate that is proven better they are judged afterwards, in pairs at the usual load. ${which}`;
}

function usualRate({ rate }: Summary): string {
  return rate ? `, ${significant(rate.event.requestsPerSecond)} requests/s,` : "";
}

/** As it was scheduled. */
export function rateOf({ observations, trials }: PhaseSummary): string | undefined {
  const sample =
    observations[0]?.event.sample ?? trials.flatMap(({ block }) => block.windows)[0]?.sample;
  return sample && neat(significant(sample.load.requestsPerSecondTarget));
}

/** Undefined for a trial at the usual load, and where none of it was judged there. */
export function usualBlockText({ usual, constraints }: TrialSummary): string | undefined {
  if (usual.windows.length === 0) return undefined;
  const metrics = constraints.map(({ metric }) => metric);
  const invalid = usual.invalid.map(
    ({ seq, role, sample }) =>
      `${role}, ${cite([seq])}: ${plain(sample.invalidBecause.join("; ") || "no reason given")}`,
  );
  return blocks([
    `At the usual load, ${countOf(usual.pairs.length, "complete pair")} (${cite(usual.windows.map(({ seq }) => seq))}):`,
    metrics.length === 0
      ? "No constraint was judged of them."
      : table(
          ["constraint", "incumbent", "candidate", "pairs", "result"],
          constraints.map(({ metric, ok }) => [
            metricOf(metric).title,
            formatReading(metric, readArm(usual, "incumbent", metric)),
            formatReading(metric, readArm(usual, "candidate", metric)),
            String(pairValues(usual, metric).length),
            ok ? "holds" : "**broken**",
          ]),
        ),
    metrics.length > 0 || invalid.length > 0
      ? fold(
          `Every pair at the usual load, ${countOf(invalid.length, "invalid window")}`,
          blocks([
            metrics.length === 0
              ? undefined
              : table(
                  [
                    "pair",
                    "order",
                    ...metrics.flatMap((metric) => [
                      `${metricOf(metric).title}, incumbent`,
                      "candidate",
                    ]),
                    "source",
                  ],
                  usual.pairs.map(({ order, incumbent, candidate }, index) => [
                    String(index + 1),
                    order.replace("-", " "),
                    ...metrics.flatMap((metric) => [
                      formatMetric(metric, incumbent.sample.metrics[metric]),
                      formatMetric(metric, candidate.sample.metrics[metric]),
                    ]),
                    cite([incumbent.seq, candidate.seq]),
                  ]),
                ),
            invalid.length > 0
              ? `Invalid windows, never averaged in:\n\n${list(invalid)}`
              : undefined,
          ]),
        )
      : undefined,
  ]);
}

/** For the first section, whose goals are at the usual load. Undefined when nothing was kept for what it does under overload. */
export function keptUnderOverload({ phases, basis }: Summary): string | undefined {
  if (basis !== "confirm") return undefined;
  const kept = phases.flatMap((phase) =>
    phase.strategy?.overload
      ? phase.trials.filter(({ verdict }) => verdict === "keep").map((trial) => ({ phase, trial }))
      : [],
  );
  if (kept.length === 0) return undefined;
  const each = kept.map(({ phase, trial }) => {
    const { effect, candidate, seqs, block } = trial;
    const load = `at ${neat(significant(phase.strategy?.overload?.factor ?? 0))} times what the baseline completes`;
    if (!effect) return `${plain(candidate.id)} (${load}): ${NOT_MEASURED}`;
    const { metric } = effect;
    return `${metricOf(metric).title} ${formatReading(metric, readArm(block, "incumbent", metric))} -> ${formatReading(metric, readArm(block, "candidate", metric))} ${load}: ${describeEffect(effect)} (${plain(candidate.id)}, ${cite(seqs)})`;
  });
  return `**Kept under overload**, which the goals at the usual load do not show: ${each.join("; ")}. Proven in the trial's own pairs, not measured again in the confirmation.`;
}
