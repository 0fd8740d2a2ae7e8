/** A workload: which requests are sent, with which parameters, and how they arrive. */

/** Parameter rows drawn for a request; each row's columns fill `${name.column}`. */
export interface Parameter {
  readonly name: string;
  readonly source:
    /** One read-only query on the target's database, run once before the load; rows in its order, most popular first. */
    | { readonly kind: "sql"; readonly query: string; readonly limit: number }
    | { readonly kind: "values"; readonly rows: readonly Row[] }
    /** A CSV file whose first line names the columns; read once before the load. `path` is absolute. */
    | { readonly kind: "csv"; readonly path: string; readonly limit: number }
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

/** A pause that a person makes between two requests. */
export type ThinkTime =
  | { readonly kind: "fixed"; readonly ms: number }
  | { readonly kind: "uniform"; readonly minMs: number; readonly maxMs: number }
  | { readonly kind: "exponential"; readonly meanMs: number };

/** A value taken from a step's answer; later steps of the same session use it as `${name}`. */
export interface Capture {
  readonly name: string;
  readonly from:
    /** Keys and positions into the JSON body: `["run", "info", "run_id"]`. */
    | { readonly kind: "json"; readonly path: readonly (string | number)[] }
    | { readonly kind: "header"; readonly header: string };
}

/** One request of a session; its `weight` does not count, its `name` is the endpoint in results. */
export interface SessionStep {
  readonly request: RequestTemplate;
  /** How often the step is done in a row, drawn anew each time. */
  readonly repeat: number;
  readonly captures: readonly Capture[];
  /** Before each of the step's requests. */
  readonly think?: ThinkTime;
}

/** Requests that one user sends one after another. A step that fails ends its session. */
export interface SessionTemplate {
  readonly name: string;
  readonly weight: number;
  readonly steps: readonly SessionStep[];
}

/** What a task is done for; its metrics follow from it. */
export type TaskKind = "ingest" | "query" | "report";

/**
 * A piece of bulk work beside the requests. One client does a workload's tasks in order, again and again until the window ends, each a
 * single request that is timed from its start to the last byte of its answer.
 */
export interface TaskTemplate {
  readonly name: string;
  readonly kind: TaskKind;
  /** Its `weight` does not count. Of tasks with `lines`, the body is absent. */
  readonly request: RequestTemplate;
  /** A body of so many records, each drawn anew, one a line; CSV begins with a line of the item's keys. */
  readonly lines?: {
    readonly format: "ndjson" | "csv";
    readonly count: number;
    /** Of CSV: keys to texts, numbers or placeholders. */
    readonly item: { readonly [key: string]: Json };
  };
  /** Of an ingest: how many records one request carries. */
  readonly records: number;
  /** How often it is done in one window at most, so that both arms' data grow alike. */
  readonly perWindow: number;
  readonly timeoutMs: number;
}

/** What a target file offers under a name: requests or sessions, and their parameters. */
export interface WorkloadDefinition {
  readonly name: string;
  /** Sent independently of each other; empty when the workload has sessions. */
  readonly requests: readonly RequestTemplate[];
  readonly sessions?: readonly SessionTemplate[];
  /** Absent: none. */
  readonly tasks?: readonly TaskTemplate[];
  readonly parameters: readonly Parameter[];
  /**
   * Share of the simulated clients, 0 to 1, that keep validators: they repeat a GET with If-None-Match or If-Modified-Since, always,
   * as after a reload; a 304 is a success then. Absent: none.
   */
  readonly revalidate?: number;
  /** The simulated clients keep the cookies that they are set, and send them back. Absent: none does. */
  readonly cookies?: true;
}

/** The requests whose names are a workload's endpoints, in the order in which results list them. */
export function endpointsOf(workload: WorkloadDefinition): readonly RequestTemplate[] {
  const steps = (workload.sessions ?? []).flatMap(({ steps: each }) =>
    each.map(({ request }) => request),
  );
  return [...workload.requests, ...steps];
}

/** The rows of every parameter, read once, so that both arms draw from the same. */
export type ParameterData = Readonly<Record<string, readonly Row[]>>;
