/** Whether anything listens at a service's URL, asked before a minute of load is spent on it. */
import { connect } from "node:net";
import { PerfoptError, redactSecrets, throwIfAborted } from "../core/errors.ts";

const TIME_LIMIT_MS = 5_000;

/** Opens a connection and sends nothing. Throws cannot-measure, which names what went wrong. */
export async function assertReachable(text: string, signal: AbortSignal): Promise<void> {
  const url = new URL(text);
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  const because = await new Promise<string | undefined>((done) => {
    // The brackets of an IPv6 address are the URL's.
    const socket = connect({ host: url.hostname.replaceAll(/^\[|\]$/g, ""), port, signal });
    const end = (problem?: string) => {
      socket.destroy();
      done(problem);
    };
    socket.setTimeout(TIME_LIMIT_MS, () => end(`no connection within ${TIME_LIMIT_MS / 1_000} s`));
    socket.once("connect", () => end());
    socket.once("error", (error) => end(inWords(error)));
  });
  throwIfAborted(signal);
  if (because === undefined) return;
  throw new PerfoptError(
    "cannot-measure",
    `the service at ${redactSecrets(url.origin)} cannot be reached: ${because}`,
    "start it, or correct --url",
  );
}

function inWords(error: Error): string {
  switch ("code" in error ? error.code : undefined) {
    case "ECONNREFUSED":
      return "connection refused, nothing listens there";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "there is no such host";
    default:
      return error.message;
  }
}
