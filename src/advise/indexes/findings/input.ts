/** What findings are made from. */
import type { Node } from "libpg-query";
import type { IndexDefinition } from "../../../core/index-definition.ts";
import type { Catalog, IndexInfo, TableInfo } from "../catalog.ts";
import type { TableUse } from "../scope.ts";
import type { WorkloadStatement } from "../statement.ts";
import type { Plan } from "../what-if.ts";

export interface FindingsInput {
  readonly catalog: Catalog;
  /** When the catalog was read, ISO 8601. */
  readonly at: string;
  /** All of the workload that could be read, writes included. */
  readonly statements: readonly ReadStatement[];
  /** Indexes that the same advice proposes: what they make needless is found, and what they mend is not. */
  readonly planned?: readonly IndexDefinition[];
  /** Bytes of the index if it were built afresh; undefined where no model knows. */
  readonly expectedBytes?: (index: IndexInfo, table: TableInfo) => number | undefined;
  readonly bounds?: Partial<FindingBounds>;
}

/** A statement, its parse tree, what it asks of tables, and its plan before anything is changed. */
export interface ReadStatement {
  readonly statement: WorkloadStatement;
  readonly tree: Node;
  readonly uses: readonly Pick<TableUse, "table" | "equal" | "listed" | "ranges">[];
  readonly writes: readonly {
    readonly table: TableInfo;
    readonly kind: "insert" | "update" | "delete";
    /** That an UPDATE sets. */
    readonly columns: readonly string[];
  }[];
  readonly plan?: Plan;
}

export interface FindingBounds {
  /** Counters younger than this say little: a report of the month's end has not run yet. */
  readonly countersAgeLeastMs: number;
  /** An index of fewer bytes costs nobody anything when it is not used. */
  readonly unusedBytesLeast: number;
  /** Inserts in random order leave B-tree pages 69 % full (Yao 1978) where a build fills 90 %, which is a factor of 1.3: not yet bloat. */
  readonly bloatFactorLeast: number;
  readonly bloatBytesLeast: number;
  /** Of a table whose scans matter. */
  readonly rowsLeast: number;
  /** A table that people count, page through or return whole. */
  readonly bigRows: number;
  /** Factor between rows planned and rows returned. */
  readonly misestimateLeast: number;
  /** Share of a table changed since it was analysed: twice autovacuum's default. */
  readonly staleShare: number;
  /** An N+1 loop is most of a workload's calls, and each of its calls takes almost no time. */
  readonly repeatedCallsShare: number;
  readonly repeatedCallsLeast: number;
  readonly repeatedMeanMsMost: number;
  readonly offsetLeast: number;
  /** A scan that returns more of a table than this share of its rows is best done without an index. */
  readonly returnedShareLeast: number;
}

const DAY_MS = 86_400_000;
const MIB = 1024 ** 2;

export const findingBounds: FindingBounds = {
  countersAgeLeastMs: 30 * DAY_MS,
  unusedBytesLeast: 64 * 1024,
  bloatFactorLeast: 2,
  bloatBytesLeast: 8 * MIB,
  rowsLeast: 1_000,
  bigRows: 100_000,
  misestimateLeast: 10,
  staleShare: 0.2,
  repeatedCallsShare: 0.25,
  repeatedCallsLeast: 1_000,
  repeatedMeanMsMost: 2,
  offsetLeast: 1_000,
  returnedShareLeast: 0.3,
};
