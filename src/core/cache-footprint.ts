/** What entries take in a Redis server's memory, as one was measured: plain data between the server's side and the advisor. */

/** Entries of one shape, and what one of them takes, the hash tables' slots left out. */
export interface MeasuredShape {
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly expires: boolean;
  readonly bytesMeasured: number;
}

export interface MeasuredFootprint {
  readonly shapes: readonly MeasuredShape[];
  /** Of the server without any key. */
  readonly startupBytes: number;
  /** As INFO has it: `7.0.15`. */
  readonly serverVersion: string;
  /** As INFO has it: `jemalloc-5.3.0`, `libc`. */
  readonly allocator: string;
}
