/** One access on its way into the columns of a trace: what readers of files, of MONITOR and of the wrapper's sockets hand to the builder. */
import { DELETE, GET, SET, WRITE } from "../../../core/cache-trace.ts";

/** Beside GET, SET, DELETE and WRITE of a finished trace: stored because a get had missed. Becomes part of that get. */
export const LOAD = 4;
/** What is stored got a new time to live. Becomes part of the store before it, or a store of its own. */
export const EXPIRE = 5;

/** Either both halves of the hash or the text of the key. Readers use one object for all rows: copy what is to be kept. */
export interface TraceRow {
  readonly timeMs: number;
  readonly hashHigh?: number | undefined;
  readonly hashLow?: number | undefined;
  readonly keyText?: string | undefined;
  /** GET, SET, DELETE, WRITE, LOAD or EXPIRE. */
  readonly operation: number;
  /** 0: unknown. */
  readonly valueBytes: number;
  /** 0: none; undefined or TTL_UNKNOWN: unknown. */
  readonly ttlMs?: number | undefined;
  /** undefined: unknown. */
  readonly costMs?: number | undefined;
  /** OUTCOME_UNKNOWN, OUTCOME_HIT or OUTCOME_MISS. */
  readonly outcome?: number | undefined;
  /** Any number: pids are mapped to 0, 1, ... */
  readonly process?: number | undefined;
  readonly keyBytes?: number | undefined;
  /**
   * A text is the source's own and kept. What a function says, asked once a key, and what is derived from `keyText` without one, may
   * be a name in the key: it is kept where enough keys have it.
   */
  readonly prefix?: string | (() => string) | undefined;
}

/** False: no more rows are wanted. */
export type RowSink = (row: TraceRow) => boolean | void;

const OPERATIONS: ReadonlyMap<string, number> = new Map([
  ...["get", "gets", "read", "r", "mget", "getex", "getrange", "head", "fetch", "lookup"].map(
    (name) => [name, GET] as const,
  ),
  ...["set", "add", "replace", "cas", "put", "setex", "psetex", "setnx", "getset", "mset"].map(
    (name) => [name, SET] as const,
  ),
  // They change what is stored in place: afterwards the cache has the newest value.
  ...["append", "prepend", "incr", "decr", "incrby", "decrby", "setrange", "store", "update"].map(
    (name) => [name, SET] as const,
  ),
  ...["delete", "del", "unlink", "remove", "invalidate", "getdel", "purge"].map(
    (name) => [name, DELETE] as const,
  ),
  ["write", WRITE],
  ...["load", "fill"].map((name) => [name, LOAD] as const),
  ...["expire", "pexpire", "touch", "persist", "expireat", "pexpireat"].map(
    (name) => [name, EXPIRE] as const,
  ),
]);

/** The operation that a word of a trace means, in any case; undefined when it is none. */
export function operationOf(word: string): number | undefined {
  return OPERATIONS.get(word.toLowerCase());
}
