// Headers on their way through the gateway: what belongs to one connection stays there, and the worker learns who asked.

import type { IncomingMessage } from "node:http";
import type { Body } from "./body.ts";

/** RFC 9110, 7.6.1, and what is answered by the gateway itself (Expect). */
const ONE_HOP: readonly string[] = [
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
];

/** Written afresh: what a client says of them could be made up. X-Forwarded-For is a list, and is added to; Forwarded says the same in another way, and is left out. */
const FORWARDED: readonly string[] = [
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-real-ip",
];

// The length is that of the body as it is sent: it may have come in chunks.
const NOT_ASKED = new Set([...ONE_HOP, ...FORWARDED, "content-length"]);
const NOT_ANSWERED = new Set(ONE_HOP);
/** Methods that say so when they have no body (RFC 9110, 8.6). */
const WITH_BODY = new Set(["POST", "PUT", "PATCH"]);

/** Names and values in turn. */
export type FlatHeaders = string[];

/** What the worker is sent before the body, as latin1; undefined when a request names two hosts (RFC 9112, 3.2). */
export function requestHead(
  request: IncomingMessage,
  path: string,
  body: Body,
  closeAfter: boolean,
): string | undefined {
  const { method = "GET", rawHeaders, headers } = request;
  const named = namedByConnection(headers.connection);
  let hosts = 0;
  let head = `${method} ${path} HTTP/1.1\r\n`;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    const lower = name.toLowerCase();
    if (NOT_ASKED.has(lower) || named?.has(lower)) continue;
    if (lower === "host") hosts += 1;
    head += `${name}: ${rawHeaders[index + 1] ?? ""}\r\n`;
  }
  if (hosts > 1) return undefined;
  // HTTP/1.0 knows none.
  if (hosts === 0) head += "Host: gateway\r\n";
  if (closeAfter) head += "Connection: close\r\n";
  return `${head}${framingOf(method, body)}${forwardedOf(request)}\r\n`;
}

function framingOf(method: string, body: Body): string {
  if (body === null) return WITH_BODY.has(method) ? "Content-Length: 0\r\n" : "";
  const length = Buffer.isBuffer(body) ? body.length : body.lengthBytes;
  return length === undefined ? "Transfer-Encoding: chunked\r\n" : `Content-Length: ${length}\r\n`;
}

function forwardedOf({ headers, socket }: IncomingMessage): string {
  const before = headers["x-forwarded-for"];
  const address = socket.remoteAddress ?? "unknown";
  const list = before === undefined ? address : `${String(before)}, ${address}`;
  const host = headers.host === undefined ? "" : `X-Forwarded-Host: ${headers.host}\r\n`;
  return `X-Forwarded-For: ${list}\r\nX-Real-IP: ${address}\r\nX-Forwarded-Proto: http\r\n${host}`;
}

/** What the client gets. `raw`: names and values in turn, as the worker sent them. */
export function responseHeaders(raw: readonly string[], added: readonly string[]): FlatHeaders {
  const kept: FlatHeaders = [];
  let named: Set<string> | undefined;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? "";
    const value = raw[index + 1] ?? "";
    const lower = name.toLowerCase();
    if (lower === "connection")
      for (const each of namedByConnection(value) ?? []) named = (named ?? new Set()).add(each);
    if (!NOT_ANSWERED.has(lower)) kept.push(name, value);
  }
  return [...added, ...(named === undefined ? kept : without(kept, named))];
}

function without(headers: FlatHeaders, named: ReadonlySet<string>): FlatHeaders {
  const kept: FlatHeaders = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] ?? "";
    if (!named.has(name.toLowerCase())) kept.push(name, headers[index + 1] ?? "");
  }
  return kept;
}

/** Undefined for the values that nearly every message has. */
function namedByConnection(connection: string | undefined): ReadonlySet<string> | undefined {
  if (connection === undefined || /^(?:keep-alive|close)$/i.test(connection)) return undefined;
  return new Set(connection.split(",").map((name) => name.trim().toLowerCase()));
}
