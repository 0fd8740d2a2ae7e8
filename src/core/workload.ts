/** A workload: which requests are sent, with which parameters, and how they arrive. */

/** Parameter rows drawn for a request; each row's columns fill `${name.column}`. */
export interface Parameter {
  readonly name: string;
  readonly source:
    /** One read-only query on the target's database, run once before the load; rows in its order, most popular first. */
    | { readonly kind: "sql"; readonly query: string; readonly limit: number }
    | { readonly kind: "values"; readonly rows: readonly Row[] }
    | { readonly kind: "int"; readonly min: number; readonly max: number }
    | { readonly kind: "float"; readonly min: number; readonly max: number }
    /** A text that no other draw of the run has: letters and digits from the seed and a counter. */
    | { readonly kind: "unique"; readonly prefix: string };
  /** How a row is drawn: `zipf` gives rank k the weight 1 / k^exponent. */
  readonly distribution:
    | { readonly kind: "uniform" }
    | { readonly kind: "zipf"; readonly exponent: number };
}

export type Scalar = string | number | boolean | null;
export type Row = Readonly<Record<string, Scalar>>;
export type Json = Scalar | readonly Json[] | { readonly [key: string]: Json };

/** One kind of request. `${parameter.column}` in path, headers and body is replaced per request; `${parameter}` is the only column's value. */
export interface RequestTemplate {
  readonly name: string;
  readonly weight: number;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path and query; replaced values are percent-encoded. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /**
   * JSON; a string that is exactly one placeholder becomes the value in its own type;
   * `{ "$repeat": 10, "item": ... }` becomes an array of 10 items drawn anew each, with `${index}` from 0.
   */
  readonly body?: Json;
  /** Status codes that count as success; 200 to 299 when empty. */
  readonly expect: readonly number[];
}

/** What a target file offers under a name: requests and their parameters. */
export interface WorkloadDefinition {
  readonly name: string;
  readonly requests: readonly RequestTemplate[];
  readonly parameters: readonly Parameter[];
}

/** The rows of every parameter, read once, so that both arms draw from the same. */
export type ParameterData = Readonly<Record<string, readonly Row[]>>;
