/** A replay: the same requests sent one after another to a quiet service, so that what they cause can be counted exactly. */

export interface ReplayRequest {
  /** Both arms get the same seed, and so the same requests. */
  readonly seed: number;
  /** Of every endpoint, counted. */
  readonly requestsPerEndpoint: number;
  /** Of every endpoint, sent first and not counted, so that connections are open and plans are made. */
  readonly warmupPerEndpoint: number;
}

/** Everything that a replay's requests of one endpoint caused: sums, not per request. */
export interface EndpointCounters {
  readonly endpoint: string;
  readonly requests: number;
  readonly errors: number;
  readonly responseBytes: number;
  /** Absent without pg_stat_statements. By text, since two databases may number the same statement differently. */
  readonly statements?: readonly StatementCount[];
  /** Calls by command; absent without Redis. */
  readonly redisCommands?: Readonly<Record<string, number>>;
}

export interface StatementCount {
  /** Normalised by PostgreSQL (constants are $1, $2, ...), white space collapsed. */
  readonly sql: string;
  readonly calls: number;
  readonly rows: number;
  /** Shared and local blocks, hit and read. */
  readonly buffers: number;
}

export interface Replay {
  readonly endpoints: readonly EndpointCounters[];
  /** What could not be counted, and why. */
  readonly unmeasured: readonly string[];
}
