/** Knobs of the newer setters, for tests. */
import type { Knob } from "../../src/core/knob.ts";
import type { PostgresKnob } from "../../src/target/postgres-settings.ts";

const MB = 1024 ** 2;

export function postgresKnob(parameter: string, changes: Partial<Knob> = {}): PostgresKnob {
  return {
    id: parameter.replaceAll("_", "-"),
    title: parameter,
    domain: { kind: "bytes", min: 64 * 1024, max: 1024 * MB },
    default: 8 * MB,
    scope: "restart",
    ...changes,
    set: { kind: "postgres", parameter },
  };
}

export const workMem = postgresKnob("work_mem");

export const semiSpace: Knob = {
  id: "semi-space",
  title: "Young generation",
  domain: { kind: "bytes", min: 0, max: 128 * MB },
  default: 0,
  scope: "restart",
  set: { kind: "node-option", flag: "--max-semi-space-size", unit: "mb" },
};
