// One endpoint of the API as plain data: where it is, what it takes, and the function that answers it.

import type { Cache } from "./cache/read-through.ts";
import type { Database } from "./database.ts";
import type { Shape } from "./shape.ts";

export const API_BASE = "/api/2.0/mlflow";

/** What endpoints work with. */
export type Backend = {
  readonly database: Database;
  readonly cache: Cache;
  readonly batchSizeRows: number;
};

export type Method = "GET" | "POST" | "PATCH" | "DELETE";

export type Endpoint = {
  readonly method: Method;
  readonly path: string;
  readonly inputSchema: Readonly<Record<string, unknown>>;
  /** A string is JSON already. */
  readonly answer: (input: unknown) => Promise<object | string>;
};

export function endpoint<T>(
  method: Method,
  path: string,
  input: Shape<T>,
  answer: (input: T) => Promise<object | string>,
): Endpoint {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server holds the input against the shape's schema first
  return { method, path, inputSchema: input.schema, answer: (value) => answer(value as T) };
}
