/** What `perfopt doctor` takes as evidence, and the diagnosis that it makes of it. */
import type { EnvironmentFacts } from "./event.ts";
import type { Unit } from "./metric-shape.ts";
import type { Readings, Resource } from "./readings.ts";

/** What can limit a service. In the order in which one can explain another: a cause stands before its symptoms. */
export const bottlenecks = [
  "gc",
  "loop-blocked",
  "cpu",
  "slow-query",
  "redis",
  "database-saturated",
  "libuv",
  "slow-upstream",
  "pool-starved",
  "queue-overload",
  "request-limit",
] as const;

export type Bottleneck = (typeof bottlenecks)[number];

/** `host`: the machine was too noisy for any diagnosis. `none`: nothing limits the service at this load. `unknown`: see `because`. */
export type Verdict = Bottleneck | "host" | "none" | "unknown";

/** The statement that takes the most of the database's time among those whose table is read row by row. */
export interface StatementEvidence {
  readonly sql: string;
  /** Of the execution time of all statements. */
  readonly timeShare: number;
  readonly meanMs: number;
  /** Execution time over requests. */
  readonly msPerRequest: number;
  readonly table: string;
  readonly how: TableScans["how"];
  /** Rows that such scans read of the table, for each row that statements on it returned. */
  readonly rowsReadPerReturned: number;
}

/** Of one table in one way of reading it: scans, and the rows that they read. */
export interface TableScans {
  readonly table: string;
  /** `index`: rows fetched by an index, those included that a condition then threw away. */
  readonly how: "sequence" | "index";
  readonly scans: number;
  readonly rowsRead: number;
}

export interface DoctorEvidence {
  readonly cores: number;
  /** Without any load. */
  readonly quiet: Readings;
  /** One request at a time: what things take when nothing waits. */
  readonly light: Readings;
  /** Under the load that is asked about. */
  readonly loaded: Readings;
  /** Absent: no statement is read row by row, or statements could not be read; then `statementsMeasured` is false. */
  readonly statement?: StatementEvidence;
  readonly statementsMeasured: boolean;
  /** Answers of the loaded window by status code, as the load engine counts them. */
  readonly statuses?: Readonly<Record<string, number>>;
  /** What the target cannot have, such as `redis` where its file names none. */
  readonly absent?: readonly Bottleneck[];
  /** False where the user said that the machine is busy and is to be measured all the same. */
  readonly hostJudged: boolean;
}

export type RowStatus = "pass" | "fail" | "exonerated" | "not-measured";

/** One line of the table: a reading held against its threshold. */
export interface DiagnosisRow {
  readonly resource: Resource;
  readonly title: string;
  readonly unit: Unit;
  readonly value?: number;
  /** As text: `>= 50 ms`; empty for readings that only inform. */
  readonly threshold: string;
  readonly status: RowStatus;
  /** Why it is exonerated, or why it was not measured. */
  readonly note?: string;
}

/** A rule that fired. */
export interface Finding {
  readonly bottleneck: Bottleneck;
  /** One sentence for a person. */
  readonly sentence: string;
  readonly evidence: readonly string[];
  /** `low` where part of the evidence was not measured. */
  readonly certainty: "high" | "low";
  readonly missing: readonly string[];
  /** Another finding that explains this one. */
  readonly symptomOf?: Bottleneck;
  /** Commands and settings to try, the first one first. */
  readonly next: readonly string[];
}

export interface Diagnosis {
  readonly verdict: Verdict;
  readonly headline: string;
  /** Of `host` and `unknown`: why nothing is diagnosed. */
  readonly because: readonly string[];
  /** What stands beside the verdict: of a busy machine that was not judged, how busy it was. Absent where there is nothing to say. */
  readonly remarks?: readonly string[];
  /** `low` where part of the evidence was not measured, or a busy machine was not judged. */
  readonly certainty: "high" | "low";
  /** The diagnosis first, then what else was found, symptoms last. */
  readonly findings: readonly Finding[];
  /** Bottlenecks that were looked for with all their evidence and are not there. */
  readonly exonerated: readonly Bottleneck[];
  /** Bottlenecks that could not be looked for, with the evidence that was missing. */
  readonly unmeasured: readonly {
    readonly bottleneck: Bottleneck;
    readonly missing: readonly string[];
  }[];
  readonly rows: readonly DiagnosisRow[];
  readonly next: readonly string[];
}

/** Of the machine before anything is measured; what the system does not tell is undefined. */
export interface MachineFacts {
  readonly node: string;
  readonly cores: number;
  /** Shares of a short look; undefined where the system does not tell. */
  readonly cpuPressure: number | undefined;
  readonly ioPressure: number | undefined;
  readonly stealShare: number | undefined;
  /** Open files that a process may have. */
  readonly openFilesMost: number | undefined;
  readonly redisPath: string | undefined;
  /** The package with PostgreSQL's binaries, where it is installed. */
  readonly postgresPackage: string | undefined;
  readonly memoryFreeBytes: number;
  /** Where perfopt keeps its databases. */
  readonly diskFreeBytes: number | undefined;
}

/** One line of the look at the machine before anything is measured. */
export interface EnvironmentCheck {
  readonly id: string;
  readonly title: string;
  readonly value: string;
  readonly status: "ok" | "warning" | "bad";
  /** What it means and what to do; absent where it is fine. */
  readonly advice?: string;
}

export interface DoctorWindowFacts {
  readonly name: "quiet" | "light" | "closed-loop" | "usual";
  /** What was sent, one phrase. */
  readonly load: string;
  readonly readings: Readings;
}

/** What `perfopt doctor --json` prints. */
export interface DoctorResult {
  readonly schema: "perfopt-doctor/v1";
  readonly startedAt: string;
  readonly tookMs: number;
  readonly target: string;
  readonly workload: string;
  readonly seed: number;
  readonly environment: EnvironmentFacts;
  readonly checks: readonly EnvironmentCheck[];
  readonly load: string;
  readonly diagnosis: Diagnosis;
  /** What comes first when the service is given all that it can take; absent where no closed loop was run. */
  readonly atSaturation?: Diagnosis;
  readonly windows: readonly DoctorWindowFacts[];
  readonly statement?: StatementEvidence;
  readonly unmeasured: readonly string[];
}

/** What `perfopt doctor --environment --json` prints. */
export interface EnvironmentResult {
  readonly schema: "perfopt-doctor-environment/v1";
  readonly at: string;
  readonly checks: readonly EnvironmentCheck[];
}
