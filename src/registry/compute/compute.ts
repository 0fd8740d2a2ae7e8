// CPU work that would hold up the event loop: done on a pool of threads.

/**
 * Content is copied to a thread, and must stay as it is until the call settles. Every call rejects with TooBusyError when too many wait or one
 * has waited too long, with DEADLINE_EXCEEDED when it ran too long, with the signal's reason when that says so (the thread ends, if it had
 * begun), and with TEMPORARILY_UNAVAILABLE once the pool is closed.
 */
export type Compute = {
  /** SHA-256, hexadecimal. Of little content on the calling thread, which is cheaper than to ask another. */
  readonly digest: (content: Uint8Array) => Promise<string>;
  /** Whether an Ed25519 signature of the content is the key's (SPKI, PEM); false of a key that cannot be read. */
  readonly verify: (
    content: Uint8Array,
    signature: Uint8Array,
    publicKeyPem: string,
  ) => Promise<boolean>;
  /** Digest and signature in one task, for one copy of the content. */
  readonly check: (
    content: Uint8Array,
    signature: Uint8Array,
    publicKeyPem: string,
    signal?: AbortSignal,
  ) => Promise<CheckedContent>;
  /** What in an artifact would run code or give away secrets when loaded. */
  readonly scan: (content: Uint8Array, signal?: AbortSignal) => Promise<readonly ScanFinding[]>;
  /** What changed between two contents, line by line. */
  readonly diff: (
    before: Uint8Array,
    after: Uint8Array,
    signal?: AbortSignal,
  ) => Promise<DiffSummary>;
  /**
   * Room for content, asked for before it is fetched: the queue bounds how many tasks wait, and not how large they are. The returned function
   * gives it back. Throws TooBusyError when there is none.
   */
  readonly reserve: (bytes: number) => () => void;
  readonly state: () => ComputeState;
  /** Ends the threads; tasks under way reject. */
  readonly close: () => Promise<void>;
};

export type CheckedContent = { readonly sha256: string; readonly signatureValid: boolean };

export type ScanFinding = {
  /** `pickle-import`, `private-key`, `access-token`; `unscanned` of what could not be looked into, and so is not known to be clean. */
  readonly rule: string;
  readonly offset: number;
  /** Without control characters: those of the artifact's own names are written as escapes. */
  readonly detail: string;
};

export type DiffSummary = {
  /** One of the two is not text: then nothing is compared. */
  readonly binary: boolean;
  readonly added: number;
  readonly removed: number;
  /** In unified form, of whole hunks up to a bound. */
  readonly patch: string;
  /** Whether the bound left hunks or lines out. */
  readonly cut: boolean;
};

export type ComputeState = {
  readonly threadsAlive: number;
  readonly tasksWaiting: number;
  /** Seconds since the start, over all threads: of tasks that ended, as the threads timed them. */
  readonly busySeconds: number;
  /** From a thread's being ready until it is told to end, over all threads. */
  readonly aliveSeconds: number;
  /** From asking until a thread began. */
  readonly waitSeconds: number;
  /** Ended, failed ones included. */
  readonly tasks: number;
};
