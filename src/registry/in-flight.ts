// Limits how many requests one process has under way: one more is refused at once, before anything is done for it.

import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

export type InFlightObserver = {
  readonly refused: () => void;
  /** Told once, of what counts the requests under way. */
  readonly watchInFlight: (count: () => number) => void;
};

/** Who looks after the process has to be heard most when it is overloaded. */
const NEVER_REFUSED = new Set(["/healthz", "/readyz", "/metrics"]);
const RETRY_AFTER_MAX_S = 60;
/** How long ago a refusal may be to count as one of the same overload. */
const MEMORY_MS = 1_000;
const REFUSAL = Buffer.from(
  JSON.stringify({
    error_code: "TEMPORARILY_UNAVAILABLE",
    message: "Too many requests are under way; send it again later.",
  }),
);

/**
 * At most `limit` requests of the routes added from now on; more get 503 with Retry-After. A request is under way until its answer is with
 * the client, or broken off, and its handler is done: a client that goes away does not end the work that was begun for it.
 *
 * Nothing waits: a queue before the limit would only make each answer late by the queue's length. And one free place is enough to take the
 * next request, where a bound on a queue goes on refusing for a while (hysteresis): this count says what is being served, not how late
 * the last one in line would be, so that to leave places free would only leave the process idle.
 */
export function limitRequests(
  server: FastifyInstance,
  limit: number,
  observer: InFlightObserver,
): void {
  const slots = createSlots();
  const retryAfter = createRetryAfter();
  const slotOf = new WeakMap<FastifyRequest, Slot>();
  observer.watchInFlight(slots.count);

  function admit(request: FastifyRequest, reply: FastifyReply, next: () => void): void {
    if (slots.count() < limit) {
      const slot = slots.take(retryAfter.ended);
      slot.until(reply.raw, request.raw.socket);
      slotOf.set(request, slot);
      next();
      return;
    }
    observer.refused();
    // A request's body is not looked at; Node reads and drops it, so that the connection can be used again.
    reply.hijack();
    refuse(reply.raw, retryAfter.refused(performance.now(), limit));
  }

  server.addHook("onRoute", (route) => {
    if (NEVER_REFUSED.has(route.url)) return;
    const { handler } = route;
    route.onRequest = [admit, ...[route.onRequest ?? []].flat()];
    route.handler = async function (request, reply) {
      const release = slotOf.get(request)?.hold();
      try {
        return await handler.call(this, request, reply);
      } finally {
        release?.();
      }
    };
  });
}

/** Written past the framework: under overload this is done more often than anything else. */
function refuse(response: ServerResponse, retryAfterSeconds: number): void {
  response.writeHead(503, {
    "content-type": "application/json; charset=utf-8",
    "content-length": REFUSAL.byteLength,
    "cache-control": "no-store",
    "retry-after": String(retryAfterSeconds),
  });
  response.end(REFUSAL);
}

type Slot = {
  /** Holds the slot until the function returned is called, which may be done again without harm. */
  readonly hold: () => () => void;
  /** Holds it until the answer is with the client or broken off. */
  readonly until: (response: ServerResponse, socket: Socket) => void;
};

type Slots = {
  readonly count: () => number;
  readonly take: (ended: () => void) => Slot;
};

/** A slot counts while anything holds it. */
function createSlots(): Slots {
  let taken = 0;
  const open = new WeakMap<Socket, Set<() => void>>();

  /** A response in the pipeline behind another one is never told that its connection closed: the connection has to be asked. */
  function answersOf(socket: Socket): Set<() => void> {
    const known = open.get(socket);
    if (known !== undefined) return known;
    const releases = new Set<() => void>();
    open.set(socket, releases);
    socket.once("close", () => {
      for (const release of releases) release();
      releases.clear();
    });
    return releases;
  }

  return {
    count: () => taken,
    take(ended) {
      let holds = 0;
      const hold = (): (() => void) => {
        if (holds === 0) taken += 1;
        holds += 1;
        let held = true;
        return () => {
          if (!held) return;
          held = false;
          holds -= 1;
          if (holds > 0) return;
          taken -= 1;
          ended();
        };
      };
      return {
        hold,
        until(response, socket) {
          const release = hold();
          // It was lost before this process came to it: nobody will be told any more.
          if (socket.destroyed) return release();
          const answers = answersOf(socket).add(release);
          response.once("close", () => {
            answers.delete(release);
            release();
          });
        },
      };
    },
  };
}

type RetryAfter = {
  readonly ended: () => void;
  /** Whole seconds from 1 to 60 for a client that is refused now, while so many requests are under way. */
  readonly refused: (nowMs: number, underWay: number) => number;
};

/**
 * The time in which as many requests will end as are under way and were refused of late, at the rate at which they end: those who were refused before
 * come back as well, and the more are sent away, the later each is told to. Measured while requests are refused, over half a second to one.
 */
export function createRetryAfter(): RetryAfter {
  let sinceMs = 0;
  let lastMs = Number.NEGATIVE_INFINITY;
  let ended = 0;
  let refused = 0;
  return {
    ended() {
      ended += 1;
    },
    refused(nowMs, underWay) {
      if (nowMs - lastMs > MEMORY_MS) {
        // How fast requests ended while there was room says nothing of how fast they can.
        [sinceMs, ended, refused] = [nowMs, 0, 0];
      } else if (nowMs - sinceMs > MEMORY_MS && ended > 0) {
        sinceMs = (sinceMs + nowMs) / 2;
        ended /= 2;
        refused /= 2;
      }
      lastMs = nowMs;
      refused += 1;
      const elapsedSeconds = (nowMs - sinceMs) / 1_000;
      // Nothing ended yet: it takes as long as that at least.
      const share = ended === 0 ? 1 : (underWay + refused) / ended;
      return Math.min(Math.max(1, Math.ceil(elapsedSeconds * share)), RETRY_AFTER_MAX_S);
    },
  };
}
