// The endpoint analytics/report: every metric of every run as a file, written while it is made.

import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply } from "fastify";
import { whenGone } from "../artifacts/client-gone.ts";
import { API_BASE } from "../endpoint.ts";
import { RegistryError } from "../errors.ts";
import { timestampMs } from "../fields.ts";
import { oneOf, record } from "../shape.ts";
import type { Shaped } from "../shape.ts";
import { CONTENT_TYPES } from "./container.ts";
import { FORMATS } from "./part.ts";
import type { Reports } from "./reports.ts";

const input = record({ format: oneOf(FORMATS) }, { since: timestampMs, until: timestampMs });

/** A client that takes nothing for so long is cut off: its report holds a connection, and old rows from being cleaned up. */
const STALL_MS = 60_000;

/** `since` is included and `until` is not; both are held against the runs' start. */
export function addReports(server: FastifyInstance, reports: Reports): void {
  server.route<{ Querystring: Shaped<typeof input> }>({
    method: "GET",
    url: `${API_BASE}/analytics/report`,
    schema: { querystring: input.schema },
    handler: (request, reply) => send(reports, request.query, reply),
  });
}

async function send(
  reports: Reports,
  { format, since = 0, until = Number.MAX_SAFE_INTEGER }: Shaped<typeof input>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const gone = whenGone(reply.raw);
  const chunks = reports.make(format, { sinceMs: since, untilMs: until }, gone);
  // Until here a failure is answered as every other; afterwards it can only break the answer off.
  const first = await chunks.next();
  const body = Readable.from(
    watched(first, chunks, () => body.destroy(stalled())),
    {
      objectMode: false,
    },
  );
  gone.addEventListener("abort", () => body.destroy(), { once: true });
  // A body that was never read does not return what it would have read from.
  body.once("close", () => void chunks.return(undefined));
  return reply
    .type(CONTENT_TYPES[format])
    .header("cache-control", "no-store")
    .header("content-disposition", `attachment; filename="registry-report.${format}"`)
    .send(body);
}

async function* watched(
  first: IteratorResult<Uint8Array, unknown>,
  rest: AsyncGenerator<Uint8Array>,
  onStall: () => void,
): AsyncGenerator<Uint8Array> {
  let next = first;
  while (next.done !== true) {
    // Only the client's time counts, not what the next chunk takes to make.
    const timer = setTimeout(onStall, STALL_MS);
    try {
      if (next.value.byteLength > 0) yield next.value;
    } finally {
      clearTimeout(timer);
    }
    next = await rest.next();
  }
}

function stalled(): RegistryError {
  return new RegistryError(
    "DEADLINE_EXCEEDED",
    `The client took nothing of its report for ${STALL_MS / 1_000} seconds.`,
  );
}
