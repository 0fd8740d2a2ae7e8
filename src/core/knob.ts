/** A knob: one setting of the target with a unit and bounds, and the changes that can be made to a target. */

import type { IndexDefinition } from "./index-definition.ts";
import type { StatisticsDefinition } from "./statistics-definition.ts";

export type KnobValue = number | boolean | string;

/** What a setting means to tuners: they look for a role, never for a service's own name of it. */
export const knobRoles = [
  "l1-ttl",
  "l1-size",
  "l2-ttl",
  "l3-ttl",
  "cache-warm-up",
  "pool-max",
  "pool-min",
  "pool-idle-timeout",
  "redis-maxmemory",
  "redis-policy",
  "http-etag",
  "http-max-age",
  "requests-in-flight",
  "async-workers",
  "queue-limit",
  "job-priorities",
  "job-ageing",
  "job-attempts",
  "job-backoff",
  "job-batch",
  "threads",
  "threads-min",
  "thread-idle-timeout",
  "thread-queue-limit",
  "libuv-threads",
  "processes",
  "balancing",
  "gateway",
  "health-check-interval",
  "sticky-sessions",
  "keep-alive",
  "slow-start",
  "batch-size",
  "batch-parallel",
  "batch-in-flight",
  "batch-method",
  "batch-buffer",
  "report-workers",
  "report-split",
  "report-depth",
  "semi-space",
  "heap-limit",
  "pg-random-page-cost",
  "pg-effective-cache-size",
  "pg-work-mem",
  "pg-parallel-workers",
  "pg-jit",
] as const;

export type KnobRole = (typeof knobRoles)[number];

export type KnobDomain =
  | { readonly kind: "int"; readonly min: number; readonly max: number }
  /** Any number, fractions too. */
  | { readonly kind: "number"; readonly min: number; readonly max: number }
  /** Milliseconds. */
  | { readonly kind: "duration"; readonly min: number; readonly max: number }
  | { readonly kind: "bytes"; readonly min: number; readonly max: number }
  | { readonly kind: "enum"; readonly values: readonly string[] }
  | { readonly kind: "bool" };

/** How a knob is set. All but `redis`, a live CONFIG SET, need a restart of the service. */
export type KnobSetter =
  | {
      readonly kind: "env";
      readonly variable: string;
      /** What the variable's number counts, when not the domain's own unit (ms, bytes): `"s"` writes 5000 ms as 5. */
      readonly unit?: "ms" | "s" | "bytes" | "mb";
    }
  | { readonly kind: "redis"; readonly parameter: string }
  /**
   * A flag of Node's own, such as `--max-semi-space-size`, added to the service's NODE_OPTIONS; needs a restart. The value 0 leaves
   * the flag out: the runtime then chooses by itself.
   */
  | { readonly kind: "node-option"; readonly flag: string; readonly unit?: "mb" | "bytes" }
  /** A setting of PostgreSQL for the service's role in its database, in force for new connections: ALTER ROLE ... IN DATABASE ... SET. */
  | { readonly kind: "postgres"; readonly parameter: string };

export interface Knob {
  readonly id: string;
  readonly title: string;
  readonly role?: KnobRole;
  readonly domain: KnobDomain;
  readonly default: KnobValue;
  readonly scope: "live" | "reload" | "restart";
  readonly set: KnobSetter;
}

/** Data with its own inverse: applying `to` is undone by applying `from`; creating an index by dropping it. */
export type Change =
  | {
      readonly kind: "set-knob";
      readonly knob: string;
      readonly from: KnobValue;
      readonly to: KnobValue;
    }
  | { readonly kind: "create-index"; readonly index: IndexDefinition }
  | { readonly kind: "create-statistics"; readonly statistics: StatisticsDefinition };

/** What makes two changes the same one: used to find what is applied already. */
export function changeKey(change: Change): string {
  switch (change.kind) {
    case "set-knob":
      return `knob ${change.knob}=${String(change.to)}`;
    case "create-index":
      return `index ${change.index.schema}.${change.index.name}`;
    case "create-statistics":
      return `statistics ${change.statistics.schema}.${change.statistics.name}`;
  }
}

/** Why a value is outside a knob's domain; undefined when it is inside. */
export function domainError(domain: KnobDomain, value: KnobValue): string | undefined {
  switch (domain.kind) {
    case "int":
    case "number":
    case "duration":
    case "bytes":
      if (typeof value !== "number" || !Number.isFinite(value))
        return `expected a number, found ${String(value)}`;
      if (domain.kind !== "duration" && domain.kind !== "number" && !Number.isInteger(value))
        return `expected a whole number, found ${value}`;
      if (value < domain.min || value > domain.max)
        return `${value} is outside ${domain.min} to ${domain.max}`;
      return undefined;
    case "enum":
      return domain.values.includes(String(value))
        ? undefined
        : `expected one of ${domain.values.join(", ")}`;
    case "bool":
      return typeof value === "boolean"
        ? undefined
        : `expected true or false, found ${String(value)}`;
  }
}
