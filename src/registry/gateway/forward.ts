// One request to one worker and its answer back, streamed both ways.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { AnswerHead } from "./answer.ts";
import type { Body } from "./body.ts";
import { abandon, pauseAnswer } from "./connection.ts";
import type { Connection, Failure } from "./connection.ts";
import { responseHeaders } from "./headers.ts";
import type { WorkerPool } from "./pool.ts";

export type Call = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** What the worker is sent before the body. */
  readonly head: string;
  readonly body: Body;
  /** Whether the connection to the worker is closed afterwards. */
  readonly closeAfter: boolean;
  /** Headers for the client that are not the worker's: names and values in turn. */
  readonly added: readonly string[];
};

export type Outcome =
  | { readonly type: "answered" }
  | { readonly type: Failure; readonly why: string }
  | { readonly type: "client-gone" };

const ANSWERED: Outcome = { type: "answered" };
const CLIENT_GONE: Outcome = { type: "client-gone" };
/** Up to here the head and the body of an answer are one write. */
const ONE_WRITE_MAX_BYTES = 8 * 1024;

/** Never rejects. After `broken` or `late` part of the answer may be with the client: see response.headersSent. */
export function forward(pool: WorkerPool, call: Call): Promise<Outcome> {
  const { request, response, head, body, closeAfter } = call;
  return new Promise((resolve) => {
    let connection: Connection | undefined;
    const leave = (): void => {
      if (response.writableFinished) return;
      if (connection !== undefined) abandon(connection);
      resolve(CLIENT_GONE);
    };
    const settle = (outcome: Outcome): void => {
      response.off("close", leave).off("drain", resume);
      resolve(outcome);
    };
    const resume = (): void => {
      if (connection !== undefined) pauseAnswer(connection, false);
    };
    response.on("close", leave);
    const sink = {
      head(answer: AnswerHead) {
        const headers = responseHeaders(answer.headers, call.added);
        response.writeHead(answer.status, answer.message, headers);
      },
      data(bytes: Buffer, last: boolean) {
        if (last) endWith(response, bytes);
        else if (!response.write(bytes) && connection !== undefined) {
          pauseAnswer(connection, true);
          response.once("drain", resume);
        }
      },
      end() {
        if (!response.writableEnded) response.end();
        settle(ANSWERED);
      },
      failed: (type: Failure, why: string) => settle({ type, why }),
    };
    const toHead = request.method === "HEAD";
    connection = pool.ask({ head, body, toHead, closeAfter, sink });
  });
}

/** A short text is put behind the head, as latin1, which leaves every byte as it is: one piece to write instead of two. */
function endWith(response: ServerResponse, bytes: Buffer): void {
  if (bytes.length > ONE_WRITE_MAX_BYTES) response.end(bytes);
  else response.end(bytes.toString("latin1"), "latin1");
}
