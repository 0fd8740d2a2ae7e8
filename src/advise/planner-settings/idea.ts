/** What a change of a planner's setting is made from and what is said of it. */
import type { KnobRole, KnobValue } from "../../core/knob.ts";
import type { Executed } from "../executed/execute.ts";

export const settingRoles = [
  "pg-work-mem",
  "pg-jit",
  "pg-random-page-cost",
  "pg-effective-cache-size",
] as const satisfies readonly KnobRole[];

export type SettingRole = (typeof settingRoles)[number];

export interface SettingIdea {
  readonly role: SettingRole;
  readonly to: KnobValue;
  readonly hypothesis: string;
  readonly evidence: readonly string[];
}

export interface SettingsAdvice {
  readonly ideas: readonly SettingIdea[];
  /** Of the others: why they are not worth a trial. */
  readonly notWorth: readonly string[];
}

export interface SettingsInput {
  readonly executed: readonly Executed[];
  /** Of the target's knobs, the present values by role; absent: no such knob. */
  readonly values: Readonly<Partial<Record<SettingRole, KnobValue>>>;
  readonly hashMultiplier: number;
  readonly machineBytes: number;
  /** Sessions that may work at once: the service's pool where that is known, otherwise max_connections. */
  readonly sessions: { readonly count: number; readonly of: string };
  /** Blocks found in shared buffers, 0 to 1; undefined where it was not measured. */
  readonly bufferHitRate: number | undefined;
  /** Whether this build of PostgreSQL can compile at all. */
  readonly canCompile: boolean;
  /** What other settings would change, by the planner. */
  readonly whatIf: readonly PlansChanged[];
}

/** One setting tried by EXPLAIN alone. */
export interface PlansChanged {
  readonly role: "pg-random-page-cost" | "pg-effective-cache-size";
  readonly to: number;
  /** Of the executed statements, those whose plan is another one then. */
  readonly changed: readonly string[];
}

export type Verdict =
  | { readonly kind: "idea"; readonly idea: SettingIdea }
  | { readonly kind: "not worth"; readonly because: string };

/** `setting`: PostgreSQL's name. */
export function notWorth(setting: string, because: string): Verdict {
  return { kind: "not worth", because: `${setting}: ${because}` };
}
