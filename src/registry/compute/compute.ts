// CPU work that would hold up the event loop: done on a pool of threads.

/** Content is copied to a thread, or moved where the caller gives it away; every call rejects with TooBusyError when too many wait. */
export type Compute = {
  /** SHA-256, hexadecimal. */
  readonly digest: (content: Uint8Array) => Promise<string>;
  /** Whether an Ed25519 signature of the content is the key's (SPKI, PEM). */
  readonly verify: (
    content: Uint8Array,
    signature: Uint8Array,
    publicKeyPem: string,
  ) => Promise<boolean>;
  /** What in an artifact would run code or give away secrets when loaded. */
  readonly scan: (content: Uint8Array) => Promise<readonly ScanFinding[]>;
  /** What changed between two contents, line by line. */
  readonly diff: (before: Uint8Array, after: Uint8Array) => Promise<DiffSummary>;
  readonly state: () => ComputeState;
  readonly close: () => Promise<void>;
};

export type ScanFinding = {
  /** `pickle-import`, `private-key`, `access-token`. */
  readonly rule: string;
  readonly offset: number;
  readonly detail: string;
};

export type DiffSummary = {
  readonly added: number;
  readonly removed: number;
  /** In unified form, cut at a bound. */
  readonly patch: string;
};

export type ComputeState = {
  readonly threadsAlive: number;
  readonly tasksWaiting: number;
  /** Seconds since the start, over all threads. */
  readonly busySeconds: number;
  readonly aliveSeconds: number;
  readonly waitSeconds: number;
  readonly tasks: number;
};
