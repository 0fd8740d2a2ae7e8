/** A strategy's settings: starting hypotheses by knob role, each in the unit of its role. */
import { z } from "zod";
import { type KnobDomain, type KnobRole, knobRoles, type KnobValue } from "../core/knob.ts";
import type { Unit } from "../core/metric.ts";
import * as field from "./fields.ts";
import { nearest } from "./suggest.ts";

const ROLE_KINDS: Readonly<Record<KnobRole, KnobDomain["kind"]>> = {
  "l1-ttl": "duration",
  "l1-size": "bytes",
  "l2-ttl": "duration",
  "l3-ttl": "duration",
  "cache-warm-up": "bool",
  "pool-max": "int",
  "pool-min": "int",
  "pool-idle-timeout": "duration",
  "redis-maxmemory": "bytes",
  "redis-policy": "enum",
  "http-etag": "bool",
  "http-max-age": "duration",
  "requests-in-flight": "int",
  "async-workers": "int",
  "queue-limit": "int",
  "job-priorities": "bool",
  "job-ageing": "duration",
  "job-attempts": "int",
  "job-backoff": "duration",
  "job-batch": "int",
  threads: "int",
  "threads-min": "int",
  "thread-idle-timeout": "duration",
  "thread-queue-limit": "int",
  "libuv-threads": "int",
  processes: "int",
  balancing: "enum",
  gateway: "enum",
  "health-check-interval": "duration",
  "sticky-sessions": "bool",
  "keep-alive": "bool",
  "slow-start": "duration",
  "batch-size": "int",
  "batch-parallel": "int",
  "batch-in-flight": "int",
  "batch-method": "enum",
  "batch-buffer": "bytes",
  "report-workers": "int",
  "report-split": "int",
  "report-depth": "int",
  "semi-space": "bytes",
  "heap-limit": "bytes",
  "pg-random-page-cost": "number",
  "pg-effective-cache-size": "bytes",
  "pg-work-mem": "bytes",
  "pg-parallel-workers": "int",
  "pg-jit": "bool",
};

/** What a knob of this role counts. */
export function kindOfRole(role: KnobRole): KnobDomain["kind"] {
  return ROLE_KINDS[role];
}

/** The settings of a strategy. */
export function settings() {
  return z
    .record(field.key(), field.scalar())
    .default({})
    .transform((written, context) => {
      const read: Record<string, KnobValue> = {};
      for (const [name, value] of Object.entries(written)) {
        const problem = settingProblem(name, value);
        if (problem !== undefined) {
          const at = isRole(name) ? {} : { params: { at: "key" } };
          context.addIssue({ code: "custom", path: [name], message: problem, ...at });
        }
        read[name] = settingValue(value);
      }
      return read;
    });
}

/** Text that is a duration or a size becomes its number; every other value stays as it is. */
function settingValue(value: KnobValue): KnobValue {
  if (typeof value !== "string") return value;
  return field.parseQuantity("ms", value) ?? field.parseQuantity("bytes", value) ?? value;
}

function isRole(name: string): name is KnobRole {
  return knobRoles.some((role) => role === name);
}

function settingProblem(name: string, value: KnobValue): string | undefined {
  if (!isRole(name)) {
    // Tuners have settings of their own, so that an unknown name is wrong only when it looks like a slip.
    const near = name.length > 5 ? nearest(name, knobRoles) : undefined;
    return near === undefined ? undefined : `expected the knob role "${near}", found "${name}"`;
  }
  const kind = kindOfRole(name);
  if (kind === "duration")
    return isQuantity("ms", value) ? undefined : field.expectedQuantity("ms");
  if (kind === "bytes")
    return isQuantity("bytes", value) ? undefined : field.expectedQuantity("bytes");
  if (kind === "bool") return typeof value === "boolean" ? undefined : "expected true or false";
  // Which values there are, only the target's knob says.
  if (kind === "enum") return typeof value === "string" ? undefined : "expected one of its values";
  if (kind === "number") return typeof value === "number" ? undefined : "expected a number";
  return typeof value === "number" && Number.isInteger(value) && value >= 0
    ? undefined
    : "expected a whole number";
}

function isQuantity(unit: Unit, value: KnobValue): boolean {
  return typeof value !== "boolean" && field.parseQuantity(unit, value) !== undefined;
}
