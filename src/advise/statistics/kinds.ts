/** Which kinds of extended statistics mend the estimate of several columns that are compared for equality. */
import type { StatisticsKind } from "../../core/statistics-definition.ts";
import type { ColumnInfo } from "../indexes/catalog.ts";

/** default_statistics_target: how many of the most common combinations are kept. */
const COMBINATIONS_KEPT = 100;

/**
 * PostgreSQL asks the list of most common combinations first, and dependencies only about conditions that it had no list for
 * (statext_clauselist_selectivity in extended_stats.c): where there are more combinations than the list has, most are then taken to be
 * rare, and an estimate that dependencies alone would have mended stays wrong.
 */
export function equalityKinds(
  columns: readonly Pick<ColumnInfo, "distinct">[],
): readonly StatisticsKind[] {
  return isListTooShort(columns) ? ["dependencies"] : ["dependencies", "mcv"];
}

/** Whether the columns have more combinations than the list of common ones keeps by default. */
export function isListTooShort(columns: readonly Pick<ColumnInfo, "distinct">[]): boolean {
  return Math.max(0, ...columns.map(({ distinct }) => distinct ?? 0)) > COMBINATIONS_KEPT;
}
