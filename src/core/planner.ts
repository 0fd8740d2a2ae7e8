/** The port to a private PostgreSQL server without data, on which the advisor rebuilds a database's schema and statistics. */
import type { Row, Scalar } from "./workload.ts";

/** Runs one statement; `parameters` are bound, never pasted. */
export type Query = (sql: string, parameters?: readonly Scalar[]) => Promise<readonly Row[]>;

/** How a database compares and sorts text; on another server the same plans need the same. */
export interface DatabaseLocale {
  /** PostgreSQL's name, for example UTF8. */
  readonly encoding: string;
  readonly collate: string;
  readonly ctype: string;
  /** `libc`, `icu` (PostgreSQL 15 and later) or `builtin` (17 and later). */
  readonly provider: "libc" | "icu" | "builtin";
  /** Of the provider, where it is not libc. */
  readonly locale?: string;
}

/** Starts without autovacuum, durability or checksums, listens to perfopt alone, and is removed with its files when it is closed. */
export interface PlannerServer {
  readonly major: number;
  /** PostgreSQL's own version, for example 15.18. */
  readonly version: string;
  /** Makes an empty database. Returns what could not be had as asked, for example a locale that this machine lacks. */
  createDatabase(name: string, locale: DatabaseLocale): Promise<readonly string[]>;
  /** As superuser. Several at once are fine. */
  connect(database: string): Promise<PlannerConnection>;
  readonly files: RelationFiles;
}

export interface PlannerConnection {
  readonly query: Query;
  /** Several statements in one round trip, without parameters; the rows of each. They are one transaction unless they say otherwise. */
  script(sql: string): Promise<readonly (readonly Row[])[]>;
  close(): Promise<void>;
}

/** Relation files of the server. Paths are those of pg_relation_filepath; blocks have 8,192 bytes. */
export interface RelationFiles {
  /** Makes the relation so many blocks long without writing them (sparse, in segments of 1 GiB). Only grows what a session has open. */
  setBlocks(path: string, blocks: number): Promise<void>;
  blocks(path: string): Promise<number>;
  read(path: string, offset: number, length: number): Promise<Uint8Array>;
  write(path: string, offset: number, bytes: Uint8Array): Promise<void>;
}
