// MLflow's error codes with their HTTP statuses, and how failures of PostgreSQL map onto them.

const STATUS_BY_CODE = {
  BAD_REQUEST: 400,
  INVALID_PARAMETER_VALUE: 400,
  RESOURCE_ALREADY_EXISTS: 400,
  RESOURCE_DOES_NOT_EXIST: 404,
  ENDPOINT_NOT_FOUND: 404,
  RESOURCE_CONFLICT: 409,
  INTERNAL_ERROR: 500,
  TEMPORARILY_UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
} as const;

export type ErrorCode = keyof typeof STATUS_BY_CODE;

export class RegistryError extends Error {
  override readonly name = "RegistryError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  get status(): number {
    return STATUS_BY_CODE[this.code];
  }
}

/** There is more to do than may wait: the client is told when to come back (Retry-After, whole seconds). */
export class TooBusyError extends RegistryError {
  readonly retryAfterSeconds: number;

  constructor(message: string, retryAfterSeconds: number) {
    super("TEMPORARILY_UNAVAILABLE", message);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export function invalidParameter(message: string): RegistryError {
  return new RegistryError("INVALID_PARAMETER_VALUE", message);
}

export function doesNotExist(message: string): RegistryError {
  return new RegistryError("RESOURCE_DOES_NOT_EXIST", message);
}

const UNIQUE_VIOLATION = "23505";
const FOREIGN_KEY_VIOLATION = "23503";
const QUERY_CANCELED = "57014";
const CONFLICTS = new Set(["40001", "40P01", "55P03"]);
const CONNECTION_FAILURES = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "53300",
  "57P01",
  "57P02",
  "57P03",
]);
// pg and pg-pool report these without a code.
const CONNECTION_MESSAGES =
  /timeout exceeded when trying to connect|Connection terminated|is not queryable|Cannot use a pool after|timeout expired/;

/** Whether an insert failed because the row is already there. */
export function isUniqueViolation(error: unknown): boolean {
  return sqlState(error) === UNIQUE_VIOLATION;
}

/** The error a client gets for anything that was thrown while its request was answered. */
export function toRegistryError(error: unknown): RegistryError {
  if (error instanceof RegistryError) return error;
  const state = sqlState(error);
  const message = error instanceof Error ? error.message : String(error);
  const options = { cause: error };
  if (state === UNIQUE_VIOLATION) {
    return new RegistryError(
      "RESOURCE_ALREADY_EXISTS",
      "A resource with this name already exists.",
      options,
    );
  }
  if (state === FOREIGN_KEY_VIOLATION) {
    return new RegistryError(
      "RESOURCE_DOES_NOT_EXIST",
      "The resource this request refers to does not exist.",
      options,
    );
  }
  if (state === QUERY_CANCELED) {
    return new RegistryError(
      "DEADLINE_EXCEEDED",
      "The database did not answer within STATEMENT_TIMEOUT_MS.",
      options,
    );
  }
  if (state !== undefined && CONFLICTS.has(state)) {
    return new RegistryError(
      "RESOURCE_CONFLICT",
      "The request collided with another one; send it again.",
      options,
    );
  }
  // Class 22 is what PostgreSQL says of data that a column or an operator cannot take.
  if (state?.startsWith("22") && state.length === 5) {
    return new RegistryError(
      "INVALID_PARAMETER_VALUE",
      `The database refused a value: ${message}`,
      options,
    );
  }
  if (
    (state !== undefined && (CONNECTION_FAILURES.has(state) || state.startsWith("08"))) ||
    CONNECTION_MESSAGES.test(message)
  ) {
    return new RegistryError(
      "TEMPORARILY_UNAVAILABLE",
      "No database connection was available in time; try again.",
      options,
    );
  }
  return new RegistryError(
    "INTERNAL_ERROR",
    "The request failed inside the service; its log says why.",
    options,
  );
}

function sqlState(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
