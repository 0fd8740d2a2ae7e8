// The columns of a report, in the order in which every format has them.

import type { BasicType } from "hyparquet-writer";
import type { ReportRow } from "./rows.ts";

export type Cell = string | number | null;

export type Column = {
  readonly name: string;
  readonly type: Extract<BasicType, "STRING" | "INT32" | "INT64" | "DOUBLE" | "TIMESTAMP">;
  readonly nullable: boolean;
  readonly cell: (row: ReportRow) => Cell;
};

export const COLUMNS: readonly Column[] = [
  required("experiment_id", "STRING", ({ run }) => run.experiment_id),
  required("experiment", "STRING", ({ run }) => run.experiment),
  required("run_id", "STRING", ({ run }) => run.run_id),
  required("run_name", "STRING", ({ run }) => run.run_name),
  required("status", "STRING", ({ run }) => run.status),
  required("start_time", "TIMESTAMP", ({ run }) => run.start_time),
  optional("end_time", "TIMESTAMP", ({ run }) => run.end_time),
  optional("model", "STRING", ({ run }) => run.model),
  optional("version", "INT32", ({ run }) => run.version),
  required("versions", "INT32", ({ run }) => run.versions),
  required("params", "INT32", ({ run }) => run.params),
  required("metric_key", "STRING", ({ key }) => key),
  required("points", "INT32", ({ summary }) => summary.points),
  required("nan_points", "INT32", ({ summary }) => summary.nan_points),
  optional("min", "DOUBLE", ({ summary }) => summary.min),
  optional("max", "DOUBLE", ({ summary }) => summary.max),
  optional("mean", "DOUBLE", ({ summary }) => summary.mean),
  optional("stddev", "DOUBLE", ({ summary }) => summary.stddev),
  optional("first", "DOUBLE", ({ summary }) => summary.first),
  optional("last", "DOUBLE", ({ summary }) => summary.last),
  optional("last_step", "INT64", ({ summary }) => summary.last_step),
];

function required(name: string, type: Column["type"], cell: Column["cell"]): Column {
  return { name, type, nullable: false, cell };
}

function optional(name: string, type: Column["type"], cell: Column["cell"]): Column {
  return { name, type, nullable: true, cell };
}
