// One request to one worker and its answer back, streamed both ways.

import type { IncomingMessage, ServerResponse } from "node:http";
import { errors } from "undici";
import type { Dispatcher, Pool } from "undici";
import type { Body } from "./body.ts";
import { responseHeaders } from "./headers.ts";
import type { FlatHeaders } from "./headers.ts";

export type Call = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly headers: FlatHeaders;
  readonly body: Body;
  /** Whether the connection to the worker is closed afterwards. */
  readonly closeAfter: boolean;
  /** Headers for the client that are not the worker's: names and values in turn. */
  readonly added: readonly string[];
};

export type Outcome =
  | { readonly type: "answered" }
  /** No byte of the request reached the worker. */
  | { readonly type: "unsent"; readonly why: string }
  /** The worker may have done what was asked. */
  | { readonly type: "broken"; readonly why: string }
  | { readonly type: "late"; readonly why: string }
  /** The request is one that cannot be passed on. */
  | { readonly type: "unfit"; readonly why: string }
  | { readonly type: "client-gone" };

const GONE = new Error("the client went away");

/** Never rejects. After `broken` or `late` part of the answer may be with the client: see response.headersSent. */
export function forward(pool: Pool, call: Call): Promise<Outcome> {
  const { request, response, headers, path } = call;
  const body = call.body === null || Buffer.isBuffer(call.body) ? call.body : call.body.open();
  return new Promise((resolve) => {
    let controller: Dispatcher.DispatchController | undefined;
    let gone = false;
    const leave = (): void => {
      if (response.writableFinished) return;
      gone = true;
      controller?.abort(GONE);
    };
    const settle = (outcome: Outcome): void => {
      response.off("close", leave);
      resolve(gone ? { type: "client-gone" } : outcome);
    };
    response.once("close", leave);
    pool.dispatch(
      { path, method: request.method ?? "GET", headers, body, reset: call.closeAfter },
      {
        onRequestStart(given) {
          controller = given;
          if (gone) given.abort(GONE);
        },
        onResponseStart(given, status, _headers, statusMessage) {
          // 1xx: another answer follows.
          if (status < 200) return;
          const answer = responseHeaders(given.rawHeaders, call.added);
          response.writeHead(status, statusMessage ?? "", answer);
        },
        onResponseData(given, chunk) {
          if (response.write(chunk) || gone) return;
          given.pause();
          response.once("drain", () => given.resume());
        },
        onResponseEnd() {
          response.end();
          settle({ type: "answered" });
        },
        onResponseError: (_controller, error) => settle(outcomeOf(error, controller !== undefined)),
      },
    );
  });
}

function outcomeOf(error: Error, sent: boolean): Outcome {
  const why = error.message || error.name;
  if (error instanceof errors.InvalidArgumentError || error instanceof errors.NotSupportedError)
    return { type: "unfit", why };
  if (!sent) return { type: "unsent", why };
  if (error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError)
    return { type: "late", why };
  return { type: "broken", why };
}
