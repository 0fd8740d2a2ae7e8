/** The result of `perfopt bench`: one version of a service, measured in several windows; what compare and history read. */
import type { EnvironmentFacts } from "./event.ts";
import type { GateSide, SloVerdict } from "./gate.ts";
import type { MetricId } from "./metric.ts";
import type {
  EndpointResult,
  MetricValues,
  ServerSide,
  TaskResult,
  TimelinePoint,
  ValidityCheck,
} from "./sample.ts";

/** A metric over the valid windows: their median, and a 95 % interval for it from the spread between windows. */
export interface MetricSummary {
  readonly value: number;
  /** Absent with fewer than 3 windows. */
  readonly low?: number;
  readonly high?: number;
  readonly windows: number;
}

export interface BenchWindow {
  readonly seed: number;
  readonly valid: boolean;
  readonly invalidBecause: readonly string[];
  readonly checks: readonly ValidityCheck[];
  readonly metrics: MetricValues;
  readonly requests: number;
  readonly errors: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly timeline?: readonly TimelinePoint[];
  /** Of the workload's bulk work, where there is some and it was not left out. */
  readonly tasks?: readonly TaskResult[];
  readonly server?: ServerSide;
}

/** Over all valid windows, from merged histograms. */
export type EndpointSummary = EndpointResult;

/** The most load that holds the SLOs. */
export interface LimitResult {
  readonly unit: "requests/s" | "users";
  /** The highest load shown to hold. Absent: not even the lowest that was tried did. */
  readonly holds?: number;
  /** The lowest load shown not to hold. Absent: nothing up to the highest that was tried broke. */
  readonly breaks?: number;
  /** Best guess between the two. */
  readonly estimate: number;
  readonly probes: readonly LimitProbe[];
  readonly detail: string;
}

export interface LimitProbe {
  readonly load: number;
  readonly outcome: "holds" | "breaks" | "unclear" | "invalid";
  /** One phrase: which SLO decided. */
  readonly why: string;
  readonly metrics: MetricValues;
}

/** What was sent. */
export interface BenchLoad {
  readonly kind: "open" | "users";
  readonly arrivals: "constant" | "poisson";
  /** Requests (or sessions) a second, mean; for users, their number. */
  readonly amount: number;
  /** One phrase: where the amount comes from. */
  readonly how: string;
  /** `flat`, `ramp`, `steps`, `spike`, `soak`. */
  readonly scenario: string;
  readonly warmupMs: number;
  readonly windowMs: number;
}

/** `perfopt-result/v1`: what `bench --json` and `bench --output` write. */
export interface BenchResult {
  readonly schema: "perfopt-result/v1";
  readonly startedAt: string;
  readonly tookMs: number;
  readonly target: string;
  readonly workload: string;
  readonly scale?: string;
  readonly side: GateSide;
  readonly environment: EnvironmentFacts;
  readonly seed: number;
  readonly load: BenchLoad;
  readonly metrics: Readonly<Partial<Record<MetricId, MetricSummary>>>;
  readonly endpoints: readonly EndpointSummary[];
  /** Of all valid windows: HdrHistogram V2 compressed, base64, microseconds. */
  readonly histograms?: {
    readonly response: string;
    readonly service: string;
    readonly lag: string;
  };
  readonly windows: readonly BenchWindow[];
  readonly slos: readonly SloVerdict[];
  readonly limit?: LimitResult;
  readonly warnings: readonly string[];
}
