// Settings of the gateway in front of several service processes.

import { readOneOf, readWhole } from "../config-values.ts";
import type { Environment } from "../config-values.ts";

export const BALANCINGS = ["round-robin", "least-connections", "two-choices"] as const;
export type Balancing = (typeof BALANCINGS)[number];

export const GATEWAYS = ["embedded", "haproxy"] as const;
export type GatewayKind = (typeof GATEWAYS)[number];

export type GatewayConfig = {
  /** Service processes; 1: there is no gateway. */
  readonly processes: number;
  readonly kind: GatewayKind;
  readonly balancing: Balancing;
  readonly healthIntervalMs: number;
  /** Whether a client's requests go to the same process while it lives. */
  readonly sticky: boolean;
  /** Whether connections to the processes are kept for further requests. */
  readonly keepAlive: boolean;
  /** A process that came back gets its full share after so long. */
  readonly slowStartMs: number;
};

const HOUR_MS = 3_600_000;

export function readGatewayConfig(environment: Environment, problems: string[]): GatewayConfig {
  const whole = (name: string, fallback: number, min: number, max: number): number =>
    readWhole(environment, name, fallback, min, max, problems);
  const flag = (name: string, fallback: "true" | "false"): boolean =>
    readOneOf(environment, name, fallback, ["true", "false"], problems) === "true";
  return {
    processes: whole("PROCESSES", 1, 1, 256),
    kind: readOneOf(environment, "GATEWAY", "embedded", GATEWAYS, problems),
    balancing: readOneOf(environment, "BALANCING", "round-robin", BALANCINGS, problems),
    healthIntervalMs: whole("HEALTH_INTERVAL_MS", 30_000, 100, HOUR_MS),
    sticky: flag("STICKY_SESSIONS", "true"),
    keepAlive: flag("KEEP_ALIVE", "true"),
    slowStartMs: whole("SLOW_START_MS", 0, 0, HOUR_MS),
  };
}
