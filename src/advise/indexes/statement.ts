/** A statement of the workload, wherever it came from. */
import type { ValuesFrom } from "../../core/advice.ts";

export interface WorkloadStatement {
  /** Stable over runs: the query id of pg_stat_statements, a name in the file (`-- Q7`), or the parser's fingerprint. */
  readonly id: string;
  /** As the source had it. */
  readonly sql: string;
  /** What EXPLAIN gets: with values, or with $1, $2 when `valuesFrom` is generic. One statement, no semicolon. */
  readonly planSql: string;
  readonly valuesFrom: ValuesFrom;
  readonly calls: number | undefined;
  readonly totalMs: number | undefined;
  readonly rows: number | undefined;
  /** Ids of near-equal statements that were joined into this one. */
  readonly joined: readonly string[];
}

export interface IndexWorkload {
  readonly source: string;
  readonly weights: "time" | "calls" | "equal";
  /** All that ran in a period, so that what is not in it was not done: the server's own counts. Absent: a selection. */
  readonly complete?: true;
  /** The heaviest first; all of them, writes included. */
  readonly statements: readonly WorkloadStatement[];
  readonly leftOut: readonly {
    readonly sql: string;
    readonly because: string;
    /** No index could matter to it: it has no plan, or reads no table. */
    readonly usual?: boolean;
  }[];
  readonly caveats: readonly string[];
}
