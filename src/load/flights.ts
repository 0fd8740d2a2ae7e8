/** The requests on their way: hands each to the connection pool, and ends those that take longer than the time limit. */
import { performance } from "node:perf_hooks";
import { setTimeout as wait } from "node:timers/promises";
import type { Dispatcher } from "undici";
import type { Ending, Flight, Recorder } from "./recorder.ts";

export interface Flights {
  readonly outstanding: () => number;
  readonly send: (options: Dispatcher.DispatchOptions, flight: Departure) => void;
  /** Ends every flight whose time limit has passed. */
  readonly expire: (now: number) => void;
  /** Resolves when nothing is outstanding, which is at most the time limit after the last `send`. */
  readonly drain: () => Promise<void>;
}

type Departure = Pick<Flight, "endpoint" | "measured" | "dueAt" | "trace">;

interface Open {
  readonly flight: Flight;
  ended: boolean;
  /** Known once a connection took the request. */
  controller: Dispatcher.DispatchController | undefined;
}

const DRAIN_POLL_MS = 2;
/** How many ended flights may lie before the oldest open one before the list is cut. */
const ENDED_KEPT_MAX = 4_096;

export function openFlights(pool: Dispatcher, recorder: Recorder, timeoutMs: number): Flights {
  /** In the order of `send`, which is the order in which their limits pass. */
  let queue: Open[] = [];
  let oldest = 0;
  let outstanding = 0;

  const waiting = (): boolean => outstanding > 0;

  function end(open: Open, ending: Ending): void {
    if (open.ended) return;
    open.ended = true;
    outstanding -= 1;
    recorder.finish(open.flight, ending, performance.now());
  }

  function expire(now: number): void {
    for (let open = queue[oldest]; open; open = queue[oldest]) {
      if (!open.ended) {
        if (open.flight.sentAt + timeoutMs > now) break;
        end(open, "timeout");
        open.controller?.abort(new Error("the time limit of the request has passed"));
      }
      oldest += 1;
    }
    if (oldest > ENDED_KEPT_MAX) {
      queue = queue.slice(oldest);
      oldest = 0;
    }
  }

  return {
    outstanding: () => outstanding,
    send: (options, departure) => {
      const sentAt = performance.now();
      const flight = { ...departure, sentAt, writtenAt: sentAt, status: 0, responseBytes: 0 };
      const open: Open = { flight, ended: false, controller: undefined };
      queue.push(open);
      outstanding += 1;
      recorder.launch(flight);
      pool.dispatch(options, handlerOf(open, end));
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

function handlerOf(
  open: Open,
  end: (open: Open, ending: Ending) => void,
): Dispatcher.DispatchHandler {
  const { flight } = open;
  return {
    onRequestStart(controller) {
      open.controller = controller;
      flight.writtenAt = performance.now();
      // Its limit passed while it waited for a connection: it must not burden the service any more.
      if (open.ended) controller.abort(new Error("the time limit of the request has passed"));
    },
    onResponseStart(_controller, statusCode) {
      flight.status = statusCode;
    },
    onResponseData(_controller, chunk) {
      flight.responseBytes += chunk.length;
    },
    onResponseEnd() {
      end(open, "answered");
    },
    onResponseError() {
      end(open, "broken-off");
    },
  };
}
