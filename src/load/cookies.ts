/** Clients that keep cookies: what each was set, and the header with which it sends them back. */
import { LRUCache } from "lru-cache";
import type { Seen } from "./flights.ts";
import type { CompleteLoadRequest } from "./request.ts";
import type { GeneratedRequest } from "./requests.ts";

type Headers = GeneratedRequest["headers"];

export interface Cookies {
  /** The jar of a client. Clients are numbers: the same one, the same client. */
  readonly of: (client: number) => Jar;
}

export interface Jar {
  /** A request's headers with the client's cookies, after those of its own. */
  readonly over: (headers: Headers) => Headers;
  readonly note: (seen: Pick<Seen, "headers">) => void;
}

/** Independent arrivals have no client of their own: they take turns as so many, for which a balancer has room to be even or not. */
export const ARRIVING_CLIENTS = 256;

/** A worker must not grow with the window, nor a jar with the answers (RFC 6265, section 6.1: 50 for a site at least). */
const JARS_MAX = 50_000;
const COOKIES_MAX = 50;
/** What may stand in a header: another byte would break the request off. */
const SENDABLE = /^[\u0020-\u007e]*$/;

/**
 * Undefined when no client keeps cookies. All requests go to one service: Path, Domain and Secure are not looked at, and of Max-Age and
 * Expires only whether they delete. Values are secrets, and get into no result.
 */
export function openCookies({
  workload,
}: Pick<CompleteLoadRequest, "workload">): Cookies | undefined {
  if (workload.cookies !== true) return undefined;
  const jars = new LRUCache<number, Map<string, string>>({ max: JARS_MAX });
  return {
    of: (client) => {
      const kept = jars.get(client) ?? new Map<string, string>();
      jars.set(client, kept);
      return {
        over: (headers) => (kept.size === 0 ? headers : withCookies(headers, kept)),
        note: (seen) => {
          for (const line of [seen.headers["set-cookie"] ?? []].flat()) keep(kept, line);
        },
      };
    },
  };
}

function withCookies(headers: Headers, kept: ReadonlyMap<string, string>): Headers {
  const name = Object.keys(headers).find((each) => each.toLowerCase() === "cookie") ?? "cookie";
  const own = headers[name];
  const pairs = [...kept].map(([key, value]) => `${key}=${value}`);
  return { ...headers, [name]: [...(own === undefined ? [] : [own]), ...pairs].join("; ") };
}

function keep(kept: Map<string, string>, line: string): void {
  const [pair = "", ...attributes] = line.split(";");
  const [name, value] = splitOnce(pair);
  if (name === "" || value === undefined || !SENDABLE.test(pair)) return;
  if (isDeleted(attributes)) kept.delete(name);
  else if (kept.has(name) || kept.size < COOKIES_MAX) kept.set(name, value);
}

/** Max-Age goes before Expires (RFC 6265, section 5.3). */
function isDeleted(attributes: readonly string[]): boolean {
  const values = new Map(
    attributes.map(splitOnce).map(([name, value = ""]) => [name.toLowerCase(), value]),
  );
  const maxAge = values.get("max-age");
  if (maxAge !== undefined) return Number(maxAge) <= 0;
  return Date.parse(values.get("expires") ?? "") <= Date.now();
}

function splitOnce(text: string): readonly [name: string, value?: string] {
  const equals = text.indexOf("=");
  return equals < 0 ? [text.trim()] : [text.slice(0, equals).trim(), text.slice(equals + 1).trim()];
}
