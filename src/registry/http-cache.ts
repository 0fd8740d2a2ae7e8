// What clients and proxies may keep of an answer: Cache-Control, entity tags, and 304 for those who have it already.

import type { FastifyReply, FastifyRequest } from "fastify";
import type { Answer } from "./cache/answer.ts";

export type HttpCaching = {
  readonly httpEtag: boolean;
  readonly httpMaxAgeMs: number;
};

/** Sets the headers of a GET's answer; true if the client has this very answer, which is then not sent again. */
export function describeFreshness(
  { httpEtag, httpMaxAgeMs }: HttpCaching,
  keepable: boolean,
  request: FastifyRequest,
  reply: FastifyReply,
  { etag }: Answer,
): boolean {
  // HTTP counts whole seconds, and rounding up would let clients keep it for longer than was allowed.
  const maxAge = keepable ? Math.floor(httpMaxAgeMs / 1000) : 0;
  if (!httpEtag && httpMaxAgeMs === 0) return false;
  // No Vary: the answer depends on nothing but the URL. Private: whether others may see it is for a proxy's owner to say.
  reply.header("cache-control", maxAge > 0 ? `private, max-age=${maxAge}` : "private, no-cache");
  if (!httpEtag || etag === undefined) return false;
  reply.header("etag", etag);
  return matches(request.headers["if-none-match"], etag);
}

/** An error must not be kept in place of the answer that comes once it is over. */
export function forbidKeeping({ httpEtag, httpMaxAgeMs }: HttpCaching, reply: FastifyReply): void {
  if (httpEtag || httpMaxAgeMs > 0) reply.header("cache-control", "no-store");
}

/** RFC 9110, section 13.1.2: the comparison is weak, since a proxy that compresses makes weak tags of strong ones. */
function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === "*") return true;
  return ifNoneMatch.split(",").some((each) => each.trim().replace(/^W\//, "") === etag);
}
