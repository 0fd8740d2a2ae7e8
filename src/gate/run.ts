/** What one gate works with: the arms, the rule, the load, and the limits of every loop. */
import type { GateRate, GateRule, GateWindow } from "../core/gate.ts";
import type { Clock, GateArms } from "../core/ports.ts";
import type { MetricId } from "../core/metric.ts";
import type { PersonaWorkload } from "../core/persona.ts";
import type { ReplayRequest } from "../core/replay.ts";
import type { Sample } from "../core/sample.ts";
import type { Slo } from "../core/slo.ts";

export interface GateRun {
  readonly arms: GateArms;
  readonly rule: GateRule;
  /** Reported beside the gated metrics. */
  readonly watched: readonly MetricId[];
  /** Limits that the head has to hold, whatever the base does. */
  readonly slos: readonly Slo[];
  /** Limits that the head has to hold where the base does. */
  readonly sharedSlos: readonly Slo[];
  readonly load: Pick<PersonaWorkload, "arrivals" | "rate" | "warmupMs" | "windowMs">;
  /** Of tier 0; undefined: do not count. */
  readonly replay: Omit<ReplayRequest, "seed"> | undefined;
  /** Go on to the trials after counters have failed. */
  readonly keepGoing: boolean;
  readonly seed: number;
  readonly limits: GateLimits;
  readonly clock: Clock;
  /** By the clock: no pair begins after it. */
  readonly deadline: number;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
  /** Every measured window, as soon as it is. */
  readonly onWindow: (window: GateWindow, sample: Sample) => void;
}

export interface GateLimits {
  /** Fresh processes after this many pairs: what differs between two starts of one build must not look like a difference between builds. */
  readonly restartEveryPairs: number;
  /** Pairs that no metric could use, in one block, before the block ends; they also have to be the most of its pairs. */
  readonly unusablePairsMax: number;
  /** Replays of each side. */
  readonly replays: number;
}

/** What changes while a gate goes on. */
export interface GateState {
  readonly windows: GateWindow[];
  rate: GateRate | undefined;
  nextSeed: number;
  /** Counts how often both sides got fresh processes. */
  generation: number;
}
