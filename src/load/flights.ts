/** The requests on their way: hands each to the connection pool, and ends those that take longer than the time limit. */
import { createHash, type Hash } from "node:crypto";
import { performance } from "node:perf_hooks";
import { setTimeout as wait } from "node:timers/promises";
import type { Dispatcher } from "undici";
import type { RequestTemplate } from "../core/workload.ts";
import type { Ending, Flight, Recorder } from "./recorder.ts";

export interface Flights {
  readonly outstanding: () => number;
  readonly send: (options: Outgoing, departure: Departure) => void;
  /** Ends every flight whose time limit has passed. */
  readonly expire: (now: number) => void;
  /** Resolves when nothing is outstanding, which is at most the time limit after the last `send`. */
  readonly drain: () => Promise<void>;
}

export interface Outgoing {
  readonly method: RequestTemplate["method"];
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

export interface Departure extends Pick<
  Flight,
  "endpoint" | "measured" | "dueAt" | "trace" | "conditional"
> {
  /** Called once, when the request was answered, timed out or was broken off, after it was recorded; may send the next one. */
  readonly onEnd?: ((ending: Ending, answer: Answer) => void) | undefined;
  /** Before an answer is recorded: the key under which it counts as failed, whatever its status. */
  readonly refusal?: ((answer: Answer) => string | undefined) | undefined;
  /** Whether these two want the body: keeping it costs a copy of every answer. */
  readonly keepBody?: boolean | undefined;
  /** Called once, when it was answered, before it is recorded. */
  readonly watch?: ((seen: Seen) => void) | undefined;
  /** Whether it wants a hash of the body. */
  readonly hashBody?: boolean;
}

export interface Seen extends Pick<Answer, "status" | "headers"> {
  /** 53 bits of the body's hash; undefined unless asked for. */
  readonly body: number | undefined;
  /** Of the body, as it came. */
  readonly bytes: number;
}

/** What came back; without an answer the status is 0, and headers and body are what came until then. */
export interface Answer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Undefined unless `keepBody` asked for it. */
  readonly body: string | undefined;
}

interface Open {
  readonly flight: Flight;
  readonly onEnd: Departure["onEnd"];
  readonly refusal: Departure["refusal"];
  readonly watch: Departure["watch"];
  readonly hashBody: boolean;
  digest: Hash | undefined;
  /** Undefined when nobody wants them. */
  chunks: Buffer[] | undefined;
  headers: Answer["headers"];
  ended: boolean;
  /** Known once a connection took the request. */
  controller: Dispatcher.DispatchController | undefined;
}

const DRAIN_POLL_MS = 2;
/** How many empty places may lie before the oldest open flight before the list is cut. */
const EMPTY_MAX = 4_096;

/** `headers` are sent with every request, in place of its own of the same names. */
export function openFlights(
  pool: Dispatcher,
  recorder: Pick<Recorder, "launch" | "finish">,
  timeoutMs: number,
  headers: Readonly<Record<string, string>> = {},
): Flights {
  const withHeaders = headerMerger(headers);
  /** In the order of `send`, which is the order in which their limits pass. */
  let queue: (Open | undefined)[] = [];
  let oldest = 0;
  let outstanding = 0;

  const waiting = (): boolean => outstanding > 0;

  function end(open: Open, ending: Ending, because?: string): void {
    if (open.ended) return;
    open.ended = true;
    outstanding -= 1;
    const at = performance.now();
    const { onEnd, refusal, watch } = open;
    if (watch && ending === "answered") watch(seenOf(open));
    if (refusal && ending === "answered") open.flight.refusedAs = refusal(answerOf(open));
    recorder.finish(open.flight, ending, at, because);
    if (onEnd) {
      const answer = answerOf(open);
      // A request that cannot be sent at all ends within `send`: a loop that sends the next one at once would never return.
      if (ending === "broken-off") setImmediate(onEnd, ending, answer);
      else onEnd(ending, answer);
    }
    // The list may keep it for a while, behind one that takes longer.
    open.chunks = undefined;
    open.digest = undefined;
    open.controller = undefined;
  }

  function expire(now: number): void {
    for (let open = queue[oldest]; open; open = queue[oldest]) {
      if (!open.ended) {
        if (open.flight.sentAt + timeoutMs > now) break;
        const { controller } = open;
        end(open, "timeout");
        controller?.abort(new Error("the time limit of the request has passed"));
      }
      // What has ended must not be kept: the collector would copy it again and again, for milliseconds in which nothing is sent.
      queue[oldest] = undefined;
      oldest += 1;
    }
    if (oldest > EMPTY_MAX) {
      queue = queue.slice(oldest);
      oldest = 0;
    }
  }

  return {
    outstanding: () => outstanding,
    send: (options, departure) => {
      const open = openOf(departure, performance.now());
      queue.push(open);
      outstanding += 1;
      recorder.launch(open.flight);
      pool.dispatch(withHeaders(options), handlerOf(open, end));
    },
    expire,
    drain: async () => {
      while (waiting()) {
        await wait(DRAIN_POLL_MS);
        expire(performance.now());
      }
    },
  };
}

function openOf(departure: Departure, sentAt: number): Open {
  const { endpoint, measured, dueAt, trace, conditional, onEnd, refusal, keepBody } = departure;
  return {
    flight: {
      endpoint,
      measured,
      dueAt,
      trace,
      conditional,
      sentAt,
      writtenAt: sentAt,
      status: 0,
      responseBytes: 0,
    },
    onEnd,
    refusal,
    watch: departure.watch,
    hashBody: departure.hashBody === true,
    digest: undefined,
    chunks: keepBody === true ? [] : undefined,
    headers: {},
    ended: false,
    controller: undefined,
  };
}

/** Header names have no case: two spellings of one name would both be sent. */
export function headerMerger(
  extra: Readonly<Record<string, string>>,
): <T extends Pick<Outgoing, "headers">>(options: T) => T {
  const names = new Set(Object.keys(extra).map((name) => name.toLowerCase()));
  if (names.size === 0) return (options) => options;
  return (options) => {
    const headers: Record<string, string> = { ...extra };
    for (const [name, value] of Object.entries(options.headers)) {
      if (!names.has(name.toLowerCase())) headers[name] = value;
    }
    return { ...options, headers };
  };
}

function handlerOf(
  open: Open,
  end: (open: Open, ending: Ending, because?: string) => void,
): Dispatcher.DispatchHandler {
  const { flight } = open;
  return {
    onRequestStart(controller) {
      open.controller = controller;
      flight.writtenAt = performance.now();
      // Its limit passed while it waited for a connection: it must not burden the service any more.
      if (open.ended) controller.abort(new Error("the time limit of the request has passed"));
    },
    onResponseStart(_controller, statusCode, headers) {
      flight.status = statusCode;
      open.headers = headers;
      // Measured: 1.5 microseconds for a small body, 0.5 more for each KB; a hash in JavaScript takes three times as long for large ones.
      if (open.hashBody) open.digest = createHash("sha1");
    },
    onResponseData(_controller, chunk) {
      flight.responseBytes += chunk.length;
      open.chunks?.push(chunk);
      open.digest?.update(chunk);
    },
    onResponseEnd() {
      end(open, "answered");
    },
    onResponseError(_controller, error) {
      end(open, "broken-off", error.message);
    },
  };
}

function answerOf({ flight, headers, chunks }: Open): Answer {
  return {
    status: flight.status,
    headers,
    body: chunks && Buffer.concat(chunks).toString("utf8"),
  };
}

function seenOf({ flight, headers, digest }: Open): Seen {
  const hash = digest?.digest();
  return {
    status: flight.status,
    headers,
    bytes: flight.responseBytes,
    body: hash && (hash.readUInt32LE(0) & 0x1fffff) * 2 ** 32 + hash.readUInt32LE(4),
  };
}
