/** What tuners see: a read-only view of the target under load, and the history of their own phase. */
import type { CacheTrace } from "./cache-trace.ts";
import type { Change, Knob, KnobRole, KnobValue } from "./knob.ts";
import type { Constraint, Strategy } from "./persona.ts";
import type { PlannerServer, Query } from "./planner.ts";
import type { Sample, StatementStats } from "./sample.ts";
import type { StructurePlan, StructureProof } from "./structure.ts";
import type { Candidate, Decision } from "./trial.ts";

/** Read access to the incumbent arm's database, and what-if planning for it. Every statement has a timeout. */
export interface DatabaseView {
  /** Runs in a read-only transaction. `parameters` are bound, never pasted. */
  readonly query: Query;
  /** Several queries that see one moment, in one read-only transaction. */
  together<T>(use: (query: Query) => Promise<T>): Promise<T>;
  /** A private planner server of the same major version as the database; gone when `use` returns or throws. */
  withPlanner<T>(use: (server: PlannerServer) => Promise<T>): Promise<T>;
  /**
   * Tries plans for another structure on a copy of the data, which is gone afterwards. Absent where no copy may be made. Plans that did
   * not fit into `limitMs` come back as failed.
   */
  readonly prove?: (
    plans: readonly StructurePlan[],
    limitMs: number,
  ) => Promise<readonly StructureProof[]>;
}

export interface RedisStats {
  readonly maxmemoryBytes: number;
  readonly policy: string;
  readonly usedBytes: number;
  readonly datasetBytes: number;
  readonly keys: number;
  readonly evictedInWindow: number;
  readonly expiredInWindow: number;
  readonly hitsInWindow: number;
  readonly missesInWindow: number;
  /** What its eviction depends on; absent where CONFIG may not be read. */
  readonly settings?: RedisSettings;
}

export interface RedisSettings {
  readonly version: string;
  readonly maxmemorySamples: number;
  readonly lfuLogFactor: number;
  readonly lfuDecayMinutes: number;
  /** Used before any key was stored. */
  readonly startupBytes: number;
  readonly keysWithTtl: number;
  /** Allocator, as INFO names it: `jemalloc-5.3.0`. */
  readonly allocator: string;
}

/** The incumbent after one observed window of load. */
export interface TargetView {
  readonly knobs: readonly Knob[];
  readonly values: Readonly<Record<string, KnobValue>>;
  /** The window's sample, with its trace. */
  readonly sample: Sample;
  readonly statements: readonly StatementStats[];
  readonly redis: RedisStats | undefined;
  /** What the service asked its cache for in the window and the warm-up before it; undefined where it has no tracer. */
  readonly cacheTrace?: CacheTrace;
  /** Of uncounted load before the window: measured windows have the same. */
  readonly warmupMs?: number;
  readonly database: DatabaseView;
  readonly machine: Machine;
}

export interface Machine {
  readonly cores: number;
  readonly memoryBytes: number;
}

/** The load of a probe that is not the run's own. */
export type ProbeLoad =
  /** An open loop at this multiple of what the baseline completes in a closed loop: 2 is twice its capacity. */
  | { readonly kind: "of-saturation"; readonly factor: number }
  /** A closed loop of so many senders without pauses. */
  | { readonly kind: "users"; readonly count: number };

/** One step of a phase that already happened. */
export type Past =
  | {
      readonly kind: "probe";
      readonly changes: readonly Change[];
      readonly why: string;
      readonly load?: ProbeLoad;
      readonly sample: Sample;
    }
  | { readonly kind: "trial"; readonly candidate: Candidate; readonly decision: Decision };

/** What a tuner asks for next. */
export type Step =
  /**
   * Measure one setting once: search is unpaired. `changes` are relative to the incumbent; none measures the incumbent itself under
   * another load. Windows of overload are mostly invalid: read what they counted, never their latencies as if they were usual.
   */
  | {
      readonly kind: "probe";
      readonly changes: readonly Change[];
      readonly why: string;
      readonly load?: ProbeLoad;
    }
  /** Decide a change by interleaved pairs. */
  | { readonly kind: "candidate"; readonly candidate: Candidate }
  | { readonly kind: "done"; readonly because: string };

/** Everything `next` may use: pure data. */
export interface Ask<O> {
  readonly observation: O;
  readonly history: readonly Past[];
  readonly strategy: Strategy;
  /**
   * Change of the phase's objective that A/A pairs show on this machine: relative for ratios (0.04 = 4 %), in the metric's unit for
   * differences; 0 where they do not show it.
   */
  readonly noiseFloor: number;
  readonly candidatesMax: number;
  /** The persona's: trials are judged by them, and a search need not go where they are broken already. Absent: there are none. */
  readonly constraints?: readonly Constraint[];
  /** Of the run's windows; absent where nobody measured it. */
  readonly requestsPerSecond?: number;
  /** What the baseline completes in a closed loop; absent for personas with a fixed rate until a probe asks for it. */
  readonly saturationRequestsPerSecond?: number;
}

export interface KnobReading {
  readonly knob: Knob;
  readonly value: KnobValue;
}

/** The knob that plays a role, with its present value. */
export function knobByRole(
  view: Pick<TargetView, "knobs" | "values">,
  role: KnobRole,
): KnobReading | undefined {
  const knob = view.knobs.find((each) => each.role === role);
  if (!knob) return undefined;
  return { knob, value: view.values[knob.id] ?? knob.default };
}
