/** The interfaces to the world: the loop knows the target, the load and the journal only through these. */
import type { RunEvent } from "./event.ts";
import type { Change, KnobValue } from "./knob.ts";
import type { TargetView } from "./observation.ts";
import type { Replay, ReplayRequest } from "./replay.ts";
import type { Sample } from "./sample.ts";
import type { RateSegment } from "./scenario.ts";
import type { Role } from "./trial.ts";
import type { ThinkTime } from "./workload.ts";

export interface WindowRequest {
  readonly role: Role;
  /** Both arms of a pair get the same seed, and so the same requests. */
  readonly seed: number;
  readonly requestsPerSecond: number;
  readonly arrivals: "constant" | "poisson";
  readonly warmupMs: number;
  readonly windowMs: number;
  /** The rate over the window, where it changes; `requestsPerSecond` is then its mean. */
  readonly segments?: readonly RateSegment[];
  /** A closed loop of so many users instead of arrivals. */
  readonly users?: { readonly count: number; readonly think: ThinkTime };
  /**
   * Load beyond what the service can do, on purpose: requests that fail, are refused or come late are what is measured, and make no
   * window invalid; what the generator and the machine did still counts. A good answer is in time when it is complete so long after its due time.
   */
  readonly overload?: { readonly withinMs: number };
  /** Which of the workload's tasks are done beside the requests: `all`, or these by name; absent: none. */
  readonly tasks?: "all" | readonly string[];
  /** Length of the timeline's pieces; absent: no timeline. */
  readonly timelineMs?: number;
}

/** The arms of a run. Only one is under load at a time. */
export interface Bench {
  /** Puts an arm at the run's baseline plus these changes, in order; restarts what has to be. */
  setArm(role: Role, changes: readonly Change[]): Promise<void>;
  /** Fresh processes on both arms, the changes as they are, ports swapped. */
  restartArms(): Promise<void>;
  /** One window of open-loop load on one arm. */
  sample(request: WindowRequest): Promise<Sample>;
  /** The most requests per second that an arm, the incumbent if none is named, completes in a closed loop. */
  saturate(seed: number, role?: Role): Promise<number>;
  /** One window on the incumbent with everything that tuners may look at. */
  observe(request: Omit<WindowRequest, "role">): Promise<TargetView>;
}

/** Two versions of a service, or the same one twice: what the gate measures. The base is the incumbent, the head the candidate. */
export interface GateArms {
  /** One phrase, for results. */
  readonly design: string;
  /** Fresh processes on both arms, ports swapped. Undefined for services that perfopt did not start. */
  readonly restartArms: (() => Promise<void>) | undefined;
  sample(request: WindowRequest): Promise<Sample>;
  /** The most requests per second that the base completes in a closed loop. */
  saturate(seed: number): Promise<number>;
  /** The same requests, one after another, on fresh processes and an empty Redis. Undefined where nothing can be counted. */
  readonly replay: ((role: Role, request: ReplayRequest) => Promise<Replay>) | undefined;
}

/** The real target, changed only by what was proven. */
export interface Target {
  /** The values of all knobs as the run found them. */
  readonly baselineValues: Readonly<Record<string, KnobValue>>;
  /** Applies a change and verifies it; says what was verified. Throws when it did not take, with nothing left half done. */
  apply(change: Change): Promise<string>;
  /** Undoes a change; idempotent, and safe for a change that was never applied. */
  revert(change: Change): Promise<string>;
}

export interface Journal {
  /** Returns when the event is on disk. */
  append(event: RunEvent): Promise<void>;
}

/** Time, as the loop may know it. */
export interface Clock {
  /** Milliseconds from any fixed point. */
  now(): number;
}
