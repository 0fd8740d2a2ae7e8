// A request's body: a small one is read whole first, a large one passes through.

import type { IncomingMessage } from "node:http";

// Nearly every request of the API: it can be sent again to another worker, and a slow client holds no worker.
const WHOLE_MAX_BYTES = 64 * 1024;

/** Null: there is none. Undefined: the client went away before it was whole. */
export async function bodyOf(
  request: IncomingMessage,
): Promise<Buffer | IncomingMessage | null | undefined> {
  const { headers } = request;
  if (headers["transfer-encoding"] !== undefined) return request;
  const length = Number(headers["content-length"] ?? 0);
  if (length === 0) return null;
  return length > WHOLE_MAX_BYTES ? request : readWhole(request);
}

function readWhole(request: IncomingMessage): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => void chunks.push(chunk));
    request.once("end", () => {
      const [first] = chunks;
      resolve(chunks.length === 1 ? first : Buffer.concat(chunks));
    });
    request.once("error", () => resolve(undefined));
    request.once("close", () => resolve(undefined));
  });
}
