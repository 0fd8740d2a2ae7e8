/** The errors that end a command: what happened, where, and what to do about it. */

export type ErrorCode =
  /** The command line, a YAML file or another input of the user is wrong: exit code 2. */
  | "bad-input"
  /** The target, the load or a sample could not be measured: exit code 3. */
  | "cannot-measure"
  /** An undo failed, or an earlier run left changes behind: exit code 4. */
  | "dirty-target"
  /** The user pressed Ctrl-C: exit code 130, after undoing. */
  | "interrupted";

export class PerfoptError extends Error {
  readonly code: ErrorCode;
  /** What the user can do about it, one sentence. */
  readonly hint: string;

  constructor(code: ErrorCode, message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "PerfoptError";
    this.code = code;
    this.hint = hint;
  }
}

/** An undo failed: the loop never absorbs it, the run stops. */
export class DirtyTargetError extends PerfoptError {
  constructor(message: string, options?: ErrorOptions) {
    super(
      "dirty-target",
      message,
      "run `perfopt status` to see what is applied, then `perfopt rollback`",
      options,
    );
    this.name = "DirtyTargetError";
  }
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Stops when the run was interrupted. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) {
    throw new PerfoptError(
      "interrupted",
      "the run was interrupted",
      "nothing is left applied that was not kept",
    );
  }
}

/** Hides user and password of every URL in a text, so that it may be printed or stored. */
export function redactSecrets(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s/"']+@/gi, "$1***@");
}
