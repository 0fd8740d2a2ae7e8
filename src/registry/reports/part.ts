// One part of a report as it goes to a thread, and what comes back.

import type { ParquetWriter } from "hyparquet-writer";

export const FORMATS = ["csv", "json", "parquet"] as const;
export type Format = (typeof FORMATS)[number];

/** A run with what it belongs to; times in milliseconds since 1970. */
export type RunInfo = {
  readonly run_id: string;
  readonly experiment_id: string;
  readonly experiment: string;
  readonly run_name: string;
  readonly status: string;
  readonly start_time: number;
  readonly end_time: number | null;
  /** The newest version that was registered from the run. */
  readonly model: string | null;
  readonly version: number | null;
  /** How many versions were registered from it. */
  readonly versions: number;
  readonly params: number;
};

export type Part = {
  readonly format: Format;
  readonly runs: readonly RunInfo[];
  /** PostgreSQL's COPY, binary, of rows (run_id text, key text, values float8[], steps int8[]), in the order of run and key. */
  readonly points: Uint8Array;
};

export type RowGroup = ParquetWriter["row_groups"][number];

/** A part of the answer, in the part's own format. */
export type Encoded = {
  readonly rows: number;
  readonly bytes: Uint8Array;
  /** Of Parquet: where the columns lie in `bytes`. */
  readonly rowGroup?: RowGroup;
  /** Work without the waiting, as the thread timed it. */
  readonly busySeconds: number;
};
