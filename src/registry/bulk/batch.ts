// What a batch of one kind of record is, and what came of writing it.

import type { Scope } from "../cache/keys.ts";
import type { Connection } from "./connection.ts";
import type { Fields } from "./records.ts";
import type { Reason } from "./values.ts";

export type LineError = { readonly line: number; readonly message: string };

export type Outcome = {
  /** Records that added or changed something. */
  readonly written: number;
  /** Records that say what is there already, or what a later one of the file replaces. */
  readonly unchanged: number;
  readonly errors: readonly LineError[];
  /** What answers depend on that may be old now, also where nothing was written: an earlier try may have ended before it told. */
  readonly scopes: readonly Scope[];
};

export type Batch = {
  readonly rows: () => number;
  /** Takes a record, or says why it cannot be one of this kind. */
  readonly add: (fields: Fields, line: number, digest: string) => Reason | undefined;
  /** In a transaction that is open. May be called again after a rollback. */
  readonly write: (connection: Connection) => Promise<Outcome>;
  /** What answers depend on that the last `write` may have changed, for when nobody knows whether it was committed. */
  readonly touched: () => readonly Scope[];
  /** After the commit. */
  readonly written?: () => void;
  /** Empties it for further records. */
  readonly clear: () => void;
};

export type BulkKind = {
  readonly required: readonly string[];
  readonly optional: readonly string[];
  /** Records with the same value here are written in the order of the file, whatever is written beside them. */
  readonly laneField: "run_id" | "name";
  /** Records are written in this order when a whole file is written in one transaction: rows are then locked in one order by everyone. */
  readonly orderField: "timestamp" | undefined;
  /** What tells a record from others, asked for once for each, in the order of the file; absent: nothing does, nor needs to. */
  readonly digestOf?: (fields: Fields) => string;
  readonly createBatch: () => Batch;
};
