/** How requests are shared among processes: which settings are worth a trial together, and what speaks for each. */
import type { KnobValue } from "../../../core/knob.ts";
import type { MetricValues } from "../../../core/sample.ts";
import { formatDuration, significant } from "../../../core/units.ts";

export type BalanceRole =
  | "balancing"
  | "sticky-sessions"
  | "health-check-interval"
  | "keep-alive"
  | "gateway";

export interface BalanceSettings {
  readonly processes: number;
  readonly balancing: string | undefined;
  readonly algorithms: readonly string[];
  readonly sticky: boolean | undefined;
  readonly keepAlive: boolean | undefined;
  readonly healthIntervalMs: number | undefined;
  readonly gateway: string | undefined;
  readonly gateways: readonly string[];
}

/** The strategy's hypotheses. */
export interface BalancePresets {
  readonly balancing: string;
  readonly sticky: boolean;
  readonly healthIntervalMs: number;
  readonly gateway: string;
}

export interface BalancePolicy {
  readonly set: Readonly<Partial<Record<BalanceRole, KnobValue>>>;
  readonly hypothesis: string;
  readonly facts: readonly string[];
}

/** A dead process is out after this many checks at most. */
const CHECKS_TO_EJECT = 2;

/**
 * In the order of their trials: the algorithm with what it needs; without stickiness alone, should the algorithm be what failed;
 * connections kept; the other gateway. The health check never alone: no process dies under a trial's steady load, so that only
 * its cost would be measured; it goes with the first, where that cost is part of what is proven.
 */
export function balancePolicies(
  settings: BalanceSettings,
  presets: BalancePresets,
  metrics: MetricValues,
): readonly BalancePolicy[] {
  const evenness = evennessInWords(metrics);
  const algorithm = wantedAlgorithm(settings, presets);
  const loose = settings.sticky === true && !presets.sticky;
  const health = healthPolicy(settings, presets);
  const policies: BalancePolicy[] = [];
  if (algorithm !== undefined) {
    policies.push({
      set: {
        balancing: algorithm,
        ...(loose ? { "sticky-sessions": false } : {}),
        ...(health ? { "health-check-interval": presets.healthIntervalMs } : {}),
      },
      hypothesis: `${algorithm} instead of ${settings.balancing ?? "the present order"}${loose ? " without sticky sessions" : ""} keeps requests from queueing behind slow ones`,
      facts: [evenness, ...(loose ? [STICKY] : []), ...(health ? [health] : [])],
    });
  }
  if (loose) {
    policies.push({
      set: { "sticky-sessions": false },
      hypothesis: `requests that may go to any process wait less than those tied to one`,
      facts: [evenness, STICKY],
    });
  }
  return [...policies, ...connectionPolicies(settings, presets, evenness)];
}

const STICKY =
  "while sessions are sticky a client's requests stay with one process whatever the algorithm; without, the service must keep nothing of a client in its memory";

function connectionPolicies(
  settings: BalanceSettings,
  presets: BalancePresets,
  evenness: string,
): readonly BalancePolicy[] {
  const policies: BalancePolicy[] = [];
  if (settings.keepAlive === false) {
    policies.push({
      set: { "keep-alive": true },
      hypothesis: "connections to the processes that are kept save opening one for each request",
      facts: [evenness],
    });
  }
  const { gateway, gateways } = settings;
  if (gateway !== undefined && gateway !== presets.gateway && gateways.includes(presets.gateway)) {
    policies.push({
      set: { gateway: presets.gateway },
      hypothesis: `${presets.gateway} takes less time and CPU for each request than the ${gateway} gateway`,
      facts: [evenness, `the target offers ${gateways.join(" and ")}`],
    });
  }
  return policies;
}

function wantedAlgorithm(
  { balancing, algorithms }: BalanceSettings,
  presets: BalancePresets,
): string | undefined {
  if (balancing === undefined || balancing === presets.balancing) return undefined;
  return algorithms.includes(presets.balancing) ? presets.balancing : undefined;
}

/** What another interval means; undefined when there is nothing to say. */
export function healthPolicy(
  { healthIntervalMs, processes }: BalanceSettings,
  presets: BalancePresets,
): string | undefined {
  if (healthIntervalMs === undefined || healthIntervalMs <= presets.healthIntervalMs) {
    return undefined;
  }
  const checks = (processes * 1_000) / presets.healthIntervalMs;
  return (
    `health checks every ${formatDuration(presets.healthIntervalMs)} instead of ${formatDuration(healthIntervalMs)}: a dead process is out ` +
    `after ${outAfter(presets.healthIntervalMs)} at most, not ${outAfter(healthIntervalMs)}, for ${significant(checks)} checks/s; steady load, in which none dies, shows their cost alone`
  );
}

function outAfter(intervalMs: number): string {
  return formatDuration(CHECKS_TO_EJECT * intervalMs);
}

/** `Jain index 0.998, p99 of the slowest process 1.40 times that of the fastest`. */
export function evennessInWords(metrics: MetricValues): string {
  const { "balance.jainIndex": jain, "balance.p99Spread": spread } = metrics;
  if (jain === undefined && spread === undefined) {
    return "how evenly the processes are used was not measured";
  }
  const facts = [
    jain === undefined ? undefined : `Jain index of the processes' requests ${significant(jain)}`,
    spread === undefined
      ? undefined
      : `p99 of the slowest process ${significant(spread)} times that of the fastest`,
  ];
  return facts.filter((fact) => fact !== undefined).join(", ");
}
