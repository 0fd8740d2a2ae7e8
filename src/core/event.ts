/** The journal's record types. Report, status and rollback read nothing else. */
import type { CapacityResult } from "./capacity.ts";
import type { Change, Knob, KnobValue } from "./knob.ts";
import type { MetricId } from "./metric.ts";
import type { ProbeLoad } from "./observation.ts";
import type { Sample } from "./sample.ts";
import type { Candidate, ConstraintResult, Decision, Effect, Role } from "./trial.ts";
import type { Persona } from "./persona.ts";
import type { PlanPhase } from "./plan.ts";

export interface EnvironmentFacts {
  readonly perfopt: string;
  readonly node: string;
  readonly platform: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly postgres: string;
  readonly redis: string;
  readonly gitCommit: string | undefined;
}

export interface TargetFacts {
  readonly name: string;
  readonly title: string;
  /** As given, secrets removed. */
  readonly file: string;
  readonly scale: string | undefined;
  readonly rowsByTable: Readonly<Record<string, number>>;
  readonly databaseBytes: number;
  /** How candidates are compared on this target, one sentence. */
  readonly design: string;
  /** The target's knobs, so that the report can name the environment variable or parameter behind each. */
  readonly knobs?: readonly Knob[];
  /** Whose sessions the service's are, where knobs are PostgreSQL's settings; absent in older journals. */
  readonly sessions?: { readonly role: string; readonly database: string };
}

export type RunEvent =
  | {
      readonly type: "run-started";
      readonly command: readonly string[];
      readonly persona: Persona;
      readonly target: TargetFacts;
      readonly environment: EnvironmentFacts;
      readonly phases: readonly PlanPhase[];
      readonly seed: number;
      readonly quick: boolean;
      readonly baselineValues: Readonly<Record<string, KnobValue>>;
    }
  /** Processes and databases that perfopt made, so that rollback can remove them after a crash. */
  | { readonly type: "resource-creating"; readonly resource: Resource }
  | { readonly type: "resource-created"; readonly resource: Resource }
  | { readonly type: "resource-removed"; readonly resourceId: string }
  | {
      readonly type: "rate-set";
      readonly saturationRequestsPerSecond: number | undefined;
      readonly requestsPerSecond: number;
      readonly how: string;
    }
  /** A/A pairs: the incumbent on both arms. */
  | {
      readonly type: "noise-measured";
      /** What `detectable` is of; absent in journals of earlier versions: the first strategy's objective. */
      readonly objective?: MetricId;
      readonly effects: readonly Effect[];
      readonly detectable: number;
      readonly pairs: number;
    }
  | {
      readonly type: "phase-started";
      readonly phase: string;
      readonly strategy: string;
      /** It had ended for want of time, and goes on in what the others left. */
      readonly again?: true;
    }
  | {
      readonly type: "observed";
      readonly phase: string;
      readonly observation: unknown;
      readonly sample: Sample;
    }
  | {
      readonly type: "probed";
      readonly phase: string;
      readonly changes: readonly Change[];
      readonly why: string;
      /** Absent: the run's own. */
      readonly load?: ProbeLoad;
      readonly sample: Sample;
    }
  | { readonly type: "trial-started"; readonly phase: string; readonly candidate: Candidate }
  /** Every measured window of a trial, valid or not. `block` names what it belongs to: a candidate's id, `noise` or `confirm`. */
  | {
      readonly type: "sampled";
      readonly block: string;
      readonly pair: number;
      readonly role: Role;
      readonly order: "incumbent-first" | "candidate-first";
      readonly sample: Sample;
    }
  | {
      readonly type: "trial-decided";
      readonly phase: string;
      readonly candidate: Candidate;
      readonly decision: Decision;
      readonly effects: readonly Effect[];
      readonly constraints: readonly ConstraintResult[];
    }
  /** Changes of the real target: the intent is on disk before the effect. */
  | { readonly type: "change-applying"; readonly changeId: string; readonly change: Change }
  | { readonly type: "change-applied"; readonly changeId: string; readonly detail: string }
  | { readonly type: "change-reverting"; readonly changeId: string }
  | { readonly type: "change-reverted"; readonly changeId: string; readonly detail: string }
  | { readonly type: "phase-finished"; readonly phase: string; readonly because: string }
  /** Everything kept against the baseline, measured afresh: the headline's only source. */
  | {
      readonly type: "confirmed";
      readonly effects: readonly Effect[];
      readonly pairs: number;
      readonly detail: string;
    }
  /** How much the target carries, before anything was kept and after all that was: not paired, so never a verdict. */
  | {
      readonly type: "capacity-measured";
      readonly of: "baseline" | "kept";
      readonly result: CapacityResult;
    }
  | { readonly type: "warning"; readonly message: string }
  /** Of a sequence's own journal: several personas' runs, one after another, each with a journal of its own. */
  | {
      readonly type: "sequence-started";
      readonly command: readonly string[];
      readonly personas: readonly { readonly name: string; readonly title: string }[];
      readonly target: string;
      /** Of all of them together; absent: each has its own. */
      readonly budgetMs?: number;
    }
  /** One persona's turn is over. */
  | {
      readonly type: "sequence-run";
      readonly persona: string;
      /** The run's id, and its journal from the sequence's folder; absent: it never began. */
      readonly run?: string;
      readonly journal?: string;
      readonly outcome: "completed" | "interrupted" | "failed";
      readonly detail: string;
    }
  /** Everything that the sequence kept against the state before it, under one persona's load; windows are in the block `check-PERSONA`. */
  | {
      readonly type: "sequence-checked";
      readonly persona: string;
      readonly requestsPerSecond: number;
      readonly effects: readonly Effect[];
      readonly pairs: number;
    }
  | {
      readonly type: "run-finished";
      readonly outcome: "completed" | "interrupted" | "failed";
      readonly detail: string;
    }
  | { readonly type: "rolled-back"; readonly detail: string };

export type Resource =
  | {
      readonly id: string;
      readonly kind: "process";
      readonly title: string;
      readonly pid: number;
      readonly startTicks: string;
    }
  | { readonly id: string; readonly kind: "database"; readonly name: string }
  | { readonly id: string; readonly kind: "directory"; readonly path: string };

/** One line of a journal. */
export interface Entry {
  readonly seq: number;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly event: RunEvent;
}
