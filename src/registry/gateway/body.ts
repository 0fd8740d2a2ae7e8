// A request's body: a small one is read whole first, a large one passes through.

import type { IncomingMessage } from "node:http";

/** Where an upload goes. */
export type UploadSink = {
  /** False: nothing more is wanted until `more` is called. */
  readonly chunk: (bytes: Buffer) => boolean;
  readonly end: () => void;
};

export type Upload = {
  /** What the client says that it sends; undefined: it comes in chunks. */
  readonly lengthBytes: number | undefined;
  /** Begins to pass it on. Only once: what was passed on cannot be again. */
  readonly passTo: (sink: UploadSink) => void;
  /** The sink wants more. */
  readonly more: () => void;
  /** Nothing more is passed on. The rest is read and dropped: the client may get its answer only when it has sent all. */
  readonly stop: () => void;
  /** Whether part of it was passed on that cannot be passed on again. */
  readonly begun: () => boolean;
};

export type Body = Buffer | Upload | null;

// Nearly every request of the API: it can be sent again to another worker, and a slow client holds no worker.
const WHOLE_MAX_BYTES = 64 * 1024;

/** Whether the request has none, so that there is nothing to wait for. */
export function isBodiless({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] === undefined && Number(headers["content-length"] ?? 0) === 0;
}

/** Of a request that has one. Undefined: the client went away before it was whole. */
export function bodyOf(request: IncomingMessage): Promise<Buffer | Upload | undefined> {
  const { headers } = request;
  const length =
    headers["transfer-encoding"] === undefined ? Number(headers["content-length"]) : undefined;
  return length !== undefined && length > WHOLE_MAX_BYTES
    ? Promise.resolve(uploadOf(request, [], length))
    : readStart(request);
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
      settle(uploadOf(request, chunks, undefined));
    };
    const ended = (): void => {
      const [first] = chunks;
      settle(chunks.length === 1 ? first : Buffer.concat(chunks));
    };
    const gone = (): void => settle(undefined);
    request.on("data", take).once("end", ended).once("error", gone).once("close", gone);
  });
}

function uploadOf(
  request: IncomingMessage,
  start: readonly Buffer[],
  lengthBytes: number | undefined,
): Upload {
  let sink: UploadSink | undefined;
  const take = (chunk: Buffer): void => {
    if (sink?.chunk(chunk) === false) request.pause();
  };
  const ended = (): void => sink?.end();
  // An error of the client's connection closes the response too, which ends the call.
  request.on("error", () => undefined);
  return {
    lengthBytes,
    begun: () => sink !== undefined,
    passTo(given) {
      sink = given;
      request.on("data", take).once("end", ended);
      let wanted = true;
      for (const chunk of start) wanted = given.chunk(chunk) && wanted;
      if (wanted) request.resume();
      else request.pause();
    },
    more: () => void request.resume(),
    stop() {
      request.off("data", take).off("end", ended);
      if (sink !== undefined) request.resume();
    },
  };
}
