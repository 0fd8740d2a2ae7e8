// One endpoint of the API as plain data: where it is, what it takes, and the function that answers it.

import type { BulkParts } from "./bulk/import.ts";
import type { Answer } from "./cache/answer.ts";
import type { Cache } from "./cache/read-through.ts";
import type { Compute } from "./compute/compute.ts";
import type { Database } from "./database.ts";
import type { Jobs } from "./jobs/jobs.ts";
import type { Reports } from "./reports/reports.ts";
import type { Shape } from "./shape.ts";

export const API_BASE = "/api/2.0/mlflow";

/** What endpoints work with. */
export type Backend = {
  readonly database: Database;
  readonly cache: Cache;
  readonly compute: Compute;
  /** Absent in a service that takes no jobs. */
  readonly jobs?: Jobs;
  /** Absent in a service that takes no imports. */
  readonly bulk?: BulkParts;
  /** Absent in a service that makes no reports. */
  readonly reports?: Reports;
  readonly batchSizeRows: number;
};

export type Method = "GET" | "POST" | "PATCH" | "DELETE";

export type Endpoint = {
  readonly method: Method;
  readonly path: string;
  readonly inputSchema: Readonly<Record<string, unknown>>;
  readonly writes: boolean;
  /** Whether clients may keep the answer for a while: nobody watches it change. */
  readonly keepable: boolean;
  /** Work that is worth breaking off asks for the signal that aborts when the client is gone. */
  readonly answer: (input: unknown, gone?: () => AbortSignal) => Promise<Answer>;
};

/** An endpoint that only reads. */
export function readEndpoint<T>(
  method: "GET" | "POST",
  path: string,
  input: Shape<T>,
  answer: (input: T, gone?: () => AbortSignal) => Promise<Answer>,
  options: { readonly keepable: boolean } = { keepable: true },
): Endpoint {
  return {
    method,
    path,
    inputSchema: input.schema,
    ...options,
    writes: false,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server holds the input against the shape's schema first
    answer: (value, gone) => answer(value as T, gone),
  };
}

/** An endpoint that writes. */
export function writeEndpoint<T>(
  method: Method,
  path: string,
  input: Shape<T>,
  write: (input: T) => Promise<object>,
): Endpoint {
  return {
    method,
    path,
    inputSchema: input.schema,
    keepable: false,
    writes: true,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server holds the input against the shape's schema first
    answer: async (value) => ({ body: JSON.stringify(await write(value as T)) }),
  };
}
