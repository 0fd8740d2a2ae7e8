/** The gate: base against head, its rules, verdicts and the result that every output is written from. */
import type { EnvironmentFacts } from "./event.ts";
import type { MetricId } from "./metric.ts";
import type { MetricValues } from "./sample.ts";
import type { Slo } from "./slo.ts";
import type { Effect, Pair, Role } from "./trial.ts";

/**
 * pass: a regression of the margin is excluded. fail: a regression of at least the minimum effect is proven, and was confirmed.
 * inconclusive: these pairs can tell neither. invalid: too little could be measured. The incumbent is the base, the candidate the head.
 */
export type GateVerdict = "pass" | "fail" | "inconclusive" | "invalid";

/** One metric that is gated by trials. Distances are ratios (0.05 is 5 %) or differences, by the metric's `compare`. */
export interface GatedMetric {
  readonly metric: MetricId;
  /** 1: CPU time, usable in windows whose latencies are spoilt; 2: latency. */
  readonly tier: 1 | 2;
  /** PASS says that a regression of this size is excluded. */
  readonly margin: number;
  /** FAIL needs an estimate of at least this. */
  readonly minEffect: number;
}

export interface GateRule {
  readonly metrics: readonly GatedMetric[];
  readonly pairsMax: number;
}

export interface MetricVerdict {
  readonly metric: MetricId;
  readonly tier: 1 | 2;
  readonly verdict: GateVerdict;
  readonly margin: number;
  readonly minEffect: number;
  /** Absent when the metric could not be compared. */
  readonly effect?: Effect;
  /** Valid pairs of this metric. */
  readonly pairs: number;
  /** The least regression that this many pairs find 4 times in 5, with this noise. */
  readonly detectable?: number;
  /** Of the fresh block with swapped ports, which only a metric that would fail gets. */
  readonly confirmation?: { readonly confirmed: boolean; readonly effect: Effect };
  /** One or two sentences for a person. */
  readonly detail: string;
}

export type Counter =
  | "statements"
  | "rows"
  | "buffers"
  | "redis-commands"
  | "response-bytes"
  | "errors";

/** One counter of one endpoint that is not the same on both sides. Values are per request. */
export interface CounterFinding {
  readonly counter: Counter;
  readonly endpoint: string;
  /** The statement or the Redis command that grew or shrank; absent for a counter that has no parts. */
  readonly subject?: string;
  readonly base: number;
  readonly head: number;
  /** `noise`: one side differs from itself as much. */
  readonly kind: "regression" | "improvement" | "noise";
  /** One sentence for a person. */
  readonly detail: string;
}

/** Tier 0: exact counters. */
export interface CounterVerdict {
  readonly verdict: GateVerdict;
  /** Regressions first, the greatest first. */
  readonly findings: readonly CounterFinding[];
  readonly endpoints: number;
  /** Requests of one replay of one side. */
  readonly requests: number;
  readonly unmeasured: readonly string[];
  readonly detail: string;
}

export interface SloVerdict {
  readonly slo: Slo;
  readonly verdict: GateVerdict;
  /** In the metric's unit, with a 95 % interval from the spread between windows; absent when it could not be measured. */
  readonly value?: number;
  readonly low?: number;
  readonly high?: number;
  readonly windows: number;
  readonly detail: string;
}

/** One side as the user named it, secrets removed. */
export interface GateSide {
  readonly label: string;
  /** Short commit; absent for a folder outside of git, a command or a URL. */
  readonly commit?: string;
}

/** One window, as it was used or not. */
export interface GateWindow {
  readonly block: "trial" | "confirm";
  readonly pair: number;
  readonly role: Role;
  readonly order: Pair["order"];
  readonly valid: boolean;
  readonly invalidBecause: readonly string[];
  readonly metrics: MetricValues;
}

export interface GateRate {
  readonly requestsPerSecond: number;
  /** One phrase: where the rate comes from. */
  readonly how: string;
  readonly saturationRequestsPerSecond?: number;
}

/** `perfopt-gate/v1`: what `gate --json` prints, and what all other outputs are written from. */
export interface GateResult {
  readonly schema: "perfopt-gate/v1";
  readonly startedAt: string;
  readonly tookMs: number;
  readonly target: string;
  readonly workload: string;
  readonly scale?: string;
  readonly base: GateSide;
  readonly head: GateSide;
  readonly environment: EnvironmentFacts;
  /** How the sides were compared, one sentence. */
  readonly design: string;
  readonly seed: number;
  readonly rate?: GateRate;
  readonly warmupMs: number;
  readonly windowMs: number;
  readonly pairsMax: number;
  readonly verdict: GateVerdict;
  /** Why, one sentence each, the most important first. */
  readonly reasons: readonly string[];
  readonly warnings: readonly string[];
  /** Absent when counters could not be compared; `warnings` says why. */
  readonly counters?: CounterVerdict;
  readonly metrics: readonly MetricVerdict[];
  /** Reported, not gated. */
  readonly watched: readonly Effect[];
  readonly slos: readonly SloVerdict[];
  readonly windows: readonly GateWindow[];
  /** Response times of each side's valid windows: HdrHistogram V2 compressed, base64, microseconds. */
  readonly histograms?: { readonly base: string; readonly head: string };
}

/** What A/A pairs say about one metric on this machine. */
export interface MetricNoise {
  readonly metric: MetricId;
  readonly tier: 1 | 2;
  /** Valid pairs. */
  readonly pairs: number;
  /** Of one pair: standard deviation as a ratio distance or a difference. */
  readonly noise: number;
  /** The A/A effect; an interval without 1 (or 0) means that the arms are not alike. */
  readonly effect: Effect;
  /** The least regression that `pairsMax` pairs find 4 times in 5. */
  readonly detectable: number;
  readonly margin: number;
  /** To find a regression of the margin 4 times in 5, and to exclude it as often when there is none; Infinity is written as null. */
  readonly pairsForMargin: number | null;
  readonly msForMargin: number | null;
  /** Whether the margin can be seen within `pairsMax` pairs. */
  readonly ok: boolean;
}

/** `perfopt-self-test/v1`: what `gate --self-test --json` prints. */
export interface SelfTestResult {
  readonly schema: "perfopt-self-test/v1";
  readonly startedAt: string;
  readonly tookMs: number;
  readonly target: string;
  readonly workload: string;
  readonly scale?: string;
  readonly side: GateSide;
  readonly environment: EnvironmentFacts;
  readonly seed: number;
  readonly rate: GateRate;
  readonly warmupMs: number;
  readonly windowMs: number;
  readonly pairsMax: number;
  /** What one pair took, restarts included, mean. */
  readonly msPerPair: number;
  readonly counters?: CounterVerdict;
  readonly metrics: readonly MetricNoise[];
  readonly windows: readonly GateWindow[];
  readonly verdict: GateVerdict;
  readonly reasons: readonly string[];
}
