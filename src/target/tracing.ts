/** A stretch of time during which a service's tracers are listened to, and the trace that comes of it. */
import { randomBytes } from "node:crypto";
import type { CacheTrace } from "../core/cache-trace.ts";
import { mergeLines } from "./tracer-lines.ts";
import { listenToTracers, type TracersHeard } from "./tracer-sockets.ts";

/** Makes a trace of a tracer's CSV: given by whoever opens arms, since the reader is not this folder's. */
export type ReadTrace = (chunks: AsyncIterable<Uint8Array>, name: string) => Promise<CacheTrace>;

export interface TracingOptions {
  /** Where the service's processes have their sockets. */
  readonly folder: string;
  readonly readTrace: ReadTrace;
  /** For people. */
  readonly name: string;
  /** Of the keys; default: all. */
  readonly share?: number;
  readonly bytesMax?: number;
  readonly signal: AbortSignal;
}

export interface Traced<T> {
  readonly result: T;
  /** Undefined when no process has a tracer, or none used a cache. */
  readonly cacheTrace: CacheTrace | undefined;
  readonly heard: TracersHeard;
}

/** Rows are read only when `use` is done: while it runs, the machine is the load's. */
export async function whileTraced<T>(
  options: TracingOptions,
  use: () => Promise<T>,
): Promise<Traced<T>> {
  const { folder, readTrace, name, share = 1, bytesMax, signal } = options;
  const lines = mergeLines();
  const listener = await listenToTracers(folder, {
    salt: randomBytes(16).toString("hex"),
    share,
    signal,
    onChunk: (_, bytes, connection) => lines.add(connection, bytes),
    ...(bytesMax === undefined ? {} : { bytesMax }),
  });
  let result: T;
  let heard: TracersHeard;
  try {
    result = await use();
  } finally {
    heard = await listener.stop();
  }
  if (lines.rows() === 0) return { result, cacheTrace: undefined, heard };
  const title = heard.full ? `${name}, its beginning: there was more than fits` : name;
  return { result, cacheTrace: await readTrace(inOrder(lines.chunks()), title), heard };
}

async function* inOrder(chunks: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* chunks;
}
