/** The gate's verdict over all tiers, and why. */
import type {
  CounterFinding,
  CounterVerdict,
  GateVerdict,
  MetricVerdict,
  SloVerdict,
} from "../core/gate.ts";
import { isBetter } from "./noise.ts";
import { effectInWords } from "./words.ts";

interface Overall {
  readonly verdict: GateVerdict;
  /** A sentence or two each, the most important first. */
  readonly reasons: readonly string[];
}

/** What decides when verdicts differ: a proven regression, then what could not be measured, then what could not be told. */
const GRAVEST_FIRST: readonly GateVerdict[] = ["fail", "invalid", "inconclusive", "pass"];
/** Of each kind; the rest is counted, and is in the findings. */
const FINDINGS_MOST = 5;

/** Nothing measured at all is invalid. Improvements are told and never fail. */
export function overallVerdict(
  counters: CounterVerdict | undefined,
  metrics: readonly MetricVerdict[],
  slos: readonly SloVerdict[],
): Overall {
  const trials = [...metrics, ...slos];
  const parts = [...(counters ? [counters] : []), ...trials];
  const verdict = GRAVEST_FIRST.find((each) => parts.some((part) => part.verdict === each));
  if (!verdict) {
    return { verdict: "invalid", reasons: ["Nothing was compared, so nothing can pass."] };
  }
  const detailsOf = (from: typeof parts, wanted: GateVerdict) =>
    from.filter((part) => part.verdict === wanted).map(({ detail }) => detail);
  return {
    verdict,
    reasons: [
      ...findingsInWords(counters, "regression"),
      ...detailsOf(trials, "fail"),
      ...detailsOf(parts, "invalid"),
      ...detailsOf(parts, "inconclusive"),
      ...metrics.flatMap(betterInWords),
      ...findingsInWords(counters, "improvement"),
      ...(verdict === "pass" ? detailsOf(parts, "pass") : []),
    ],
  };
}

function findingsInWords(
  counters: CounterVerdict | undefined,
  kind: CounterFinding["kind"],
): readonly string[] {
  const found = counters?.findings.filter((each) => each.kind === kind) ?? [];
  const more = found.length - FINDINGS_MOST;
  return [
    ...found.slice(0, FINDINGS_MOST).map(({ detail }) => detail),
    ...(more > 0 ? [`${more} more counters ${kind === "regression" ? "grew" : "fell"}.`] : []),
  ];
}

/** A pass says so itself. */
function betterInWords({ verdict, effect }: MetricVerdict): readonly string[] {
  if (verdict === "pass" || !effect || !isBetter(effect)) return [];
  return [`Better: ${effectInWords(effect)}.`];
}
