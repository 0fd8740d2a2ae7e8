/** What perfopt asks of a running Redis that is not its own, and what to do when that is refused. */
import type { Redis } from "ioredis";
import { messageOf, PerfoptError, redactSecrets, throwIfAborted } from "../core/errors.ts";
import { redisClient } from "./redis-server.ts";

/**
 * All that capturing and sampling need; nothing of it writes, and only MONITOR shows values. For a user of its own:
 * `ACL SETUSER perfopt on >PASSWORD %R~* -@all` and these (before Redis 7, `~*` instead of `%R~*`). Without `config|get` the
 * settings stay unknown, without `client|list` or `client|id` all clients' memory stands for the capture's own. From 7.2 on,
 * `+client|no-touch` beside them keeps sampled keys from counting as used; earlier servers do not know it, not even as a rule.
 */
export const CAPTURE_RULES =
  "+monitor +info +ping +scan +type +strlen +pttl +object +memory|usage +dbsize +config|get +client|list +client|id";

const REFUSED = /^NOPERM\b/;
/** Managed servers and proxies take commands away by their names. */
const UNKNOWN = /^ERR unknown (?:sub)?command/i;
const STRANGER = /^(?:NOAUTH|WRONGPASS)\b/;

/** The server answered that this user may not; or that there is no such command here. */
export function isForbidden(error: unknown): boolean {
  const text = messageOf(error);
  return REFUSED.test(text) || UNKNOWN.test(text);
}

export function isUnknown(error: unknown): boolean {
  return UNKNOWN.test(messageOf(error));
}

export function redisUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^rediss?:$/.test(url.protocol)) return url;
  throw new PerfoptError(
    "bad-input",
    `${redactSecrets(text)} is not the URL of a Redis server`,
    "give one such as redis://127.0.0.1:6379 or rediss://USER:PASSWORD@HOST:6380",
  );
}

/** A connection for as long as `use` takes; every failure becomes an error that says what helps against it. */
export async function withReader<T>(
  url: string,
  signal: AbortSignal,
  use: (client: Redis) => Promise<T>,
): Promise<T> {
  throwIfAborted(signal);
  const client = redisClient(redisUrl(url).href);
  let first: unknown;
  client.on("error", (error) => (first ??= error));
  try {
    await client.connect();
    return await use(client);
  } catch (error) {
    throwIfAborted(signal);
    // Whoever waits for a connection that a refused password ended hears only that it is closed.
    const closed = messageOf(error).startsWith("Connection is closed");
    throw redisProblem(url, closed ? (first ?? error) : error);
  } finally {
    client.disconnect();
  }
}

function redisProblem(url: string, error: unknown): PerfoptError {
  if (error instanceof PerfoptError) return error;
  const text = redactSecrets(messageOf(error));
  return new PerfoptError(
    "cannot-measure",
    `Redis at ${redactSecrets(url)}: ${text}`,
    hintOf(text),
    { cause: error },
  );
}

function hintOf(text: string): string {
  if (REFUSED.test(text)) {
    return `give the user what reading needs: ACL SETUSER <user> %R~* ${CAPTURE_RULES} (before Redis 7, ~* instead of %R~*)`;
  }
  if (UNKNOWN.test(text)) {
    return "this server does not offer the command, as managed ones often do not: trace the service itself (perfopt/tracer), or give a trace file";
  }
  if (STRANGER.test(text)) return "put user and password into the URL: redis://USER:PASSWORD@HOST";
  return "check that the server runs and that the URL is right";
}
