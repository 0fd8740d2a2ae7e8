// Takes imports in: a body of records that is read as it is written, where the other endpoints take theirs whole.

import type { IncomingMessage } from "node:http";
import { PassThrough } from "node:stream";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { whenGone } from "../artifacts/client-gone.ts";
import { API_BASE } from "../endpoint.ts";
import type { Backend } from "../endpoint.ts";
import { RegistryError, TooBusyError, invalidParameter } from "../errors.ts";
import { oneOf, record, text } from "../shape.ts";
import type { Shaped } from "../shape.ts";
import { KINDS, runImport } from "./import.ts";
import type { BulkParts, ImportParts } from "./import.ts";

const URL = `${API_BASE}/bulk/import`;
const NDJSON_TYPE = "application/x-ndjson";
const CSV_TYPE = "text/csv";
/** Of one process. Each has its own batches in memory, and connections. */
const IMPORTS_MAX = 8;
const RETRY_AFTER_SECONDS = 1;
/** A client that sends nothing for so long is cut off: its import counts as one of those, and may hold a connection. */
const STALL_MS = 60_000;
/** Of what a compressed body unfolds to. */
const PIECE_BYTES = 64 * 1024;

const query = record(
  { kind: oneOf(KINDS) },
  { on_error: oneOf(["skip", "refuse"]), import_id: text(200) },
);

type Query = Shaped<typeof query>;

/** In a scope of its own, so that no other endpoint takes a body that is not whole. */
export function addBulkImport(server: FastifyInstance, backend: Backend, bulk: BulkParts): void {
  const parts: ImportParts = { ...bulk, backend };
  let underWayWhole = 0;
  server.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser([NDJSON_TYPE, CSV_TYPE], (_request, payload, done) =>
      done(null, payload),
    );
    scope.post<{ Querystring: Query }>(
      URL,
      { schema: { querystring: query.schema } },
      async (request, reply) => {
        const { underWay } = bulk;
        const whole = request.query.on_error === "refuse" ? 1 : 0;
        const mayBegin =
          underWay.size < IMPORTS_MAX && underWayWhole + whole <= bulk.config.parallel;
        // One that is refused whole keeps a connection as long as its client sends.
        const giveBack = mayBegin ? bulk.longHeld(whole) : undefined;
        if (giveBack === undefined)
          throw new TooBusyError("Too many imports are under way; try again.", RETRY_AFTER_SECONDS);
        underWayWhole += whole;
        const taking = take(parts, request.query, request, reply);
        underWay.add(taking);
        try {
          return await taking;
        } finally {
          underWay.delete(taking);
          underWayWhole -= whole;
          giveBack();
        }
      },
    );
  });
}

async function take(
  parts: ImportParts,
  { kind, on_error: onError, import_id: importId }: Query,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<object> {
  const type = request.headers["content-type"] ?? "";
  // A request without a body has no type either, and then no parser saw it.
  if (type === "")
    throw invalidParameter(`Header content-type is missing; give ${NDJSON_TYPE} or ${CSV_TYPE}.`);
  const body = openBody(request.raw, parts.config.bufferBytes);
  const answer = await runImport(parts, {
    kind,
    refuse: onError === "refuse",
    importId: importId ?? "",
    format: type.startsWith(CSV_TYPE) ? "csv" : "ndjson",
    body: piecesOf(body.stream),
    gone: whenGone(reply.raw),
  }).finally(body.close);
  const whole = { import_id: importId ?? null, ...answer };
  if (onError !== "refuse" || answer.rejected === 0) return whole;
  reply.code(400);
  const message = `${answer.rejected} of ${answer.lines} records are bad; nothing was written.`;
  return { error_code: "INVALID_PARAMETER_VALUE", message, ...whole };
}

type Body = {
  readonly stream: Readable;
  /** What is left of the request is read and dropped: a client may get its answer only when it has sent all. */
  readonly close: () => void;
};

/** Reads `bufferBytes` ahead, and no more. */
function openBody(request: IncomingMessage, bufferBytes: number): Body {
  const encoding = request.headers["content-encoding"] ?? "identity";
  if (encoding !== "identity" && encoding !== "gzip")
    throw invalidParameter(`Header content-encoding is ${encoding}; give gzip, or none.`);
  const stream =
    encoding === "gzip"
      ? createGunzip({ chunkSize: PIECE_BYTES })
      : new PassThrough({ highWaterMark: bufferBytes });
  const broken = (): void => {
    // No fault of the service, so nothing for its log.
    if (!request.complete)
      stream.destroy(new RegistryError("BAD_REQUEST", "The client closed the connection."));
  };
  request.on("error", broken).once("close", broken);
  request.pipe(stream);
  return {
    stream,
    close() {
      request.off("close", broken).unpipe(stream);
      stream.destroy();
      request.resume();
    },
  };
}

/** zlib's errors are the client's: what it sent is no gzip. */
async function* piecesOf(stream: Readable): AsyncGenerator<Buffer> {
  const wait = (): NodeJS.Timeout => setTimeout(() => stream.destroy(stalled()), STALL_MS);
  let timer = wait();
  try {
    for await (const piece of stream) {
      // Only the client's time counts, not what its records take to be written.
      clearTimeout(timer);
      yield piece;
      timer = wait();
    }
  } catch (error) {
    if (error instanceof Error && "errno" in error)
      throw invalidParameter(`The body is no gzip: ${error.message}.`);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function stalled(): RegistryError {
  return new RegistryError(
    "DEADLINE_EXCEEDED",
    `The client sent nothing of its import for ${STALL_MS / 1_000} seconds.`,
  );
}
