/** What the stores did for one window, statement by statement and command by command, and what of it could not be read (pure). */
import type { ServerSide } from "../core/sample.ts";
import {
  backendCpuMs,
  commandsInWindow,
  requestsCovered,
  serviceCpu,
  statementsInWindow,
  type Measured,
} from "./differences.ts";

const STATEMENTS_MAX = 50;

export function serverSide(measured: Measured, known: readonly string[]): ServerSide {
  const { before, after } = measured;
  const statements = statementsInWindow(before, after);
  const redisCommands = commandsInWindow(before, after);
  const cpu = serviceCpu(measured);
  const unmeasured = [...known];
  if ("why" in cpu) unmeasured.push(`CPU time and memory of the service: ${cpu.why}`);
  if (backendCpuMs(before, after) === undefined && after.scans) {
    unmeasured.push("CPU time of PostgreSQL: its server is not one that perfopt started");
  }
  if (after.statementsMissing !== undefined) {
    unmeasured.push(`SQL statements, rows and buffers: ${after.statementsMissing}`);
  }
  return {
    ...(statements ? { statements: statements.slice(0, STATEMENTS_MAX) } : {}),
    ...(redisCommands ? { redisCommands } : {}),
    requests: requestsCovered(measured),
    unmeasured,
  };
}
