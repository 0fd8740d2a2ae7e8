/** The connections to the service under load, as the request wants them: their number, TLS, and the path before every path. */
import { createSecureContext, rootCertificates } from "node:tls";
import { Pool } from "undici";
import type { CompleteLoadRequest } from "./request.ts";

export interface Connection {
  readonly pool: Pool;
  /** Of the base URL, without a slash at its end. */
  readonly pathPrefix: string;
}

export function openConnection(
  request: Pick<CompleteLoadRequest, "baseUrl" | "connections" | "timeoutMs" | "tls">,
): Connection {
  const base = new URL(request.baseUrl);
  const { ca, verify = true } = request.tls ?? {};
  const pool = new Pool(base.origin, {
    connections: request.connections,
    pipelining: 1,
    // The flights have one time limit for everything, finer than undici's.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: {
      timeout: request.timeoutMs,
      rejectUnauthorized: verify,
      // Read once, for all connections: it takes tens of milliseconds, and the thread that sends would be late by as much.
      // Given alone, a private authority would replace the well-known ones: it is added to them.
      ...(ca === undefined
        ? {}
        : { secureContext: createSecureContext({ ca: [...rootCertificates, ca] }) }),
    },
  });
  return { pool, pathPrefix: base.pathname.replace(/\/$/, "") };
}
