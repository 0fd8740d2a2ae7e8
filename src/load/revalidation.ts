/** Clients that keep validators: what each had as the answer to a GET, and the conditional request with which it asks again. */
import { LRUCache } from "lru-cache";
import type { Seen } from "./flights.ts";
import type { CompleteLoadRequest } from "./request.ts";
import { hashKey, mixed } from "./requests.ts";
import type { GeneratedRequest } from "./requests.ts";

export interface Revalidation {
  /** Undefined for a client that keeps no validators, and for what is no plain GET. Clients are numbers: the same one, the same client. */
  readonly open: (request: GeneratedRequest, client: number) => Conditional | undefined;
}

/** A request of a client that keeps validators. */
export interface Conditional {
  /** With the validator, where the client has one. */
  readonly headers: GeneratedRequest["headers"];
  /** What the client has; undefined when it asks for the first time. */
  readonly held: Held | undefined;
  /** To be told the answer, for the next time. */
  readonly note: (seen: Seen) => void;
}

/** An answer as its client remembers it. */
export interface Held {
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  /** Its body's hash; undefined when nobody asked for hashes. */
  readonly body: number | undefined;
}

/** Some 200 bytes each: a worker must not grow with the window. */
const HELD_MAX = 50_000;

const OF_ITS_OWN = /^(?:if-(?:none-match|modified-since|match|unmodified-since|range)|range)$/i;

/**
 * Undefined when no client keeps validators. Users come back and remember for themselves; arrivals and sessions come once, and those of
 * a worker that keep validators share one memory: each URL is conditional from its second request on.
 */
export function openRevalidation(
  request: Pick<CompleteLoadRequest, "workload" | "seed" | "users">,
): Revalidation | undefined {
  const share = request.workload.revalidate ?? 0;
  if (share <= 0) return undefined;
  const memory = new LRUCache<string, Held>({ max: HELD_MAX });
  const ownMemory = request.users !== undefined;
  return {
    open: (generated, client) => {
      if (generated.method !== "GET" || !keepsValidators(client, request.seed, share)) {
        return undefined;
      }
      const names = Object.keys(generated.headers);
      if (names.some((name) => OF_ITS_OWN.test(name))) return undefined;
      const key = memoryKey(generated, ownMemory ? client : undefined);
      const held = memory.get(key);
      return {
        headers: held ? { ...generated.headers, ...validatorHeaders(held) } : generated.headers,
        held,
        note: (seen) => remember(memory, key, seen),
      };
    },
  };
}

/** As browsers send them: both, where both were given (RFC 9110, section 13.1). */
export function validatorHeaders({
  etag,
  lastModified,
}: Pick<Held, "etag" | "lastModified">): Readonly<Record<string, string>> {
  return {
    ...(etag === undefined ? {} : { "if-none-match": etag }),
    ...(lastModified === undefined ? {} : { "if-modified-since": lastModified }),
  };
}

export function oneHeader(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(", ") : value;
}

function remember(memory: LRUCache<string, Held>, key: string, seen: Seen): void {
  // Nothing to learn of what stays as it is, and of an error, which may be gone the next time.
  if (seen.status !== 200) return;
  const etag = oneHeader(seen.headers["etag"]);
  const lastModified = oneHeader(seen.headers["last-modified"]);
  const noStore = /\bno-store\b/i.test(oneHeader(seen.headers["cache-control"]) ?? "");
  if (noStore || (etag === undefined && lastModified === undefined)) memory.delete(key);
  else memory.set(key, { etag, lastModified, body: seen.body });
}

/** Drawn from the client's number alone: the requests, and which clients keep validators, do not depend on each other. */
function keepsValidators(client: number, seed: number, share: number): boolean {
  if (share >= 1) return true;
  return (mixed((seed + Math.imul(client + 1, 0x9e3779b1)) | 0) >>> 0) / 2 ** 32 < share;
}

/** Requests of other headers, another user's token perhaps, have other answers. */
function memoryKey(generated: GeneratedRequest, client: number | undefined): string {
  const headers = Object.values(generated.headers).join("\n");
  return `${client ?? ""} ${hashKey({ ...generated, body: headers })}`;
}
