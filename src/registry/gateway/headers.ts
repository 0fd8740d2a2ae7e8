// Headers on their way through the gateway: what belongs to one connection stays there, and the worker learns who asked.

import type { IncomingMessage } from "node:http";

/** RFC 9110, 7.6.1, and what is answered by the gateway itself (Expect). */
const ONE_HOP = new Set([
  "connection",
  "expect",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Written afresh: what a client says of them could be made up. X-Forwarded-For is a list, and is added to; Forwarded says the same in another way, and is left out. */
const FORWARDED = new Set([
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-real-ip",
]);

/** Names and values in turn. */
export type FlatHeaders = string[];

/** What the worker gets. */
export function requestHeaders(request: IncomingMessage): FlatHeaders {
  const { rawHeaders, headers } = request;
  const named = namedByConnection(headers.connection);
  const kept: FlatHeaders = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    const lower = name.toLowerCase();
    if (ONE_HOP.has(lower) || FORWARDED.has(lower) || named?.has(lower)) continue;
    kept.push(name, rawHeaders[index + 1] ?? "");
  }
  const before = headers["x-forwarded-for"];
  const address = request.socket.remoteAddress ?? "unknown";
  kept.push(
    "X-Forwarded-For",
    before === undefined ? address : `${String(before)}, ${address}`,
    "X-Real-IP",
    address,
    "X-Forwarded-Proto",
    "http",
  );
  if (headers.host !== undefined) kept.push("X-Forwarded-Host", headers.host);
  return kept;
}

/** What the client gets. Bytes beyond ASCII pass as they are: HTTP headers are latin1. */
export function responseHeaders(raw: unknown, added: readonly string[]): FlatHeaders {
  const kept: FlatHeaders = [...added];
  if (!Array.isArray(raw)) return kept;
  const named = new Set<string>();
  const pairs: [lower: string, name: string, value: string][] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = latin1(raw[index]);
    const lower = name.toLowerCase();
    const value = latin1(raw[index + 1]);
    if (lower === "connection") for (const each of namedByConnection(value) ?? []) named.add(each);
    pairs.push([lower, name, value]);
  }
  for (const [lower, name, value] of pairs)
    if (!ONE_HOP.has(lower) && !named.has(lower)) kept.push(name, value);
  return kept;
}

function latin1(value: unknown): string {
  return Buffer.isBuffer(value) ? value.toString("latin1") : String(value);
}

/** Undefined for the values that nearly every message has. */
function namedByConnection(connection: string | undefined): ReadonlySet<string> | undefined {
  if (connection === undefined || /^(?:keep-alive|close)$/i.test(connection)) return undefined;
  return new Set(connection.split(",").map((name) => name.trim().toLowerCase()));
}
