// Settings of bulk imports: how much of one is read ahead, and how its batches are written.

import { readOneOf, readWhole } from "../config-values.ts";
import type { Environment } from "../config-values.ts";

export const BULK_METHODS = ["insert", "copy"] as const;
export type BulkMethod = (typeof BULK_METHODS)[number];

export type BulkConfig = {
  /** Batches of one import that are written at a time, each on a connection of its own. */
  readonly parallel: number;
  /** Batches of one import that are read and not yet written; then its body is no longer read. */
  readonly inFlight: number;
  readonly method: BulkMethod;
  /** How much of a body is read ahead, and how much of a batch is handed to the connection at once. */
  readonly bufferBytes: number;
};

/** A statement's parameters are numbered with 16 bits. */
const PARAMETERS_MAX = 65_535;
/** Columns of the widest table that is written with a parameter for each value: `metrics`. */
const COLUMNS_MAX = 6;
export const INSERT_ROWS_MAX = Math.floor(PARAMETERS_MAX / COLUMNS_MAX);

/** `batchSizeRows` is BATCH_SIZE, which other writes use too. */
export function readBulkConfig(
  environment: Environment,
  batchSizeRows: number,
  problems: string[],
): BulkConfig {
  const whole = (name: string, fallback: number, min: number, max: number): number =>
    readWhole(environment, name, fallback, min, max, problems);
  const config: BulkConfig = {
    parallel: whole("BATCH_PARALLEL", 1, 1, 16),
    inFlight: whole("BATCH_IN_FLIGHT", 4, 1, 64),
    method: readOneOf(environment, "BATCH_METHOD", "insert", BULK_METHODS, problems),
    bufferBytes: whole("BATCH_BUFFER_BYTES", 64 * 1024, 16 * 1024, 4 * 1024 * 1024),
  };
  if (config.method === "insert" && batchSizeRows > INSERT_ROWS_MAX) {
    problems.push(
      `BATCH_SIZE is ${batchSizeRows}, and with BATCH_METHOD=insert at most ${INSERT_ROWS_MAX} rows fit: a statement takes ${PARAMETERS_MAX} parameters, and a metric has ${COLUMNS_MAX}. Lower BATCH_SIZE, or set BATCH_METHOD=copy.`,
    );
  }
  return config;
}
