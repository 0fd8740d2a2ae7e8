/** Traces what a service asks of its cache: off unless told, and then never in the way of the service. */
import type { Socket } from "node:net";
import { saltOf } from "./hash.ts";
import { listenForClients, type TraceListener, type TraceRequest } from "./listener.ts";
import { startRecording, type Recording } from "./recording.ts";
import type { Operation } from "./row-writer.ts";
import { createScopes, type Scopes } from "./scopes.ts";
import { openFileSink, socketSink, type Sink } from "./sinks.ts";

const ROWS_MAX = 20_000_000;
const DAY_MS = 86_400_000;
const UNKNOWN = Number.NaN;

export interface CacheTracerOptions {
  /** Rows are appended to this file from now on; `%p` is the pid. Default: PERFOPT_TRACE_FILE. */
  readonly file?: string | undefined;
  /** The process listens on `<folder>/<pid>.sock`, and traces while somebody is connected. Default: PERFOPT_TRACE_SOCKETS. */
  readonly socketFolder?: string | undefined;
  /** Of the keys, chosen by hash: 0.1 is every tenth key, with all that is done to it. Default: PERFOPT_TRACE_SHARE, or 1. */
  readonly share?: number | undefined;
  /** The same for all processes of a service, and secret. Default: PERFOPT_TRACE_SALT, or a random one of this process. */
  readonly salt?: string | undefined;
  /** What a key's name begins with, ids left out. Default: its first segments, up to the one that looks like an id. */
  readonly prefixOf?: ((key: string) => string) | undefined;
  /** Tracing ends after so many rows. Default: 20 million. */
  readonly rowsMax?: number | undefined;
  /** Tracing ends after so long. Default: a day. */
  readonly durationMsMax?: number | undefined;
}

export interface TracerCounts {
  readonly rows: number;
  /** Of all keys, those outside the sample too. */
  readonly gets: number;
  /** Rows that a slow disk or reader cost. */
  readonly dropped: number;
  /** Failures of tracing itself, which the service never sees. */
  readonly errors: number;
}

/** Sizes are bytes of the value; one that is not known is NaN. A time to live of 0 is none. */
export interface CacheTracer {
  active(): boolean;
  /** Whether something that is done to this key would be traced: spares the work of finding out sizes. */
  sampled(key: string): boolean;
  hit(key: string, valueBytes: number): void;
  miss(key: string): void;
  /** What was loaded after a miss was stored. */
  loaded(key: string, valueBytes: number, ttlMs: number, costMs?: number): void;
  /** Written without a miss. */
  stored(key: string, valueBytes: number, ttlMs: number): void;
  /** What is stored got a new time to live. */
  expires(key: string, ttlMs: number): void;
  deleted(key: string): void;
  /** The data changed, and the cache was not told. */
  wrote(key: string): void;
  /** The key is to be invalidated with these scopes. */
  depends(key: string, scopes: readonly string[]): void;
  /** Traces a delete of each key of these scopes that was read or stored since its last one. */
  invalidated(scopes: readonly string[]): void;
  /** Of the present capture, or the last one. */
  counts(): TracerCounts;
  close(): Promise<void>;
}

/** What of a tracer changes over time. */
interface State {
  recording: Recording | undefined;
  scopes: Scopes;
  counts: { rows: number; gets: number; dropped: number };
  errors: number;
}

/** What the environment says counts where an option is undefined. Never throws: a tracer that cannot work is off, and counts an error. */
export function createCacheTracer(options: CacheTracerOptions = {}): CacheTracer {
  const state: State = {
    recording: undefined,
    scopes: createScopes(),
    counts: { rows: 0, gets: 0, dropped: 0 },
    errors: 0,
  };
  const lifecycle = startLifecycle(state, options, settingsOf(options, process.env));
  return { ...operationsOn(state), close: () => lifecycle.close() };
}

function operationsOn(state: State): Omit<CacheTracer, "close"> {
  const record = (
    key: string,
    operation: Operation,
    size: number,
    ttlMs: number,
    costMs: number,
    hit: boolean | undefined,
  ): void => {
    const current = state.recording;
    if (current === undefined) return;
    try {
      if (hit !== undefined) current.countGet();
      if (!current.take(key)) return;
      if (operation !== "write") state.scopes.touched(current.hash, operation !== "delete");
      current.row(key, operation, size, ttlMs, costMs, hit);
    } catch {
      state.errors += 1;
    }
  };
  return {
    active: () => state.recording !== undefined,
    sampled: (key) => state.recording?.take(key) ?? false,
    hit: (key, valueBytes) => record(key, "get", valueBytes, UNKNOWN, UNKNOWN, true),
    miss: (key) => record(key, "get", UNKNOWN, UNKNOWN, UNKNOWN, false),
    loaded: (key, valueBytes, ttlMs, costMs = UNKNOWN) =>
      record(key, "load", valueBytes, ttlMs, costMs, undefined),
    stored: (key, valueBytes, ttlMs) => record(key, "set", valueBytes, ttlMs, UNKNOWN, undefined),
    expires: (key, ttlMs) => record(key, "expire", UNKNOWN, ttlMs, UNKNOWN, undefined),
    deleted: (key) => record(key, "delete", UNKNOWN, UNKNOWN, UNKNOWN, undefined),
    wrote: (key) => record(key, "write", UNKNOWN, UNKNOWN, UNKNOWN, undefined),
    depends: (key, scopes) => {
      const current = state.recording;
      if (current === undefined) return;
      try {
        if (current.take(key)) state.scopes.depends(current.hash, scopes);
      } catch {
        state.errors += 1;
      }
    },
    invalidated: (scopes) => {
      const current = state.recording;
      if (current === undefined) return;
      try {
        state.scopes.invalidated(scopes, (hash) => current.rowOfHash(hash, "delete"));
      } catch {
        state.errors += 1;
      }
    },
    counts: () => ({ ...state.counts, errors: state.errors }),
  };
}

function startLifecycle(
  state: State,
  options: CacheTracerOptions,
  settings: Settings,
): { close(): Promise<void> } {
  let listener: TraceListener | undefined;
  const failed = (): void => {
    state.errors += 1;
  };
  const stop = async (): Promise<void> => {
    const ended = state.recording;
    state.recording = undefined;
    await ended?.close();
  };
  const start = (sink: Sink, request: TraceRequest): void => {
    state.scopes = createScopes();
    state.recording = startRecording({
      sink,
      salt: saltOf(request.salt ?? settings.salt),
      share: request.share,
      prefixOf: options.prefixOf,
      rowsMax: options.rowsMax ?? ROWS_MAX,
      durationMsMax: options.durationMsMax ?? DAY_MS,
      onEnd: () => void stop().catch(failed),
    });
    state.counts = state.recording.counts;
  };
  const serve = (socket: Socket, request: TraceRequest): boolean => {
    if (state.recording) return false;
    start(socketSink(socket), request);
    const mine = state.recording;
    const end = (): void => {
      if (mine === state.recording) void stop().catch(failed);
    };
    socket.once("close", end).once("end", end);
    return true;
  };
  const finishNow = (): void => {
    listener?.close();
    state.recording?.finishNow();
    state.recording = undefined;
  };
  try {
    const { file, socketFolder, share, salt } = settings;
    if (!(share > 0 && share <= 1)) throw new RangeError("the share is not above 0 and at most 1");
    if (file !== undefined) {
      const path = file.replaceAll("%p", String(process.pid));
      start(openFileSink(path, failed), { salt, share });
    }
    if (socketFolder !== undefined) listener = listenForClients(socketFolder, serve, failed);
    if (file !== undefined || socketFolder !== undefined) atExit.add(finishNow);
  } catch {
    state.errors += 1;
  }
  return {
    close: async () => {
      atExit.delete(finishNow);
      listener?.close();
      await stop().catch(failed);
    },
  };
}

/** One listener of the process for all tracers. */
const atExit = createAtExit();

function createAtExit() {
  const actions = new Set<() => void>();
  let listening = false;
  return {
    add: (action: () => void): void => {
      actions.add(action);
      if (listening) return;
      listening = true;
      process.once("exit", () => {
        for (const each of actions) {
          try {
            each();
          } catch {
            // The process ends; a disk that is full now is nobody's business here.
          }
        }
      });
    },
    delete: (action: () => void): void => {
      actions.delete(action);
    },
  };
}

interface Settings {
  readonly file: string | undefined;
  readonly socketFolder: string | undefined;
  readonly share: number;
  readonly salt: string | undefined;
}

function settingsOf(
  options: CacheTracerOptions,
  environment: Readonly<Record<string, string | undefined>>,
): Settings {
  return {
    file: options.file ?? textOf(environment["PERFOPT_TRACE_FILE"]),
    socketFolder: options.socketFolder ?? textOf(environment["PERFOPT_TRACE_SOCKETS"]),
    share: options.share ?? Number(textOf(environment["PERFOPT_TRACE_SHARE"]) ?? 1),
    salt: options.salt ?? textOf(environment["PERFOPT_TRACE_SALT"]),
  };
}

/** An empty variable is none. */
function textOf(value: string | undefined): string | undefined {
  return value === undefined || value === "" ? undefined : value;
}
