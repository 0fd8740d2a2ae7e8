// A request's body: a small one is read whole first, a large one passes through.

import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";

export type Upload = {
  /** What a worker is sent. Once it is destroyed the rest is read and dropped: the client may get its answer only when it has sent all. */
  readonly open: () => Readable;
  /** Whether part of it was passed on that cannot be passed on again. */
  readonly begun: () => boolean;
};

export type Body = Buffer | Upload | null;

// Nearly every request of the API: it can be sent again to another worker, and a slow client holds no worker.
const WHOLE_MAX_BYTES = 64 * 1024;

/** Null: there is none. Undefined: the client went away before it was whole. */
export async function bodyOf(request: IncomingMessage): Promise<Body | undefined> {
  const { headers } = request;
  const chunked = headers["transfer-encoding"] !== undefined;
  const length = Number(headers["content-length"] ?? 0);
  if (!chunked && length === 0) return null;
  return !chunked && length > WHOLE_MAX_BYTES ? uploadOf(request, []) : readStart(request);
}

/** The whole, or when it is more than expected an upload that begins with what was read. */
function readStart(request: IncomingMessage): Promise<Buffer | Upload | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const settle = (body: Buffer | Upload | undefined): void => {
      request.off("data", take).off("end", ended).off("error", gone).off("close", gone);
      resolve(body);
    };
    const take = (chunk: Buffer): void => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes <= WHOLE_MAX_BYTES) return;
      request.pause();
      settle(uploadOf(request, chunks));
    };
    const ended = (): void => {
      const [first] = chunks;
      settle(chunks.length === 1 ? first : Buffer.concat(chunks));
    };
    const gone = (): void => settle(undefined);
    request.on("data", take).once("end", ended).once("error", gone).once("close", gone);
  });
}

function uploadOf(request: IncomingMessage, start: readonly Buffer[]): Upload {
  let begun = false;
  // An error of the client's connection closes the response too, which ends the call.
  request.on("error", () => undefined);
  const open = (): Readable => {
    const take = (chunk: Buffer): void => {
      if (!upload.push(chunk)) request.pause();
    };
    const ended = (): void => void upload.push(null);
    const begin = (): void => {
      begun = true;
      request.on("data", take).once("end", ended);
    };
    let left = start;
    const upload = new Readable({
      read() {
        if (left.length > 0) {
          const chunks = left;
          left = [];
          for (const chunk of chunks) upload.push(chunk);
          return;
        }
        if (!begun) begin();
        request.resume();
      },
      destroy(error, done) {
        request.off("data", take).off("end", ended);
        if (begun) request.resume();
        done(error);
      },
    });
    return upload;
  };
  return { open, begun: () => begun };
}
