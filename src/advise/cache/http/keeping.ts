/** What a cache between service and client does with an answer by its headers: keep it and for how long, ask again each time, or nothing. */
import type { ResponseFacts, ResponseVariant } from "../../../core/sample.ts";
import { formatAge } from "./age.ts";
import { readDirectives, readVary } from "./directives.ts";
import type { Directives } from "./directives.ts";

export interface Keeping {
  /** `stored`: it answers from there for a while. `revalidated`: it keeps it, and asks each time whether it still holds. */
  readonly kind: "stored" | "revalidated" | "not stored";
  readonly freshMs: number;
  /** The time is the cache's own guess. */
  readonly guessed: boolean;
  /** One phrase. */
  readonly because: string;
}

/** A CDN, or a reverse proxy; or a browser. */
export type CacheKind = "shared" | "private";

/** Of the time since it was last modified: what RFC 9111, section 4.2.2, names as typical. */
const GUESSED_SHARE = 0.1;
/** Cacheable without a word about it (RFC 9110, section 15.1). */
const STATUSES_KEPT = new Set([200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501]);

/** By RFC 9111, and for cookies and Vary by what such caches do. */
export function keepingOf(
  cache: CacheKind,
  facts: ResponseFacts,
  variant: ResponseVariant,
): Keeping {
  const directives = directivesFor(cache, variant);
  const refusal =
    refusalOf(facts, variant, directives) ??
    (cache === "shared" ? sharedRefusalOf(facts, variant, directives) : undefined);
  if (refusal !== undefined) return notStored(refusal);
  const validator = hasValidator(variant);
  if (directives.has("no-cache")) {
    return validator
      ? revalidated("no-cache has it asked about each time")
      : notStored("no-cache has it asked about each time, and without a validator that fetches it");
  }
  const fresh = freshnessOf(cache, facts, variant, directives);
  if (fresh && fresh.ms > 0) {
    const because = `${fresh.from} keeps it for ${formatAge(fresh.ms)}`;
    return { kind: "stored", freshMs: fresh.ms, guessed: fresh.guessed, because };
  }
  const because = fresh ? `${fresh.from} lets it expire at once` : "nothing says how long it holds";
  return validator ? revalidated(because) : notStored(`${because}, and it has no validator`);
}

/** Those that the cache obeys: CDN-Cache-Control goes before Cache-Control where there is one (RFC 9213). */
export function directivesFor(cache: CacheKind, variant: ResponseVariant): Directives {
  const targeted = cache === "shared" ? variant.cdnCacheControl : undefined;
  return readDirectives(targeted ?? variant.cacheControl);
}

export function hasValidator({ etag, lastModified }: ResponseVariant): boolean {
  return etag !== "none" || lastModified;
}

/** A shared cache may keep the answer to a request with Authorization only by one of these (RFC 9111, section 3.5). */
export function allowsAuthorized(directives: Directives): boolean {
  return ["public", "s-maxage", "must-revalidate"].some((name) => directives.has(name));
}

/** Of any cache. */
function refusalOf(
  { method }: ResponseFacts,
  { status, vary, expiresSeconds }: ResponseVariant,
  directives: Directives,
): string | undefined {
  if (method !== "GET") return `HTTP caches keep answers to GET, not to ${method}`;
  // Whoever understands the status code may store it then (RFC 9111, section 5.2.2.3).
  if (directives.has("no-store") && !directives.has("must-understand"))
    return "no-store forbids it";
  if (readVary(vary).has("*")) return "Vary: * matches no other request";
  const explicit =
    expiresSeconds !== undefined ||
    ["public", "private", "max-age", "s-maxage"].some((name) => directives.has(name));
  if (!STATUSES_KEPT.has(status) && !explicit) return `status ${status} is kept only when told to`;
  return undefined;
}

function sharedRefusalOf(
  { sent }: ResponseFacts,
  { setCookie, vary }: ResponseVariant,
  directives: Directives,
): string | undefined {
  if (directives.has("private")) return "private keeps it out of shared caches";
  if (sent.authorization > 0 && !allowsAuthorized(directives)) {
    return "its request has Authorization, and it is not public";
  }
  if (setCookie) return "it sets a cookie, and CDNs do not keep what does";
  const names = readVary(vary);
  const personal = ["cookie", "authorization"].find((name) => names.has(name));
  return personal === undefined
    ? undefined
    : `Vary: ${personal === "cookie" ? "Cookie" : "Authorization"} makes it a copy of one user`;
}

interface Freshness {
  readonly ms: number;
  readonly from: string;
  readonly guessed: boolean;
}

/** In the order of RFC 9111, section 4.2.1; undefined when nothing says or suggests anything. */
function freshnessOf(
  cache: CacheKind,
  { sinceModifiedSecondsMin }: ResponseFacts,
  { expiresSeconds, lastModified }: ResponseVariant,
  directives: Directives,
): Freshness | undefined {
  const names = cache === "shared" ? ["s-maxage", "max-age"] : ["max-age"];
  for (const name of names) {
    const seconds = directives.seconds(name);
    if (seconds !== undefined) return said(name, seconds);
  }
  if (expiresSeconds !== undefined) return said("Expires", expiresSeconds);
  if (!lastModified || sinceModifiedSecondsMin === undefined) return undefined;
  const ms = sinceModifiedSecondsMin * 1_000 * GUESSED_SHARE;
  return { ms, from: "a guess from Last-Modified", guessed: true };
}

function said(from: string, seconds: number | "invalid"): Freshness {
  const ms = seconds === "invalid" ? 0 : Math.max(0, seconds) * 1_000;
  return { ms, from, guessed: false };
}

function notStored(because: string): Keeping {
  return { kind: "not stored", freshMs: 0, guessed: false, because };
}

function revalidated(because: string): Keeping {
  return { kind: "revalidated", freshMs: 0, guessed: false, because };
}
